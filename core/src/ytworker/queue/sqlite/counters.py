"""The queue's own counters, such as ``stale_writes``: what should be near zero, and proves that fences work."""

from ytworker.queue.sqlite.database import Database

_COUNT = "INSERT INTO counter (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2"
_GET = "SELECT value FROM counter WHERE name = ?"


def count(database: Database, name: str, number: int = 1) -> None:
    """Add to a counter, inside a transaction of the caller's or as one of its own."""
    if number:
        database.change(_COUNT, (name, number))


def get_counter(database: Database, name: str) -> int:
    """Read a counter; one that never counted is 0."""
    rows = database.execute(_GET, (name,))
    return int(rows[0][0]) if rows else 0
