"""The counters that metrics are made of: their names, and the words that stand in these.

A name is a kind and then labels, such as ``jobs|channel_scrape|ok``. The words come from small sets: task types,
outcomes, classes, sources and the fields of an item. The first label may hold the separator, since a queue takes any
text for a task type; the others never do.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from operator import attrgetter

from pydantic import BaseModel

from ytworker.model import Author, Item, Metrics, NewTask

SEPARATOR = "|"

DURATIONS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""Upper bounds of the histogram of durations, in seconds: from one request to the default deadline."""
WAITS = (0.01, 0.1, 1.0, 10.0, 60.0, 300.0, 600.0, 3600.0, 21_600.0, 86_400.0)
"""Upper bounds of the histogram of waits, in seconds: from an idle worker to a backlog of days."""


class Change(StrEnum):
    """What a sight of an item changes; each is exactly one of these.

    ``tombstone`` is the sight that first tells that the item is gone; ``suspect`` is one that was kept apart.
    """

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    SUSPECT = "suspect"
    TOMBSTONE = "tombstone"


GONE = "gone"
"""The availability of an item that does not exist any more."""

_IDENTITY = {"source", "kind", "id"}
_PARTS: dict[str, type[BaseModel]] = {"author": Author, "metrics": Metrics}
_NO_FIELDS = {"context", "extra", "precision"}
_PLAIN = [name for name in Item.model_fields if name not in {*_IDENTITY, *_PARTS, *_NO_FIELDS}]
_NESTED = [f"{part}.{name}" for part, model in _PARTS.items() for name in model.model_fields if name not in _NO_FIELDS]

ITEM_FIELDS = (*_PLAIN, *_NESTED)
"""The fields of an item that a site may leave out, as ``title`` and ``metrics.views``; ``extra`` is no part of them."""

_values = attrgetter(*ITEM_FIELDS)


def counter_name(kind: str, *labels: str) -> str:
    """Name a counter."""
    return SEPARATOR.join((kind, *labels))


def labels_of(name: str, number: int) -> tuple[str, ...]:
    """Give the labels of a counter that has so many."""
    _, _, labels = name.partition(SEPARATOR)
    return tuple(labels.rsplit(SEPARATOR, number - 1))


def bucket_names(bounds: Iterable[float]) -> tuple[str, ...]:
    """Name the buckets of a histogram by their upper bounds, as the last label of its counters does."""
    return (*(f"{bound:g}" for bound in bounds), "+Inf")


def missing_fields(item: Item) -> list[str]:
    """Name the fields that an item leaves open; an empty list of tags is none of them."""
    return [name for name, value in zip(ITEM_FIELDS, _values(item), strict=True) if value is None]


def counts_of_enqueued(tasks: Iterable[NewTask]) -> Counter[str]:
    """Count new tasks by type and origin, for a backend to add in the transaction that stores them."""
    return Counter(counter_name("enqueued", task.type, task.origin) for task in tasks)


def counts_of_items(task_type: str, changes: Mapping[Change, int]) -> dict[str, int]:
    """Count what items changed, for a backend to add in the transaction that stores them."""
    return {counter_name("items", task_type, change): number for change, number in changes.items()}
