"""Sources: cool-downs and pauses that every worker sees."""

from collections.abc import Collection
from dataclasses import replace

from ytworker.model import ErrorClass, Microseconds, SourceState, TaskStatus
from ytworker.queue import CoolDown
from ytworker.testing.memory.states import save
from ytworker.testing.memory.store import Transaction


def cool_down(transaction: Transaction, change: CoolDown) -> None:
    """Start or prolong a cool-down, or a pause."""
    sources = transaction.store.sources
    state = sources.get(change.source, SourceState(name=change.source))
    if change.paused_by is not None and state.paused_by is None and (state.paused_until or 0) >= change.until:
        return  # paused by hand, and for longer
    if change.paused_by is not None:
        state = replace(state, paused_until=change.until, pause_reason=change.reason, paused_by=change.paused_by)
    elif (state.cooling_until or 0) < change.until:  # a shorter one within a longer one changes nothing
        state = replace(
            state,
            cooling_until=change.until,
            reason=change.reason,
            strikes=change.strikes,
            error_class=change.error_class,
        )
    transaction.put(sources, change.source, state)


def forgive(transaction: Transaction, names: Collection[str], settings: str | None) -> None:
    """Forget the strikes of sources that answered well, and the pause for these settings, or for any.

    A cool-down that is running stays, but for the rest of a source that was not reached: now it was.
    """
    sources = transaction.store.sources
    for name in names:
        state = sources.get(name, SourceState(name=name))
        unreached = state.error_class is ErrorClass.TRANSIENT
        if name in sources and (unreached or (state.cooling_until or 0) <= transaction.now):
            free = replace(state, strikes=0, cooling_until=None, reason=None, error_class=None)
            transaction.put(sources, name, free)
        if unreached:
            _wake(transaction, name)
        unpause(transaction, name, settings)


def pause(transaction: Transaction, name: str, until: Microseconds, reason: str) -> None:
    """Pause a source by hand: one that is paused for no settings."""
    sources = transaction.store.sources
    state = sources.get(name, SourceState(name=name))
    transaction.put(sources, name, replace(state, paused_until=until, pause_reason=reason, paused_by=None))


def resume(transaction: Transaction, name: str) -> None:
    """End a cool-down and a pause by hand; what waits for the source is due."""
    sources = transaction.store.sources
    if name in sources:
        free = replace(sources[name], cooling_until=None, reason=None)
        transaction.put(sources, name, replace(free, paused_until=None, pause_reason=None, paused_by=None))
    _wake(transaction, name)


def unpause(transaction: Transaction, name: str, settings: str | None = None) -> None:
    """End a pause for these settings, or for any, and make due what waits for the source."""
    sources = transaction.store.sources
    paused_by = sources[name].paused_by if name in sources else None
    if paused_by is not None and settings in {None, paused_by}:
        state = replace(sources[name], paused_until=None, pause_reason=None, paused_by=None)
        transaction.put(sources, name, state)
        _wake(transaction, name)


def _wake(transaction: Transaction, source: str) -> None:
    for task in [transaction.store.tasks[task_id] for task_id in transaction.store.waiting]:
        if task.state is TaskStatus.SCHEDULED and task.source == source and task.at > transaction.now:
            save(transaction, replace(task, at=transaction.now))
