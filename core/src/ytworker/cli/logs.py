"""Logging to stderr, for people or as JSON Lines."""

import json
import logging
import sys

from ytworker.cli.output import printable
from ytworker.model import rfc3339


class ConsoleFormatter(logging.Formatter):
    """One readable line; control characters of texts from outside do not reach the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        return f"{record.levelname.lower()}: {printable(super().format(record))}"


class JSONFormatter(logging.Formatter):
    """One JSON object a line; JSON escapes what could break the line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        entry = {
            "ts": rfc3339(round(record.created * 1_000_000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def start_log(level: str, form: str) -> None:
    """Send the program's own log to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if form == "json" else ConsoleFormatter())
    if logging.lastResort is not None:  # it writes for libraries that log without a handler, and as they come
        logging.lastResort.setFormatter(handler.formatter)
    log = logging.getLogger("ytworker")
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False
