"""The orders in which tasks are claimed, as values.

A strategy names an order over the ready tasks; its clause is a constant of this module. A backend looks a strategy up
by its name and uses statements of its own, so no text that a caller made ever reaches the database.
"""

from dataclasses import dataclass, replace

AGED_SHARE = 0.25
"""With aging, the share of claims that go to the oldest task once it has waited for too long."""


@dataclass(frozen=True, slots=True)
class ClaimingStrategy:
    """One claim order.

    Attributes:
        name: What the setting ``strategy`` and ``--strategy`` call it.
        order_by: The order over the ready tasks, as SQL over the columns ``id``, ``priority`` and ``weight_key``.
        summary: One sentence for people.
        aging_seconds: Keeps an order from starving a task for ever: once the oldest ready task has waited for so long,
            it is taken by one claim in four (:data:`AGED_SHARE`), and the others keep the order. None switches it off.
    """

    name: str
    order_by: str
    summary: str
    aging_seconds: float | None = None

    def get_order_by_clause(self) -> str:
        """Give the order as a constant SQL text, such as ``id DESC``."""
        return self.order_by


FIFOStrategy = ClaimingStrategy("fifo", "id ASC", "oldest first")
LIFOStrategy = ClaimingStrategy("lifo", "id DESC", "newest first (the default)")
PriorityStrategy = ClaimingStrategy("priority", "priority DESC, id ASC", "highest priority first, then oldest")
WeightedRandomStrategy = ClaimingStrategy(
    "weighted_random", "weight_key ASC", "at random, with a probability exactly proportional to the priority"
)

STRATEGIES = {
    strategy.name: strategy for strategy in (FIFOStrategy, LIFOStrategy, PriorityStrategy, WeightedRandomStrategy)
}
ORDERS = tuple(STRATEGIES)
"""The names of all orders: what a queue offers unless the setting ``orders`` narrows it."""


def get_strategy(name: str, *, aging_seconds: float | None = None) -> ClaimingStrategy:
    """Find a claim order by its name, in any case; ``weighted-random`` is ``weighted_random``.

    Args:
        name: What the order is called.
        aging_seconds: See :class:`ClaimingStrategy`.

    Raises:
        ValueError: No such order; the message names those that exist.
    """
    try:
        found = STRATEGIES[name.strip().lower().replace("-", "_")]
    except KeyError:
        known = ", ".join(sorted(STRATEGIES))
        msg = f"unknown claim order {name!r}; choose one of: {known}"
        raise ValueError(msg) from None
    return found if aging_seconds is None else replace(found, aging_seconds=aging_seconds)
