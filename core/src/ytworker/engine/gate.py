"""The gate of a child: it begins a task only with a token, and the kernel sees to it that nobody else has that token.

A child begins what it was handed ahead by itself: it must not wait for the worker between two short tasks. And the
worker takes back what waits behind a long one: it must not run here and somewhere else. So each task has a token of one
byte, in a socket pair whose far end both of them can read: the child takes a token when it begins, the worker takes
back those that are left and puts tokens in their place that say to drop the task. Whoever reads a byte has it alone.
"""

import socket
from contextlib import suppress

GO, DROP = b"g", b"x"
_ALL = 1 << 12


class Gate:
    """The worker's hands on the tokens of one child; :attr:`far` is what the child gets, too.

    A plugin can find the far end and shut it. Then :meth:`open` and :meth:`shut` raise OSError: what the child was not
    let begin, it never begins.
    """

    def __init__(self) -> None:
        self._near, self.far = socket.socketpair()

    def open(self, count: int) -> None:
        """Let the child begin so many more tasks."""
        self._put(GO * count)

    def shut(self, count: int) -> int:
        """Keep the child from beginning its last ``count`` tasks; gives how many of them it had not begun."""
        try:
            taken = len(self.far.recv(count, socket.MSG_DONTWAIT))
        except BlockingIOError:  # none is left
            return 0
        if not taken:
            msg = "the gate is shut"
            raise BrokenPipeError(msg)
        self._put(DROP * taken)
        return taken

    def bar(self) -> int:
        """Keep a child that is to die from beginning anything more; gives how many tasks it had not begun."""
        tokens = b""
        with suppress(OSError):  # none is left
            tokens = self.far.recv(_ALL, socket.MSG_DONTWAIT)
        return tokens.count(GO)

    def close(self) -> None:
        """Let go of it."""
        self._near.close()
        self.far.close()

    def _put(self, tokens: bytes) -> None:
        self._near.sendall(tokens)


def may_begin(far: socket.socket) -> bool | None:
    """Take the next token, in the child: whether to begin the next task; None where the worker is gone."""
    token = far.recv(1)
    return token == GO if token else None
