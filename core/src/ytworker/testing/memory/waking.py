"""What wakes a worker that waits for a queue in memory: a socket that is written to with every change."""

import socket
from contextlib import suppress


class MemoryWaker:
    """See :class:`ytworker.queue.Waker`; it wakes with every commit that changes something.

    Args:
        wakers: Those of the store; this one adds itself, and leaves with :meth:`close`.
    """

    def __init__(self, wakers: set["MemoryWaker"]) -> None:
        self._wakers = wakers
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        wakers.add(self)

    def fileno(self) -> int:
        """See :class:`ytworker.queue.Waker`."""
        return self._ours.fileno()

    def ring(self) -> None:
        """Make it readable."""
        with suppress(OSError):  # full: it was rung often enough
            self._theirs.send(b"!")

    def clear(self) -> None:
        """See :class:`ytworker.queue.Waker`."""
        with suppress(BlockingIOError):
            while self._ours.recv(1 << 16):
                pass

    def close(self) -> None:
        """See :class:`ytworker.queue.Waker`."""
        self._wakers.discard(self)
        self._ours.close()
        self._theirs.close()
