"""One SQLite connection: private files, write transactions that start as such, fair turns, and errors in words."""

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from ytworker.errors import SchemaError, StoreError, UnstorableError
from ytworker.queue.sqlite.bells import Bells
from ytworker.queue.sqlite.files import close_to_others, identity, make_place
from ytworker.queue.sqlite.schema import check_owner, migrate
from ytworker.queue.sqlite.turns import Line, Patience, is_busy

Durability = Literal["full", "normal"]
Row = tuple[Any, ...]

OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables; RETURNING came with 3.35."""

_PRAGMAS = (
    "PRAGMA page_size = 2048",  # fewer bytes in the log for each narrow row; only takes effect on a new file
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -8000",  # KiB; twice as much made claims from a million tasks no faster, nor bulk inserts
)
# Python fails to decode what SQLite says about bytes that are no text: that is damage, too.
_DAMAGE = (sqlite3.Error, UnicodeDecodeError)
_UNSTORABLE = (OverflowError, UnicodeEncodeError, sqlite3.DataError)  # the last: larger than SQLite takes
_FAILURES = (*_DAMAGE, *_UNSTORABLE)
_ROWS_AT_ONCE = 40
COUNT = "INSERT INTO counter (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2"
_WAL = "PRAGMA journal_mode = WAL"
_BUSY_TIMEOUT_SECONDS = 30.0
_WAL_RETRY_SECONDS = 0.005

_opening = threading.Lock()
"""A file is made and closed before anybody in this process may lock it, see :mod:`ytworker.queue.sqlite.files`."""


class Database:
    """A connection to one file; belongs to the thread that made it.

    Args:
        path: The file; made with mode 0600 in a folder of mode 0700 if it is not there.
        durability: ``full`` syncs the disk at every commit, so that what was acknowledged survives a power cut;
            ``normal`` survives the death of every process, and a power cut may take the last commits.
        draws: Where weighted random draws from.
        events: Whether changes of tasks made through this connection are recorded.

    Attributes:
        found_version: The schema version that the file had when it was opened; 0 for a new one.
        aged: The task of each type after which the next look for aged ones starts.
        bells: Wake the workers that wait.
        rings: Whether the transaction that runs makes work ready, or due at another time: its commit rings the bells.
        busy: How often a statement found the file locked and waited for its turn.
        uncounted: What is still to be added to counters; the next transaction does it.

    Raises:
        StoreError: The file cannot be opened, in words that say why.
        SchemaError: It was made by another program or a newer ytworker.
    """

    def __init__(
        self, path: Path, durability: Durability, *, draws: random.Random | None = None, events: bool = True
    ) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            wanted = ".".join(map(str, OLDEST_SQLITE))
            msg = f"SQLite {sqlite3.sqlite_version} is too old, {wanted} is needed; install a newer Python"
            raise StoreError(msg)
        self.path = path
        self.draws = draws or random.Random()
        self.events = events
        self.found_version = 0
        self.aged: dict[str, int] = {}
        self._durability = durability
        self.bells = Bells(path.with_name(path.name + "-bells"))
        self.rings = False
        self.busy = 0
        self.uncounted: Counter[str] = Counter()
        self._line = Line(path.with_name(path.name + "-line"), _BUSY_TIMEOUT_SECONDS)
        self._transaction = _Transaction(self)
        try:
            with _opening:
                make_place(path)
                self._connection = _connect(path)
            self._identity = identity(path)
            try:
                self._configure(durability)
            except BaseException:
                self._connection.close()
                raise
        except (*_DAMAGE, OSError) as error:
            raise self._in_words(error) from error

    def _configure(self, durability: Durability) -> None:
        connection = self._connection
        # Before the pragmas, since journal_mode changes the file. Reading may find a file that is just being made.
        self._line.wait_for(lambda: check_owner(connection))
        close_to_others(self.path)  # only now, since it is ours
        for pragma in _PRAGMAS:
            self._line.wait_for(partial(connection.execute, pragma)).fetchall()
        self._use_wal()
        connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        self.found_version = self._line.wait_for(partial(migrate, connection, self.draws))

    def _use_wal(self) -> None:
        """Switch a new file to the write-ahead log; on a file that has one this only looks.

        The switch needs the file for itself, and SQLite does not wait for that: where several processes open a new file
        at once, all but one are refused at the first try, whatever the busy timeout.
        """
        deadline = time.monotonic() + _BUSY_TIMEOUT_SECONDS
        while True:
            try:
                ((mode,),) = self._connection.execute(_WAL).fetchall()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() >= deadline:
                    raise
                time.sleep(_WAL_RETRY_SECONDS)
            else:
                break
        if mode != "wal":
            msg = f"{self.path}: this place allows no write-ahead log. Name a local disk with --queue"
            raise StoreError(msg)

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._connection.close()
        self._line.close()

    @property
    def patience(self) -> Patience:
        """How long it waits for its turn to write."""
        return self._line.patience

    @patience.setter
    def patience(self, shared: Patience) -> None:
        self._line.patience = shared

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement and fetch everything: an open RETURNING cursor would keep the write lock."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except _FAILURES as error:
            return self._again(error, sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement and give how many rows it changed."""
        try:
            return self._connection.execute(sql, values).rowcount
        except _FAILURES as error:
            return self._again(error, sql, values).rowcount

    def insert(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one INSERT and give the new row's number."""
        try:
            return self._connection.execute(sql, values).lastrowid or 0
        except _FAILURES as error:
            return self._again(error, sql, values).lastrowid or 0

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows, inside a transaction; texts must be :func:`storable`."""
        try:
            self._connection.executemany(sql, rows)
        except _FAILURES as error:
            raise self._in_words(error) from error

    def insert_many(self, sql: str, values: str, rows: Sequence[Row]) -> None:
        """Insert rows, many with each statement, inside a transaction; texts must be :func:`storable`.

        Args:
            sql: All of the INSERT before the first row of values.
            values: The placeholders of one row.
            rows: What to insert.
        """
        size = len(rows) // _ROWS_AT_ONCE * _ROWS_AT_ONCE
        if size:
            flat = list(chain.from_iterable(rows[:size]))
            width = len(flat) // size * _ROWS_AT_ONCE
            self.many(
                _rows_of(sql, values, _ROWS_AT_ONCE),
                [flat[start : start + width] for start in range(0, len(flat), width)],
            )
        if size < len(rows):
            self.many(_rows_of(sql, values, 1), rows[size:])

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Generator[Row, None, None]:
        """Run one SELECT and give its rows one by one; they all come from one snapshot.

        It has a connection of its own: a snapshot that is held open would keep this one from writing.
        """
        try:
            with closing(_connect(self.path)) as connection:
                yield from self._line.wait_for(partial(connection.execute, sql, [storable(value) for value in values]))
        except _DAMAGE as error:
            raise self._in_words(error) from error

    def write(self) -> "_Transaction":
        """Run a write transaction. IMMEDIATE, because a read that turns into a write cannot wait for its turn."""
        return self._transaction

    @contextmanager
    def unsynced(self) -> Generator[None]:
        """Make changes that need not survive a power cut: they are written and seen like any other, without a sync.

        Put it around a transaction, never into one. The next synced transaction of any connection syncs them, too.
        """
        if self._durability == "normal":
            yield
            return
        self.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self.execute("PRAGMA synchronous = FULL")

    def copy_to(self, other: sqlite3.Connection) -> None:
        """Copy everything into another database, from one snapshot and in one transaction there."""
        try:
            self._connection.backup(other)
        except _DAMAGE as error:
            raise self._in_words(error) from error

    def copy_from(self, other: sqlite3.Connection) -> None:
        """Replace everything by another database's content, in one transaction here."""
        try:
            self._line.wait_for(lambda: other.backup(self._connection, progress=_refuse_to_wait))
        except _DAMAGE as error:
            raise self._in_words(error) from error

    @property
    def moved(self) -> bool:
        """Whether the path leads to another file than the one that is open, or to none."""
        return identity(self.path) != self._identity

    def _again(self, error: Exception, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        """Run a statement that failed once more where that can help, else say in words why it failed."""
        try:
            if isinstance(error, UnicodeEncodeError):  # nothing ran yet
                values = [storable(value) for value in values]
            elif isinstance(error, sqlite3.OperationalError) and is_busy(error) and not self._connection.in_transaction:
                self.busy += 1
                self.uncounted["busy"] += 1
            else:
                raise error
            return self._line.wait_for(partial(self._connection.execute, sql, values))
        except _FAILURES as final:
            raise self._in_words(final) from final

    def _in_words(self, error: Exception) -> StoreError:
        if _is_unstorable(error):
            return UnstorableError(f"{self.path}: a value cannot be stored ({error})")
        kind = SchemaError if _another_schema(error) else StoreError
        return kind(f"{self.path}: {_explain(error)}")


class _Transaction:
    """A write transaction as a context manager; one object for each connection, since they do not nest."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
        except BaseException:  # also a signal's, right after it began
            self._roll_back()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        database = self._database
        rings, database.rings = database.rings and kind is None, False
        try:
            if kind is None:
                self._commit()
        finally:
            self._roll_back()
        if rings:
            database.bells.ring()

    def _commit(self) -> None:
        uncounted = self._database.uncounted
        for counted in uncounted.items():
            self._database.execute(COUNT, counted)
        self._database.execute("COMMIT")
        uncounted.clear()

    def _roll_back(self) -> None:
        connection = self._database._connection  # noqa: SLF001 - two halves of one thing
        with suppress(sqlite3.ProgrammingError):  # closed, so there is nothing left to roll back
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _refuse_to_wait(status: int, _left: int, _pages: int) -> None:
    """Raise where SQLite's copying would wait for a lock: it waits without a limit, and no signal gets through."""
    if status & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error


@lru_cache(maxsize=16)
def _rows_of(sql: str, values: str, count: int) -> str:
    return sql + ", ".join([values] * count)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, cached_statements=256)
    connection.text_factory = _text
    return connection


def _text(raw: bytes) -> str:
    """Read a text of the file; a damaged one must not keep the others from being read."""
    return raw.decode("utf-8", "replace")


def storable(value: Any) -> Any:
    """Give a value that SQLite takes: half a surrogate pair, from a text that was cut, becomes a question mark."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _is_unstorable(error: Exception) -> bool:
    """Tell whether the values are to blame and not the file; a trigger that refuses speaks of the file."""
    if isinstance(error, sqlite3.IntegrityError):
        return error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_TRIGGER
    if isinstance(error, sqlite3.InterfaceError | sqlite3.ProgrammingError):  # which one, differs from Python to Python
        return "binding parameter" in str(error)  # else it is how the connection is used
    return isinstance(error, _UNSTORABLE)


def _another_schema(error: Exception) -> bool:
    return str(error).startswith(("no such table", "no such column"))


def _explain(error: Exception) -> str:
    text = "malformed text" if isinstance(error, UnicodeDecodeError) else str(error)
    for sign, meaning in _MEANINGS.items():
        if sign in text:
            return f"{meaning} ({text})"
    return text


_MEANINGS = {
    "disk I/O error": "the disk could not be read or written; it may be full or failing. Look at its free space",
    "disk is full": "the disk is full. Nothing was lost; free some space and start again",
    "readonly": "the queue cannot be written. Check the permissions of the file and of its folder",
    "Read-only file system": "the file system is read-only. Name another place with --queue",
    "Permission denied": "permission denied. Check who owns the file, or name another with --queue",
    "Is a directory": "this is a folder, a file is wanted. Name one in it with --queue",
    "File exists": "the folder of this path is a file. Name another place with --queue",
    "Not a directory": "a part of this path is a file. Name another place with --queue",
    "No such file": "no file can be made here. Name another place with --queue",
    "No space left": "the disk is full. Nothing was lost; free some space and start again",
    "unable to open": "the queue cannot be opened. Check that the folder exists and may be written",
    "not a database": "this is not a queue of ytworker. Name another file with --queue",
    "malformed": "the file is damaged. Move it and what lies beside it (-wal, -shm) away, then restore a backup",
    "locked": "another process held the queue for too long, perhaps one that was stopped. Try again",
    "no such table": "another version of ytworker has changed the queue since it was opened. Start again",
    "no such column": "another version of ytworker has changed the queue since it was opened. Start again",
}
