"""The queue's own counters, such as ``stale_writes``: what should be near zero, and proves that fences work."""

from collections.abc import Mapping

from ytworker.queue.sqlite.database import Database

_COUNT = "INSERT INTO counter (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2"
_LIST = "SELECT name, value FROM counter WHERE name >= ?1 AND substr(name, 1, length(?1)) = ?1"
_GET = "SELECT value FROM counter WHERE name = ?"


def count(database: Database, name: str, number: int = 1) -> None:
    """Add to a counter, inside a transaction of the caller's or as one of its own."""
    if number:
        database.change(_COUNT, (name, number))


def get_counter(database: Database, name: str) -> int:
    """Read a counter; one that never counted is 0."""
    rows = database.execute(_GET, (name,))
    return int(rows[0][0]) if rows else 0


def count_all(database: Database, counts: Mapping[str, int]) -> None:
    """Add to several counters in one transaction."""
    with database.write():
        for name, number in counts.items():
            count(database, name, number)


def list_counters(database: Database, prefix: str) -> dict[str, int]:
    """Give the counters whose names begin with a prefix."""
    return dict(database.execute(_LIST, (prefix,)))
