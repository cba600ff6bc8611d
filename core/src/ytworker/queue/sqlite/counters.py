"""Counters: the queue's own, which should be near zero and prove that fences work, and those that metrics read."""

from collections.abc import Collection, Mapping

from ytworker.queue.sqlite.database import COUNT, Database

_RAISE = "INSERT INTO counter (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = max(value, ?2)"
# Every name that begins with a text lies between it and the same text with the last character there is.
_FIRST, _LAST = "?1", "?1 || char(1114111)"
_LIST = f"SELECT name, value FROM counter WHERE name >= {_FIRST} AND name < {_LAST}"
_FORGET = f"DELETE FROM counter WHERE name >= {_FIRST} AND name < {_LAST}"
_GET = "SELECT value FROM counter WHERE name = ?"


def count(database: Database, name: str, number: int = 1) -> None:
    """Add to a counter, inside a transaction of the caller's or as one of its own."""
    if number:
        database.change(COUNT, (name, number))


def get_counter(database: Database, name: str) -> int:
    """Read a counter; one that never counted is 0."""
    rows = database.execute(_GET, (name,))
    return int(rows[0][0]) if rows else 0


def count_all(database: Database, counts: Mapping[str, int]) -> None:
    """Add to several counters, inside a transaction of the caller's."""
    for name, number in counts.items():
        count(database, name, number)


def raise_all(database: Database, latest: Mapping[str, int]) -> None:
    """Let several counters be at least what is given, inside a transaction of the caller's."""
    for name, number in latest.items():
        database.change(_RAISE, (name, number))


def forget(database: Database, beginnings: Collection[str]) -> None:
    """Delete the counters whose names begin like this, inside a transaction of the caller's."""
    for beginning in beginnings:
        database.change(_FORGET, (beginning,))


def list_counters(database: Database, prefix: str) -> dict[str, int]:
    """Give the counters whose names begin with a prefix."""
    return dict(database.execute(_LIST, (prefix,)))
