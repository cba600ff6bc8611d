"""Loggers for plugins that remember warnings: they may be the only ones to tell why a scrape fails later."""

import logging
from collections import deque
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any

MAX_WARNINGS = 20
MAX_WARNING = 500


class Listening(logging.LoggerAdapter[logging.Logger]):
    """A logger that adds what is known to each record, and its warnings to a list.

    Args:
        logger: Where it logs.
        known: Goes with each record, as ``extra`` does.
        warned: The list.
    """

    def __init__(self, logger: logging.Logger, known: Mapping[str, object], warned: deque[str]) -> None:
        super().__init__(logger, known)
        self._known = known
        self._warned = warned

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """See :class:`logging.LoggerAdapter`."""
        if level >= logging.WARNING:
            with suppress(Exception):  # the logger itself complains of arguments that do not fit
                self._warned.append((str(msg) % args if args else str(msg))[:MAX_WARNING])
        super().log(level, msg, *args, **{**kwargs, "stacklevel": kwargs.get("stacklevel", 1) + 1})

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Keep what the caller gives as ``extra``; the base class drops it."""
        return msg, {**kwargs, "extra": {**(kwargs.get("extra") or {}), **self._known}}
