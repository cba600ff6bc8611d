"""Who in an attempt is asking a source just now: a source's place in flight is for one request at a time.

A scrape may have threads and coroutines of its own. They share the attempt's place, so they ask one after the other.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

PATIENCE_SECONDS = 600.0
"""How long a thread waits for another of its own scrape; two that wait for each other would do so for ever."""

# By source, the hold that the running code is inside of. A thread that was started in it is not inside, unless it was
# given the context, as `asyncio.to_thread` does; a coroutine that was created in it is.
_INSIDE: ContextVar[Mapping[str, object]] = ContextVar("ytworker_holds", default=MappingProxyType({}))


class Holds:
    """The places in flight of one attempt.

    Args:
        patience: How many seconds a thread waits for another one.

    Attributes:
        taken: In which holds a place was taken, by source.
        failed: Whose place is held by a request that failed.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._ended = threading.Condition()
        self._running: dict[str, object] = {}
        self._threads: dict[str, int] = {}
        self._depths: Counter[str] = Counter()
        self.taken: set[str] = set()
        self.failed: set[str] = set()

    def begin(self, source: str) -> None:
        """Begin a hold, or one inside of that which the running code is in.

        Raises:
            RuntimeError: Another coroutine of this thread holds it, which to wait for would be for ever; or another
                thread does not let go of it.
        """
        with self._ended:
            hold = self._running.get(source)
            if hold is None or hold is not _INSIDE.get().get(source):
                self._wait(source)
                self._running[source] = hold = object()
                self._threads[source] = threading.get_ident()
                _INSIDE.set({**_INSIDE.get(), source: hold})
            self._depths[source] += 1

    def end(self, source: str) -> bool:
        """End the innermost hold; True when it was the outermost and a place was taken in it."""
        with self._ended:
            self._depths[source] -= 1
            if self._depths[source]:
                return False
            del self._running[source], self._threads[source]
            _INSIDE.set({name: hold for name, hold in _INSIDE.get().items() if name != source})
            taken = source in self.taken
            self.taken.discard(source)
            self._ended.notify_all()
            return taken

    def _wait(self, source: str) -> None:
        if self._threads.get(source) == threading.get_ident():
            msg = f"another coroutine of this scrape is asking {source}: its place in flight is for one request at a "
            msg += "time. Put an asyncio.Lock around context.budget(...).request(), or ask one after the other"
            raise RuntimeError(msg)
        if not self._ended.wait_for(lambda: source not in self._running, self._patience):
            msg = f"another thread of this scrape has been asking {source} for {self._patience:g} s; end a request "
            msg += "before you wait for a thread that asks, too"
            raise RuntimeError(msg)
