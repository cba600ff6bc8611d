"""The options of a new task: what fits, what to say where one does not, and how the queue takes it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from ytworker.model import OnConflict, UniqueWhile, to_microseconds

MAX_KEY = 200
MAX_TIMEOUT = 86_400

Fits = Callable[[Any], bool]


def problems_of(options: Mapping[str, Any]) -> Iterator[str]:
    """Say in one sentence each what does not fit; None stands for an option that was not given."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in options:
        fits, want = _OPTIONS.get(name, (None, "unknown option"))
        if fits is None or (name in given and not fits(given[name])):
            yield f"{name}: {want}"
    if "key" not in given:
        yield from (f"{name}: means nothing without a key" for name in ("unique", "on_conflict") if name in given)


def as_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Turn options without a problem into fields of :class:`ytworker.model.NewTask`."""
    given = {name: value for name, value in options.items() if value is not None}
    return {name: _CONVERSIONS.get(name, _as_it_is)(value) for name, value in given.items()}


def _whole(low: int, high: int) -> Fits:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _one_of(kind: type[StrEnum]) -> Fits:
    return lambda value: isinstance(value, str) and _plain(value) in set(kind)


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _as_it_is(value: Any) -> Any:
    return value


_OPTIONS: Mapping[str, tuple[Fits, str]] = {
    "priority": (_whole(1, 10), "a whole number from 1 to 10 (10 first)"),
    "max_attempts": (_whole(1, 100), "a whole number from 1 to 100"),
    "timeout_seconds": (
        lambda value: isinstance(value, int | float) and value is not True and 0 < value <= MAX_TIMEOUT,
        f"more than 0, at most {MAX_TIMEOUT}",
    ),
    "key": (
        lambda value: isinstance(value, str) and 0 < len(value) <= MAX_KEY and value.isprintable(),
        f"1 to {MAX_KEY} printable characters",
    ),
    "run_at": (
        lambda value: isinstance(value, datetime) and value.tzinfo is not None,
        "a time with its zone, such as 2026-12-01T09:00:00Z",
    ),
    "unique": (_one_of(UniqueWhile), "live (until it has ended) or queued (until it is claimed)"),
    "on_conflict": (_one_of(OnConflict), "keep, replace or raise-priority"),
}

_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "run_at": to_microseconds,
    "unique": lambda value: UniqueWhile(_plain(value)),
    "on_conflict": lambda value: OnConflict(_plain(value)),
}
