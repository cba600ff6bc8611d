"""Lines over a socket pair: the worker's end never blocks, the child's end always does."""

import selectors
import socket
from collections.abc import Iterator

from ytworker.engine.messages import MAX_LINE

_CHUNK = 1 << 18
MOST_UNREAD = 1 << 20
"""Bytes of answers that may wait for a child which asks and does not listen."""


class LineTooLongError(Exception):
    """The far side sends a line without an end."""


class Channel:
    """The worker's end: what cannot be sent yet waits here, and a line counts once it is whole.

    Args:
        sock: Becomes non-blocking and is owned by the channel.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._in = bytearray()
        self._out = bytearray()
        self._tasks = 0  # bytes at the front of `_out` that are no answers
        self.ended = False

    def fileno(self) -> int:
        """Give the descriptor, for a selector."""
        return self._sock.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._out)

    @property
    def is_clogged(self) -> bool:
        """Whether so many answers wait to be read that no more questions should be heard.

        Tasks that were handed ahead do not count: a child that is in the middle of a question cannot read them yet.
        """
        return len(self._out) - self._tasks > MOST_UNREAD

    @property
    def events(self) -> int:
        """What a selector has to wait for."""
        heard = 0 if self.is_clogged else selectors.EVENT_READ
        return heard | (selectors.EVENT_WRITE if self.wants_to_write else 0)

    def receive(self) -> list[str]:
        """Read what has come and give the whole lines; sets :attr:`ended` at the end of the stream.

        Raises:
            LineTooLongError: Nobody sends such lines.
        """
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return []
        except OSError:  # the child was killed with our words unread
            data = b""
        if not data:
            self.ended = True
            return []
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._in) + lines[0]
            self._in.clear()
        self._in += rest
        if len(self._in) > MAX_LINE:
            raise LineTooLongError
        return [line.decode("utf-8", "replace") for line in lines]

    def drain(self) -> Iterator[str]:
        """Give the lines that a child left behind when it ended; whoever else holds its end does not count."""
        while not self.ended:
            before = len(self._in)
            lines = self.receive()
            if not lines and len(self._in) == before:
                return
            yield from lines

    def send(self, *lines: str) -> None:
        """Send lines, now or as soon as there is room."""
        self._out += "".join(f"{line}\n" for line in lines).encode()
        self.flush()

    def hand(self, *lines: str) -> None:
        """Send lines that nobody asked for: tasks."""
        self._out += "".join(f"{line}\n" for line in lines).encode()
        self._tasks = len(self._out)
        self.flush()

    def flush(self) -> None:
        """Send as much as fits; the end of a child shows when reading."""
        try:
            while self._out:
                sent = self._sock.send(self._out)
                del self._out[:sent]
                self._tasks = max(0, self._tasks - sent)
        except BlockingIOError:
            return
        except OSError:
            self._out.clear()
            self._tasks = 0

    def finish(self) -> None:
        """Let the child know that nothing more comes."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:  # it has gone
            self.ended = True

    def close(self) -> None:
        """Let go of the socket."""
        self._sock.close()
