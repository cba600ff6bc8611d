"""The floors: the least that SQL costs on this machine, with the library that everything here uses."""

import itertools
import json
import random
import sqlite3
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from queue_bench.report import Row, row
from queue_bench.stores import Durability, new_tasks
from queue_bench.timing import Nanoseconds, Series, Subject, quiet, timed

LOG_PAGES = 4_000
_PRAGMAS = (
    "page_size = 2048",
    "journal_mode = WAL",
    f"wal_autocheckpoint = {LOG_PAGES}",
    "cache_size = -16000",
)
_TABLE = "CREATE TABLE task (id INTEGER PRIMARY KEY, status INTEGER NOT NULL, at INTEGER NOT NULL)"
_FILL = "INSERT INTO task (id, status, at) VALUES (?, 0, ?)"
_UPDATE = "UPDATE task SET status = 1, at = ? WHERE id = ?"
_PLAIN = "CREATE TABLE plain (id INTEGER PRIMARY KEY, params TEXT NOT NULL)"
_INSERT = "INSERT INTO plain (params) VALUES (?)"


def connect(path: Path, durability: Durability) -> sqlite3.Connection:
    """Open a file with the settings of the queue."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (*_PRAGMAS, f"synchronous = {durability}"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


FLOOR, CHEAPEST = "one-row transaction", "one-row transaction, rows in turn"


class OneRow:
    """One UPDATE of one row in a transaction of its own, on a table of so many rows.

    The floor that bars are measured by takes the rows at random, so that the size of the table counts. In turn, the
    next row is mostly on the page of the last one; no transaction is cheaper, and it is shown beside. Each write stores
    a new time, because SQLite writes nothing at all where a row does not change.
    """

    def __init__(self, path: Path, rows: int, durability: Durability) -> None:
        self._rows = rows
        self._durability = durability
        self._chance = random.Random(rows)
        self._last = 0
        self._times = itertools.count(time.time_ns() // 1000)
        self._connection = connect(path, durability)
        self._connection.execute(_TABLE)
        self._connection.execute("BEGIN")
        self._connection.executemany(_FILL, ((number, next(self._times)) for number in range(1, rows + 1)))
        self._connection.execute("COMMIT")
        self._wear_in()

    def _wear_in(self) -> None:
        """Let the write-ahead log reach its full size, as :meth:`queue_bench.stores.Bench.wear_in` does."""
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self.in_turn(2 * LOG_PAGES)
        self._connection.execute(f"PRAGMA synchronous = {self._durability}")

    def in_turn(self, count: int) -> Nanoseconds:
        """Time so many transactions on rows that follow each other."""
        first = self._last
        self._last = (first + count) % self._rows
        return self._run([(first + number) % self._rows + 1 for number in range(count)])

    def at_random(self, count: int) -> Nanoseconds:
        """Time so many transactions on any rows."""
        return self._run([self._chance.randint(1, self._rows) for _ in range(count)])

    def _run(self, rows: Sequence[int]) -> Nanoseconds:
        execute = self._connection.execute
        return timed([partial(execute, _UPDATE, (next(self._times), number)) for number in rows])

    def subjects(self, count: int) -> dict[str, Subject]:
        """Give both as subjects of so many transactions a round."""
        return {FLOOR: partial(self.at_random, count), CHEAPEST: partial(self.in_turn, count)}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def floor_rows(family: str, series: Mapping[str, Series], rows: int) -> list[Row]:
    """Show both floors: how restless the machine was, and how much cheaper the cheapest one is."""
    unrest, share = series[FLOOR].unrest(), series[CHEAPEST].quantile_ratio(series[FLOOR], 0.5)
    return [
        row(family, f"{FLOOR}, {rows:,} rows", series[FLOOR], value=unrest, of_what="fastest : slowest round (noise)"),
        row(family, f"{CHEAPEST}, {rows:,} rows", series[CHEAPEST], value=share, of_what="x P50 of the transaction"),
    ]


def bulk_insert(path: Path, texts: Sequence[str], durability: Durability) -> Nanoseconds:
    """Time one plain ``executemany`` of these texts into one table, in one transaction."""
    connection = connect(path, durability)
    connection.execute(_PLAIN)
    values = [(text,) for text in texts]
    with quiet():
        started = time.perf_counter_ns()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT, values)
        connection.execute("COMMIT")
        took = time.perf_counter_ns() - started
    connection.close()
    return [took]


def texts_of(count: int) -> list[str]:
    """Give the parameters of :func:`~queue_bench.stores.new_tasks` as JSON."""
    return [json.dumps(task.params) for task in new_tasks(count)]
