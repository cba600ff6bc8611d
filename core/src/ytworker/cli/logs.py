"""Logging to stderr, for people or as JSON Lines."""

import logging
import sys

from ytworker.logs import ConsoleFormatter, JSONFormatter


def start_log(level: str, form: str) -> None:
    """Send the program's own log to stderr.

    Args:
        level: What to log.
        form: ``json``, or anything else for people.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if form == "json" else ConsoleFormatter())
    if logging.lastResort is not None:  # it writes for libraries that log without a handler, and as they come
        logging.lastResort.setFormatter(handler.formatter)
    log = logging.getLogger("ytworker")
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False
