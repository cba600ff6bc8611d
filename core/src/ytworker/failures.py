"""Dead letters by their cause: a thousand failures of one kind are one line and one decision."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ytworker.model import ErrorClass, Microseconds, Task, rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Tasks whose latest failure has one cause.

    Attributes:
        fingerprint: What they share.
        error_class: Of the latest of them.
        count: How many there are.
        types: Their task types, sorted.
        first_seen: When the first of them ended.
        last_seen: When the latest of them ended.
        sample: The latest of them.
    """

    fingerprint: str
    error_class: ErrorClass | None
    count: int
    types: tuple[str, ...]
    first_seen: Microseconds
    last_seen: Microseconds
    sample: Task

    def to_json(self) -> dict[str, Any]:
        """Give the stable JSON shape of ``dead list``."""
        return {
            "fingerprint": self.fingerprint,
            "error_class": self.error_class.value if self.error_class else None,
            "count": self.count,
            "types": list(self.types),
            "first_seen": rfc3339(self.first_seen),
            "last_seen": rfc3339(self.last_seen),
            "sample": {"id": str(self.sample.id), "error": self.sample.error.message if self.sample.error else None},
        }


def by_cause(tasks: Iterable[Task]) -> list[FailureGroup]:
    """Group failed tasks by the fingerprint of their latest failure; the largest group comes first."""
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        groups.setdefault(task.error.fingerprint if task.error else "", []).append(task)
    found = [_group(fingerprint, members) for fingerprint, members in groups.items()]
    return sorted(found, key=lambda group: (-group.count, -group.last_seen, group.fingerprint))


def _group(fingerprint: str, tasks: list[Task]) -> FailureGroup:
    sample = max(tasks, key=lambda task: (task.finished_at or 0, task.id))
    ended = [task.finished_at or 0 for task in tasks]
    return FailureGroup(
        fingerprint=fingerprint,
        error_class=sample.error.error_class if sample.error else None,
        count=len(tasks),
        types=tuple(sorted({task.type for task in tasks})),
        first_seen=min(ended),
        last_seen=max(ended),
        sample=sample,
    )
