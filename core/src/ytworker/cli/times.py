"""Times and spans as people type them."""

import re
from datetime import UTC, datetime, timedelta

import typer

from ytworker.model import Microseconds, to_microseconds

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"(\d{1,6})\s*([smhd])")


def moment(text: str) -> datetime:
    """Read a time; one without a zone is local.

    Raises:
        ValueError: It is none, or too far away.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no time; write 2026-12-01T09:00:00Z, or without Z for local time"
        raise ValueError(msg) from None
    try:
        return found.astimezone(UTC)
    except OverflowError:
        msg = f"{text!r} is too far away"
        raise ValueError(msg) from None


def span(text: str) -> timedelta:
    """Read a span such as ``10m``.

    Raises:
        ValueError: It is none.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is no span; write 90s, 10m, 2h or 1d"
        raise ValueError(msg)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def past(text: str | None, option: str) -> Microseconds | None:
    """Read an option that is a moment in the past: a time, or a span before now.

    Raises:
        typer.BadParameter: It is neither.
    """
    if text is None:
        return None
    try:
        if _SPAN.fullmatch(text.strip()):
            return to_microseconds(datetime.now(UTC) - span(text))
        return to_microseconds(moment(text))
    except (ValueError, OverflowError):
        msg = f"{option} takes a span before now (90s, 10m, 2h, 7d) or a time (2026-12-01T09:00Z), not {text!r}"
        raise typer.BadParameter(msg) from None
