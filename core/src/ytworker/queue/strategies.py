"""The orders in which tasks are claimed, as values.

A strategy names an index and an order over it; both are constants of this module. A backend looks a strategy up by its
name and uses statements of its own, so no text that a caller made ever reaches the database.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClaimingStrategy:
    """One claim order.

    Attributes:
        name: What the setting ``strategy`` and ``--strategy`` call it.
        index: The index that answers it with one seek.
        order_by: The order over that index.
        summary: One sentence for people.
    """

    name: str
    index: str
    order_by: str
    summary: str

    def get_order_by_clause(self) -> str:
        """Give the order as a constant SQL text, such as ``id DESC``."""
        return self.order_by


FIFOStrategy = ClaimingStrategy("fifo", "ready_id", "id ASC", "oldest first")
LIFOStrategy = ClaimingStrategy("lifo", "ready_id", "id DESC", "newest first (the default)")

STRATEGIES = {strategy.name: strategy for strategy in (FIFOStrategy, LIFOStrategy)}


def get_strategy(name: str) -> ClaimingStrategy:
    """Find a claim order by its name, in any case.

    Raises:
        ValueError: No such order; the message names those that exist.
    """
    try:
        return STRATEGIES[name.strip().lower()]
    except KeyError:
        known = ", ".join(sorted(STRATEGIES))
        msg = f"unknown claim order {name!r}; choose one of: {known}"
        raise ValueError(msg) from None
