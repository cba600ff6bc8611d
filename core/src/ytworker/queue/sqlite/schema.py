"""The SQLite schema, as migrations from the first version on.

``state`` is the narrow row that every claim and finish rewrites; ``body`` is written once. Parameters live in ``body``
because an UPDATE of a row rewrites its whole overflow chain. Each partial index costs the claim some microseconds, so
there is one for each claim order and none for leases: a lease belongs to a worker, not to a task.
"""

import sqlite3
from collections.abc import Sequence

from ytworker.errors import SchemaError
from ytworker.model import Outcome, TaskStatus

APPLICATION_ID = 0x79747771
"""``ytwq`` in ASCII: tells our file from anybody else's database."""

STATUS_CODES = {
    TaskStatus.QUEUED: 0,
    TaskStatus.CLAIMED: 1,
    TaskStatus.SCHEDULED: 2,
    TaskStatus.COMPLETED: 3,
    TaskStatus.DEAD: 4,
    TaskStatus.CANCELLED: 5,
}
"""The codes stand in partial indexes and in data: they never change."""

OUTCOME_CODES = {Outcome.OK: 0, Outcome.EMPTY: 1, Outcome.SUSPECT: 2}

_QUEUE = (
    "CREATE TABLE task_type (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
    """CREATE TABLE body (
         id INTEGER PRIMARY KEY AUTOINCREMENT,
         type INTEGER NOT NULL REFERENCES task_type,
         created_at INTEGER NOT NULL,
         max_attempts INTEGER NOT NULL,
         timeout_seconds REAL NOT NULL,
         key TEXT,
         params TEXT NOT NULL) STRICT""",
    # `at` is when it became ready while queued, run_at while scheduled, the time of the claim while claimed, and the
    # time of the end afterwards.
    """CREATE TABLE state (
         id INTEGER PRIMARY KEY,
         type INTEGER NOT NULL,
         status INTEGER NOT NULL,
         priority INTEGER NOT NULL,
         attempt INTEGER NOT NULL DEFAULT 0,
         fence INTEGER NOT NULL DEFAULT 0,
         owner INTEGER,
         at INTEGER,
         outcome INTEGER) STRICT""",
    "CREATE INDEX ready_id ON state (type, id) WHERE status = 0",
    "CREATE INDEX due ON state (at) WHERE status = 2",
    """CREATE TABLE live_key (
         type INTEGER NOT NULL, key TEXT NOT NULL, id INTEGER NOT NULL,
         PRIMARY KEY (type, key)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE run (
         id INTEGER PRIMARY KEY, checkpoint TEXT, done INTEGER, total INTEGER, note TEXT,
         reason TEXT, source TEXT) STRICT""",
    """CREATE TABLE error (
         id INTEGER PRIMARY KEY,
         task INTEGER NOT NULL,
         attempt INTEGER NOT NULL,
         at INTEGER NOT NULL,
         class TEXT NOT NULL,
         type TEXT NOT NULL,
         message TEXT NOT NULL,
         traceback TEXT NOT NULL,
         fingerprint TEXT NOT NULL,
         retry_after REAL,
         source TEXT,
         worker INTEGER NOT NULL,
         plugin_version TEXT) STRICT""",
    "CREATE INDEX error_task ON error (task)",
    """CREATE TABLE worker (
         id INTEGER PRIMARY KEY,
         host TEXT NOT NULL,
         pid INTEGER NOT NULL,
         version TEXT NOT NULL,
         started_at INTEGER NOT NULL,
         seen_at INTEGER NOT NULL,
         lease_until INTEGER NOT NULL) STRICT""",
    """CREATE TABLE source (
         name TEXT PRIMARY KEY, cooling_until INTEGER, reason TEXT, strikes INTEGER NOT NULL DEFAULT 0, class TEXT,
         paused_until INTEGER, pause_reason TEXT, paused_by TEXT) STRICT, WITHOUT ROWID""",
    "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
)

_ITEMS = (
    """CREATE TABLE item (
         no INTEGER PRIMARY KEY,
         source TEXT NOT NULL,
         kind TEXT NOT NULL,
         id TEXT NOT NULL,
         first_seen_at INTEGER NOT NULL,
         last_seen_at INTEGER NOT NULL,
         last_changed_at INTEGER NOT NULL,
         version INTEGER NOT NULL,
         content_hash TEXT NOT NULL,
         record TEXT NOT NULL,
         UNIQUE (source, kind, id)) STRICT""",
    "CREATE INDEX item_seen ON item (last_seen_at)",
    """CREATE TABLE item_version (
         item INTEGER NOT NULL, version INTEGER NOT NULL, observed_at INTEGER NOT NULL, task INTEGER NOT NULL,
         title TEXT, description TEXT, tags TEXT, thumbnail_url TEXT,
         PRIMARY KEY (item, version)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE observation (
         item INTEGER NOT NULL, observed_at INTEGER NOT NULL, task INTEGER NOT NULL,
         views INTEGER, likes INTEGER, comments INTEGER,
         views_precision TEXT, likes_precision TEXT, comments_precision TEXT,
         PRIMARY KEY (item, observed_at, task)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE hit (
         task INTEGER NOT NULL, position INTEGER NOT NULL, item INTEGER NOT NULL, context TEXT NOT NULL,
         PRIMARY KEY (task, position), UNIQUE (task, item)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE suspect_item (
         no INTEGER PRIMARY KEY, task INTEGER NOT NULL, observed_at INTEGER NOT NULL, reason TEXT NOT NULL,
         record TEXT NOT NULL) STRICT""",
)

MIGRATIONS: Sequence[Sequence[str]] = ((*_QUEUE, *_ITEMS),)
"""Step n leads from version n to version n + 1. A step that was released is never edited."""

VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to this version's schema; each step is one transaction, so an interrupted one is simply redone.

    Raises:
        SchemaError: The file is not ours, or a newer ytworker made it.
    """
    check_owner(connection)
    while (current := _version(connection)) < VERSION:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) == current:  # another process may have been faster
                for statement in MIGRATIONS[current]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {current + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    if current > VERSION:
        msg = (
            f"the queue has schema version {current}, this ytworker knows up to {VERSION}: a newer ytworker made it. "
            "Upgrade ytworker here, or name another file with --queue"
        )
        raise SchemaError(msg)


def check_owner(connection: sqlite3.Connection) -> None:
    """Refuse another program's file, without changing it.

    The tables are looked for first. They and our mark come in one transaction, so whoever sees them sees the mark
    afterwards; the other way round a file that another process is just making would look like a stranger's.

    Raises:
        SchemaError: The file is not ours.
    """
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if objects and application != APPLICATION_ID:
        msg = "this SQLite file belongs to another program; name another file with --queue"
        raise SchemaError(msg)


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
