"""What a child says beside its messages: logs, warnings, prints; handed to the worker without the secrets it knows.

Native code, programs that a plugin starts, and processes that it forks do not come by here. They write to the
descriptors 1 and 2, which lead to the worker, too: see :mod:`ytworker.engine.raw_output`.
"""

import io
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Protocol

from ytworker.engine.classify import clean
from ytworker.engine.messages import encode
from ytworker.logs import Listening, Printed, as_text
from ytworker.plugins.tracing import LOGGER as HOOKS
from ytworker.redaction import redact

MAX_LOG = 16_000
_LONGEST = 64_000  # what is longer is cut before it is looked at, which takes time
_STREAMS = {"stdout": (1, logging.INFO), "stderr": (2, logging.WARNING)}
_RAW = 2
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


class Teller(Protocol):
    """Hands lines to the worker."""

    def tell(self, *lines: str) -> bool:
        """Hand them on, and say whether this process may."""


class Mouth:
    """Tells the worker what is logged and printed.

    Args:
        wire: To the worker.
        level: From which level on it wants to know.
    """

    def __init__(self, wire: Teller, level: int) -> None:
        self._wire = wire
        self._level = level

    def say(self, level: int, name: str, text: str) -> None:
        """Say something; what cannot be said is no reason to fail."""
        if level < self._level and name != HOOKS.name:  # who traces calls wants to see them at any level
            return
        with suppress(Exception):
            words = redact(clean(text[:_LONGEST]))[:MAX_LOG]
            if not self._passed_on(level, name, words):  # the plugin forked, or the worker is gone
                os.write(_RAW, f"{words}\n".encode())

    def _passed_on(self, level: int, name: str, words: str) -> bool:
        with suppress(OSError):
            return self._wire.tell(encode({"kind": "log", "level": level, "name": name, "text": words}))
        return False


class WireHandler(logging.Handler):
    """Hands what is logged to the worker, which writes it where and how its user wants it."""

    def __init__(self, mouth: Mouth) -> None:
        super().__init__()
        self._mouth = mouth

    def handle(self, record: logging.LogRecord) -> bool:
        """Take no lock of its own: the wire has one, and two threads could take the two in two orders."""
        wanted = bool(self.filter(record))
        if wanted:
            self.emit(record)
        return wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record."""
        with suppress(Exception):  # a log that cannot be written is no reason to fail
            self._mouth.say(record.levelno, record.name, self.format(record))


class Overhearing:
    """Hears everything that this process says, as long as it lives.

    Args:
        wire: To the worker.
        level: The worker's.
    """

    def __init__(self, wire: Teller, level: int) -> None:
        self._mouth = Mouth(wire, level)
        self._copies = {number: os.dup(number) for number, _ in _STREAMS.values()}
        self._printed: dict[str, Printed] = {}
        self._handler = WireHandler(self._mouth)
        self._level = level
        logging.getLogger().handlers[:] = []
        self._listening = Listening(self._handler, level)
        self.mend()

    def mend(self) -> None:
        """Undo what a task may have done to its process: the next one must not suffer from it."""
        for timer in _TIMERS:  # one that is left on would kill the next task
            signal.setitimer(timer, 0)
        self._mend_logging()
        self._mend_streams()

    def _mend_logging(self) -> None:
        logging.disable(logging.NOTSET)
        log = logging.getLogger("ytworker")
        log.handlers[:] = [self._handler]  # of its own: a plugin may set up the root logger anew
        log.setLevel(self._level)
        log.propagate = False
        self._listening.renew()
        for logger in list(logging.root.manager.loggerDict.values()):
            if isinstance(logger, logging.Logger) and logger.disabled:  # `dictConfig` does so
                logger.disabled = False

    def _mend_streams(self) -> None:
        for number, copy in self._copies.items():
            os.dup2(copy, number)
        for name in _STREAMS:
            stream = getattr(sys, name)
            if not self._is_ours(name, stream):
                setattr(sys, name, self._stream(name))

    def end(self) -> None:
        """Say what was printed and has no end of a line yet."""
        for printed in self._printed.values():
            printed.end()

    def _is_ours(self, name: str, stream: object) -> bool:
        with suppress(ValueError):  # it was detached
            if isinstance(stream, io.TextIOWrapper) and not stream.closed:
                return stream.buffer is self._printed.get(name)
        return False

    def _stream(self, name: str) -> io.TextIOWrapper:
        number, level = _STREAMS[name]
        self._printed[name] = Printed(lambda text: self._mouth.say(level, name, text), name, number)
        return as_text(self._printed[name])
