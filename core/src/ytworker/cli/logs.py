"""Logging to stderr, for people or as JSON Lines."""

import logging
import sys

from ytworker.logs import ConsoleFormatter, JSONFormatter, Listening

_listening: list[Listening] = []


def start_log(level: str, form: str) -> None:
    """Send the program's own log to stderr, and with it what libraries log and warn of, and failures of threads.

    Args:
        level: What to log.
        form: ``json``, or anything else for people.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if form == "json" else ConsoleFormatter())
    log = logging.getLogger("ytworker")
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False
    _stop_listening()
    _listening.append(Listening(handler, log.level))


def stop_log() -> None:
    """Leave logging as it was before the program began; for whoever calls it within a process of their own."""
    _stop_listening()
    log = logging.getLogger("ytworker")
    log.handlers[:] = []
    log.propagate = True
    log.setLevel(logging.NOTSET)


def _stop_listening() -> None:
    while _listening:
        _listening.pop().stop()
