"""How a log record is written: one line, without secrets and control characters, and never longer than 8 KiB."""

import json
import logging
import socket
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ytworker.logs.events import fields_of
from ytworker.redaction import masked, printable, redact, without_controls

MAX_LINE = 8192
"""Bytes of a line with its line break; what reads logs cuts longer ones apart."""

_LONGEST_TEXT = 64_000
_HALF = MAX_LINE // 2 - 16
_CUTS = (6_000, 3_000, 1_000, 250, 60, 25)


class ConsoleFormatter(logging.Formatter):
    """One readable line; control characters of texts from outside do not reach the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        return _without_middle(f"{record.levelname.lower()}: {_one_line(super().format(record))}")


class JSONFormatter(logging.Formatter):
    """One JSON object a line; ASCII only, so that its length in characters is its length in bytes."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        fields = {name: _plain(name, value) for name, value in fields_of(record).items()}
        entry: dict[str, Any] = {
            "ts": _timestamp(record.created),
            "level": record.levelname.lower(),
            "event": fields.pop("event"),
            "message": _one_line(record.getMessage()),
            **fields,
            "logger": printable(record.name),
            "host": _host(),
            "pid": record.process,
        }
        if record.exc_info:
            entry["traceback"] = _traceback(self.formatException(record.exc_info))
        return _fitting(entry)


def _one_line(text: str) -> str:
    line = printable(redact(without_controls(text[:_LONGEST_TEXT])))
    return line[: -_CUTS[2]] if len(text) > _LONGEST_TEXT else line  # the cut may have gone through a secret


def _without_middle(line: str) -> str:
    """Cut a line where it is too long; what happened stands at its beginning, and of a traceback at its end."""
    raw = line.encode()
    if len(raw) < MAX_LINE:
        return line
    return f"{raw[:_HALF].decode(errors='ignore')} … {raw[-_HALF:].decode(errors='ignore')}"


def _fitting(entry: dict[str, Any]) -> str:
    """Write an entry; one that is too long is cut in its longest texts first, and says so."""
    line = json.dumps(entry, default=str)
    for most in _CUTS:
        if len(line) < MAX_LINE:
            break
        line = json.dumps(
            {**{name: _shortened(name, value, most) for name, value in entry.items()}, "truncated": True}, default=str
        )
    return line


def _shortened(name: str, value: Any, most: int) -> Any:
    """Cut a text at its end; of a traceback the end is what counts."""
    if name == "traceback" and len(value) > most:
        return "…" + value[1 - most :]
    return _cut(value, most) if isinstance(value, str) else value


def _cut(text: str, most: int) -> str:
    return text[: most - 1] + "…" if len(text) > most else text


def _plain(name: str, value: Any) -> Any:
    hidden = masked(name, value)
    return printable(hidden) if isinstance(hidden, str) else hidden


def _traceback(text: str) -> str:
    """Clean a traceback; its lines stay apart, which JSON writes as an escape."""
    lines = redact(without_controls(text[-_LONGEST_TEXT:])).splitlines()
    return "\n".join(map(printable, lines))


def _timestamp(seconds: float) -> str:
    """Write a moment as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _host() -> str:
    return printable(socket.gethostname())
