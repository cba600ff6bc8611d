"""The SQLite schema, as migrations from the first version on.

``task`` is the narrow row that every claim and finish rewrites; ``body`` is written once. Parameters live in ``body``
because an UPDATE of a row rewrites its whole overflow chain. Each partial index costs the claim some microseconds, so
there is one for each claim order and none for leases: a lease belongs to a worker, not to a task.

What must hold whatever path a change takes stands in triggers: the counts by state, unique keys, and that a task which
has ended leaves no run behind.

A step that changes what a table means gives it another name, so that an old process that still has the file open gets
an error instead of writing rows that lack what is new.
"""

import random
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
OUTCOMES = {code: outcome for outcome, code in OUTCOME_CODES.items()}

# What a task has elsewhere, so that the common one, which has none of it, costs no look.
FLAG_KEY_LIVE = 1
FLAG_KEY_QUEUED = 2
FLAG_RUN = 4
FLAG_ERRORS = 8
FLAG_ITEMS = 16

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
    # `at` is when it became ready while queued and claimed, run_at while scheduled, and the time of the end afterwards.
    # Earlier versions overwrote it with the time of the claim, which `claimed_at` tells, too.
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

# What a row needs when it becomes ready, as the orders want it: NULL keeps it out of an index that is not offered.
READY_KEYS = """
rank = (SELECT -task.priority FROM claim_order WHERE name = 'priority' AND filling),
weight_key = (SELECT clock FROM task_type WHERE id = task.type) + exponential() / priority
"""

COUNTED = ("queued", "claimed", "scheduled", "completed", "dead", "cancelled")
"""The columns of ``task_type`` that count tasks; the place in this tuple is the code of the state."""

_STEP = ", ".join(
    f"{name} = {name} + (NEW.status = {code}) - (OLD.status = {code})" for code, name in enumerate(COUNTED)
)
_LESS = ", ".join(f"{name} = {name} - (OLD.status = {code})" for code, name in enumerate(COUNTED))
COUNTED_TASKS = (
    "SELECT type, "
    + ", ".join(f"count(*) FILTER (WHERE status = {code}) AS {name}" for code, name in enumerate(COUNTED))
    + " FROM task GROUP BY type"
)
"""The tasks of each type by state, counted in one pass."""

RECOUNT = (
    "UPDATE task_type SET " + ", ".join(f"{name} = 0" for name in COUNTED),
    "UPDATE task_type SET "
    + ", ".join(f"{name} = found.{name}" for name in COUNTED)
    + f" FROM ({COUNTED_TASKS}) AS found WHERE found.type = task_type.id",
)

_FOUR_ORDERS = (
    "ALTER TABLE state RENAME TO task",
    "ALTER TABLE task ADD COLUMN flags INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE task ADD COLUMN rank INTEGER",
    "ALTER TABLE task ADD COLUMN weight_key REAL",
    # With the owner it tells of the last claim, so that an attempt which ends well costs no event. Both stay with a
    # completed task.
    "ALTER TABLE task ADD COLUMN claimed_at INTEGER",
    # Room for what a claim and an ending add to the row. Rows that are enqueued in bulk fill their pages to the brim,
    # and one that grew there would split its page. The claim gives it up.
    "ALTER TABLE task ADD COLUMN reserve BLOB",
    "DROP INDEX ready_id",
    "DROP INDEX due",
    # Each index ends in the row's id, as every SQLite index does.
    "CREATE INDEX ready_id ON task (type) WHERE status = 0",
    "CREATE INDEX ready_priority ON task (type, rank) WHERE status = 0 AND rank IS NOT NULL",
    "CREATE INDEX ready_weight ON task (type, weight_key) WHERE status = 0 AND weight_key IS NOT NULL",
    "CREATE INDEX due ON task (type, at) WHERE status = 2",
    # `clock` is NULL while weighted random is not filled. The counts are kept by triggers.
    "ALTER TABLE task_type ADD COLUMN clock REAL",
    *(f"ALTER TABLE task_type ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0" for name in COUNTED),
    # `filling`: rows that become ready get their key, or get none. `complete`: so it is for all ready rows. `cursor`:
    # how far those that were ready before have been worked off. `generation`: rises with each change of direction.
    """CREATE TABLE claim_order (
         name TEXT PRIMARY KEY, filling INTEGER NOT NULL, complete INTEGER NOT NULL,
         cursor INTEGER NOT NULL DEFAULT 0, generation INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID""",
    "INSERT INTO claim_order (name, filling, complete) VALUES ('priority', 1, 1), ('weighted_random', 1, 1)",
    "ALTER TABLE worker ADD COLUMN lost INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hit ADD COLUMN type INTEGER",
    "UPDATE hit SET type = (SELECT type FROM body WHERE id = hit.task)",
    "CREATE INDEX suspect_task ON suspect_item (task)",
    """CREATE TABLE event (
         task INTEGER NOT NULL, no INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, worker INTEGER,
         attempt INTEGER NOT NULL, note TEXT,
         PRIMARY KEY (task, no)) STRICT, WITHOUT ROWID""",
    f"""UPDATE task SET flags =
         (EXISTS (SELECT 1 FROM body WHERE id = task.id AND key IS NOT NULL)) * {FLAG_KEY_LIVE}
         + (EXISTS (SELECT 1 FROM run WHERE id = task.id)) * {FLAG_RUN}
         + (EXISTS (SELECT 1 FROM error WHERE task = task.id)) * {FLAG_ERRORS}
         + (EXISTS (SELECT 1 FROM hit WHERE task = task.id)) * {FLAG_ITEMS}""",
    "UPDATE task_type SET clock = 0",
    *RECOUNT,
    f"UPDATE task SET {READY_KEYS} WHERE status = 0",
    f"""CREATE TRIGGER task_counted AFTER UPDATE OF status ON task BEGIN
         UPDATE task_type SET {_STEP} WHERE id = NEW.type; END""",
    f"""CREATE TRIGGER task_deleted AFTER DELETE ON task BEGIN
         UPDATE task_type SET {_LESS} WHERE id = OLD.type; END""",
    # One trigger for all that keys and runs need: its condition is looked at with every change of every task.
    f"""CREATE TRIGGER task_changed AFTER UPDATE OF status ON task
         WHEN NEW.flags & {FLAG_KEY_LIVE | FLAG_KEY_QUEUED | FLAG_RUN} BEGIN
         DELETE FROM live_key WHERE id = NEW.id AND (type, key) = (SELECT type, key FROM body WHERE id = NEW.id)
            AND (NEW.status > 2 AND OLD.status < 3
                 OR NEW.flags & {FLAG_KEY_QUEUED} AND NEW.status = 1 AND OLD.status IN (0, 2));
         DELETE FROM run WHERE id = NEW.id AND NEW.status > 2 AND OLD.status < 3;
         INSERT OR IGNORE INTO live_key (type, key, id) SELECT type, key, id FROM body WHERE id = NEW.id
            AND NEW.status IN (0, 2) AND (NEW.flags & {FLAG_KEY_QUEUED} AND OLD.status = 1
                 OR NEW.flags & {FLAG_KEY_LIVE | FLAG_KEY_QUEUED} AND OLD.status > 2); END""",
)

_BUDGETS = (
    "ALTER TABLE body ADD COLUMN depth INTEGER NOT NULL DEFAULT 0",
    # Named anew because whoever knows nothing of the budgets must not go on asking: each process paced itself before.
    "ALTER TABLE source RENAME TO source_rest",
    # `full_at` is when the token bucket is full again, `asked_at` the latest moment that was seen, `requests` how many
    # were let go. The pace is that of whoever asked last, for people to look at.
    """CREATE TABLE pace (
         source TEXT PRIMARY KEY, full_at INTEGER NOT NULL, asked_at INTEGER NOT NULL, requests INTEGER NOT NULL,
         per_hour INTEGER NOT NULL, places INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    # The requests of the last hour and those that wait for their turn, one row for those that were asked for together;
    # `no` is the number of the first.
    """CREATE TABLE request (
         source TEXT NOT NULL, no INTEGER NOT NULL, at INTEGER NOT NULL,
         PRIMARY KEY (source, no)) STRICT, WITHOUT ROWID""",
    # A row counts while its fence is the task's, the task is claimed and the lease of its worker holds: nothing needs
    # to be deleted when an attempt ends.
    """CREATE TABLE place (
         source TEXT NOT NULL, task INTEGER NOT NULL, fence INTEGER NOT NULL,
         PRIMARY KEY (source, task)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE quota (
         source TEXT NOT NULL, bucket TEXT NOT NULL, used INTEGER NOT NULL, most INTEGER NOT NULL,
         reset_at INTEGER NOT NULL, PRIMARY KEY (source, bucket)) STRICT, WITHOUT ROWID""",
)

_HESITATION = (
    # Whether the last request of the one that holds the place failed: nobody else asks until that is understood.
    "ALTER TABLE place ADD COLUMN failed INTEGER NOT NULL DEFAULT 0",
)

_FOREGROUND = (
    # Whether it comes for a task of its own and goes again: it does not show that a worker lives.
    "ALTER TABLE worker ADD COLUMN foreground INTEGER NOT NULL DEFAULT 0",
)

MIGRATIONS: Sequence[Sequence[str]] = ((*_QUEUE, *_ITEMS), _FOUR_ORDERS, _BUDGETS, _HESITATION, _FOREGROUND)
"""Step n leads from version n to version n + 1. A step that was released is never edited."""

VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, draws: random.Random | None = None) -> int:
    """Bring the file to this version's schema; each step is one transaction, so an interrupted one is simply redone.

    Args:
        connection: The file; it also gets the SQL function ``exponential``, which the statements of the queue need.
        draws: Where that function draws from.

    Returns:
        The version that the file had before; 0 for a new one.

    Raises:
        SchemaError: The file is not ours, or a newer ytworker made it.
    """
    check_owner(connection)
    draws = draws or random.Random()
    connection.create_function("exponential", 0, lambda: draws.expovariate(1.0))
    found = _version(connection)
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
    return found


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
