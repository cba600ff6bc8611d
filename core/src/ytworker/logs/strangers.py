"""What is said past our loggers: by libraries, by warnings, by failures that nobody catches, and by whoever prints.

A log is only free of secrets and one record a line when nothing gets past its handlers. :class:`Listening` lets
everything that goes through :mod:`logging` end at one handler, and :class:`Printed` makes lines of what is written to a
stream.
"""

import io
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

from ytworker.redaction import redact, without_controls

LONGEST = 16_000
"""Bytes of a printed line; what follows in the same line is dropped."""
_EDGE = 1_000  # where a line was cut, the beginning of a secret may be left, and no longer looks like one

Tell = Callable[[str], None]


def level_of_strangers(level: int) -> int:
    """Give from which level on libraries are heard: their warnings, and more only for whoever debugs, but no flood."""
    return logging.INFO if level <= logging.DEBUG else max(level, logging.WARNING)


class Listening:
    """Everything that goes through :mod:`logging`, Python's warnings and failures that nobody catches, at one handler.

    Args:
        handler: Where it ends; its level bounds what is heard.
        level: What our own loggers log.
    """

    def __init__(self, handler: logging.Handler, level: int) -> None:
        self._handler = handler
        self._level = level_of_strangers(level)
        self._before = logging.getLogger().level, threading.excepthook, sys.unraisablehook
        self.renew()

    def renew(self) -> None:
        """Undo what somebody may have done to it meanwhile; handlers of others stay."""
        root = logging.getLogger()
        root.addHandler(self._handler)  # once is enough, and twice is once
        root.setLevel(self._level)
        logging.captureWarnings(capture=True)
        threading.excepthook = _tell_thread
        sys.unraisablehook = _tell_unraisable

    def stop(self) -> None:
        """Leave everything as it was."""
        root = logging.getLogger()
        root.removeHandler(self._handler)
        logging.captureWarnings(capture=False)
        level, threading.excepthook, sys.unraisablehook = self._before
        root.setLevel(level)


class Printed(io.BufferedIOBase):
    """A binary stream that makes lines of what is written to it; of a line that was overwritten its last state.

    It has no lock: a process that was forked while a thread printed would wait for it for ever.

    Args:
        tell: Is told each line that is not blank.
        name: Of the stream.
        number: The descriptor that programs get which are started with this stream.
    """

    def __init__(self, tell: Tell, name: str, number: int) -> None:
        self._tell = tell
        self.name = f"<{name}>"
        self._number = number
        self._held: dict[int, bytes] = {}  # by thread: lines of two of them must not run into each other

    def writable(self) -> bool:
        """See :class:`io.BufferedIOBase`."""
        return True

    def fileno(self) -> int:
        """See :class:`io.BufferedIOBase`."""
        return self._number

    def write(self, data: Any, /) -> int:
        """Take bytes and tell the lines that they end."""
        if self.closed:
            msg = "I/O operation on closed file"
            raise ValueError(msg)
        given = bytes(data)
        *lines, rest = given.split(b"\n")
        thread = threading.get_ident()
        held = self._held.pop(thread, b"")
        if lines:
            lines[0] = held + lines[0]
        else:
            rest = held + rest
        if rest:
            self._held[thread] = rest[: LONGEST + 1]
        for line in lines:
            self._tell_line(line)
        return len(given)

    def end(self) -> None:
        """Tell what was begun and has no end of a line yet."""
        for thread in list(self._held):
            self._tell_line(self._held.pop(thread, b""))

    def _tell_line(self, line: bytes) -> None:
        text = line[:LONGEST].decode("utf-8", "replace").rstrip().rpartition("\r")[2]
        if len(line) > LONGEST:
            text = redact(without_controls(text))[:-_EDGE] + " …"
        if text.strip():
            self._tell(text)


def as_text(printed: Printed) -> io.TextIOWrapper:
    """Give a stream like ``sys.stdout`` whose lines are told; any character can be printed."""
    return io.TextIOWrapper(printed, "utf-8", "backslashreplace", write_through=True)


def _tell_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is SystemExit or failed.exc_value is None:
        return
    name = "of unknown name" if failed.thread is None else failed.thread.name
    told = failed.exc_type, failed.exc_value, failed.exc_traceback
    logging.getLogger("threading").error("the thread %s failed", name, exc_info=told)


def _tell_unraisable(failed: Any) -> None:
    where = type(failed.object).__name__ if failed.object is not None else "an object"
    error = failed.exc_value if failed.exc_value is not None else failed.exc_type()
    told = failed.exc_type, error, failed.exc_traceback
    logging.getLogger("unraisable").error("%s in %s", failed.err_msg or "Exception ignored", where, exc_info=told)
