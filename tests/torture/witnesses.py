"""The histories of all processes, sorted by what they tell."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from torture.history import Event
from torture.plan import BURY, DEFER, FINISH, GIVE_BACK, RETRY

FATES = {
    FINISH: {"completed"},
    RETRY: {"retried", "died"},  # the last attempt is not retried
    BURY: {"died"},
    DEFER: {"deferred"},
    GIVE_BACK: {"returned"},
}
"""The events in the queue that each ending can lead to."""
CHECKPOINT, PROGRESS = "checkpoint", "progress"

Key = tuple[int, int]
"""A task and a fence: one run."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: which, and how."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class ByKey(dict[Key, list[Event]]):
    """Events by run; a run without any has an empty list."""

    def __init__(self, events: Iterable[Event]) -> None:
        for event in events:
            self.setdefault((event["task"], event["fence"]), []).append(event)

    def __missing__(self, key: Key) -> list[Event]:
        return []


class Witnesses:
    """What the processes saw.

    Attributes:
        events: Everything, in the order of time.
        claims: The claims that were received.
        tries: The endings that were tried; written before the call.
        done: The endings that were acknowledged.
        refused: The endings that were refused.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.claims = ByKey(self.of("claimed"))
        self.tries = ByKey(self._endings("try"))
        self.done = ByKey(self._endings("done"))
        self.refused = ByKey(self._endings("refused"))

    def _endings(self, kind: str) -> list[Event]:
        return [event for event in self.of(kind) if event["what"] in FATES]

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event["event"] in kinds]

    def unanswered(self, key: Key) -> list[Event]:
        """Give the tries whose process died before the answer: they may have taken effect."""
        return [] if self.done[key] or self.refused[key] else self.tries[key]

    def saved(self, kind: str) -> dict[int, set[str]]:
        """Give the items of the checkpoints of each task that were tried, done or refused."""
        items: dict[int, set[str]] = defaultdict(set)
        for event in self.of(kind):
            if event["what"] == CHECKPOINT:
                items[event["task"]].update(event["items"])
        return items

    @cached_property
    def fences(self) -> dict[int, list[tuple[int, int]]]:
        """The claims of each task that were received: fence and time."""
        fences: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for (task, fence), claims in self.claims.items():
            fences[task].append((fence, claims[0]["t"]))
        return fences

    @cached_property
    def follow_ups(self) -> set[str]:
        """The tags of all tasks that completions asked for."""
        return {tag for tries in self.tries.values() for event in tries for tag in event.get("follow_ups", ())}

    @cached_property
    def leases(self) -> dict[int, int]:
        """Until when each worker knew itself to be safe; the clock was read before the call."""
        leases: dict[int, int] = {}
        for event in self.of("leased"):
            leases[event["worker"]] = max(leases.get(event["worker"], 0), event["until"])
        return leases

    @cached_property
    def leaving(self) -> set[int]:
        """The workers that gave their lease back, or tried to."""
        return {event["worker"] for event in self.of("leaving")}

    @cached_property
    def cancelling(self) -> set[int]:
        """The tasks that somebody cancelled, or tried to."""
        return {task for event in self.of("cancelling") for task in event["tasks"]}

    @cached_property
    def finished_at(self) -> dict[int, int]:
        """When the completion of a task was acknowledged."""
        return {key[0]: each["t"] for key, done in self.done.items() for each in done if each["what"] == FINISH}
