"""What an attempt sees and goes through, gathered for metrics: fields that its items lack, and waits for its turn."""

from collections import Counter

from ytworker.model import NO_SIGHTS, SECOND, Item, Microseconds, Sights
from ytworker.queue.counting import missing_fields


class Lookout:
    """Gathers the sights of one attempt; one that does nothing costs next to nothing."""

    __slots__ = ("_items", "_missing", "_waited")

    def __init__(self) -> None:
        self._items = 0
        self._missing: Counter[str] | None = None
        self._waited: Counter[str] | None = None

    def see(self, item: Item) -> None:
        """Look at an item that was yielded, doubted or not."""
        self._items += 1
        self._missing = Counter() if self._missing is None else self._missing
        self._missing.update(missing_fields(item))

    def wait(self, source: str, seconds: float) -> Microseconds:
        """Note a wait for the turn with a source, and give it in microseconds."""
        waited = round(seconds * SECOND)
        if waited:
            self._waited = Counter() if self._waited is None else self._waited
            self._waited[source] += waited
        return waited

    def tell(self) -> Sights:
        """Give what was gathered."""
        if self._missing is None and self._waited is None:
            return NO_SIGHTS
        return Sights(self._items, self._missing or {}, self._waited or {})
