"""What goes with a task: its items and follow-ups are those of accepted endings, its key keeps others out."""

from collections.abc import Iterator

from torture.history import Event
from torture.plan import FINISH
from torture.store import ENDED, Store, Stored
from torture.witnesses import Violation, Witnesses


def items_are_those_of_accepted_endings(seen: Witnesses, store: Store) -> Iterator[Violation]:
    """A checkpoint whose process died before the answer may have stored its items, or not."""
    sure, tried, refused = seen.saved("done"), seen.saved("try"), seen.saved("refused")
    for number, stored in store.tasks.items():
        found, completed = set(stored.items), _of_completion(seen, stored, "items")
        if missing := (completed | sure[number]) - found:
            yield Violation("items", f"task {number} lacks {sorted(missing)}")
        if foreign := found - completed - (tried[number] - refused[number]):
            yield Violation("items", f"task {number} has {sorted(foreign)}, which no accepted ending stored")
        if len(stored.items) != len(found):
            yield Violation("items", f"task {number} has an item twice: {stored.items}")
    everything = sorted(item for stored in store.tasks.values() for item in stored.items)
    if sorted(store.items) != everything:
        yield Violation("items", f"{len(store.items)} items are there, the tasks have {len(everything)}")


def follow_ups_are_those_of_accepted_endings(seen: Witnesses, store: Store) -> Iterator[Violation]:
    there = {stored.tag for stored in store.tasks.values()}
    granted = {tag for stored in store.tasks.values() for tag in _of_completion(seen, stored, "follow_ups")}
    for tag in granted - there:
        yield Violation("follow_ups", f"{tag} was asked for by an accepted completion and is not there")
    for tag in (seen.follow_ups & there) - granted:
        yield Violation("follow_ups", f"{tag} is there, but no completion that asked for it was accepted")


def _of_completion(seen: Witnesses, stored: Stored, what: str) -> set[str]:
    """Give what the completing run tried to store; the queue says which run that was."""
    if stored.task.state != "completed" or not stored.runs:
        return set()
    tries = seen.tries[stored.task.id, stored.runs[-1].fence]
    return {each for event in tries if event["what"] == FINISH for each in event[what]}


def a_key_keeps_others_out(seen: Witnesses, store: Store) -> Iterator[Violation]:
    """Nobody gets a key that was surely held during the whole call, and nobody holds it who had surely ended before."""
    began = {tag: event["t"] for event in seen.of("enqueuing") for tag in event["tags"]}
    held: dict[str, list[tuple[Event, int]]] = {}
    for event in seen.of("enqueued"):
        holder = store.tasks.get(event["task"])
        if event.get("key") is None or holder is None:
            continue
        since = began[event["tag"]]
        if event["created"]:
            holders = held.setdefault(event["key"], [])
            for other, until in holders:
                if other["t"] < since and event["t"] < until:
                    text = f"tasks {other['task']} and {event['task']} held {event['key']} at the same time"
                    yield Violation("key", text)
            holders.append((event, _held_until(holder, event["key"])))
        elif seen.finished_at.get(holder.task.id, since) < since:
            yield Violation("key", f"task {holder.task.id} was said to hold {event['key']} after it had ended")


def _held_until(stored: Stored, key: str) -> int:
    """Give a moment at which the key was surely still held: the queue reads the clock before it frees it."""
    frees = {*ENDED.values(), *(["claimed"] if key.startswith("queued") else [])}
    return next((event.at for event in stored.events if event.kind in frees), 0)
