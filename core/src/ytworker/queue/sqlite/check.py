"""``db check``: damage of the file, and invariants that must hold between its tables.

Each invariant is one read-only statement that finds the rows which break it. What can be mended without guessing has a
statement that mends it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ytworker.errors import StoreError
from ytworker.queue.protocol import Problem
from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.schema import (
    COUNTED,
    COUNTED_TASKS,
    FLAG_KEY_LIVE,
    FLAG_KEY_QUEUED,
    FLAG_RUN,
    READY_KEYS,
    RECOUNT,
)

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold.

    Attributes:
        code: A stable word.
        broken: Selects the ids of the rows that break it.
        message: What is wrong and what to do.
        repair: Statements that mend it, or none where only a person can.
    """

    code: str
    broken: str
    message: str
    repair: tuple[str, ...] = ()


_KEY_FLAGS = FLAG_KEY_LIVE | FLAG_KEY_QUEUED
# A key is held by whoever waits or works, except that one which is unique while queued gives it up with the claim.
_HOLDS_KEY = f"(t.flags & {FLAG_KEY_LIVE} AND t.status < 3 OR t.flags & {FLAG_KEY_QUEUED} AND t.status IN (0, 2))"
_ROUNDING = "1e-12 * (1 + clock)"  # a clock moves by a difference, whose last digits are rounded
_DIFFERS = " OR ".join(f"y.{name} <> coalesce(found.{name}, 0)" for name in COUNTED)
_WRONG_COUNT = f"""
SELECT y.id FROM task_type y LEFT JOIN ({COUNTED_TASKS}) AS found ON found.type = y.id WHERE {_DIFFERS}
"""

INVARIANTS = (
    Invariant(
        "unknown_state",
        "SELECT id FROM task WHERE status NOT BETWEEN 0 AND 5",
        "tasks in a state that this version does not know; they are left alone. Upgrade ytworker, or restore a backup",
    ),
    Invariant(
        "task_without_body",
        "SELECT t.id FROM task t LEFT JOIN body b ON b.id = t.id WHERE b.id IS NULL",
        "tasks whose parameters are gone; they become dead letters when they are claimed. Restore a backup",
    ),
    Invariant(
        "body_without_task",
        "SELECT b.id FROM body b LEFT JOIN task t ON t.id = b.id WHERE t.id IS NULL",
        "parameters of tasks whose state is gone. Restore a backup",
    ),
    Invariant(
        "unreadable_params",
        "SELECT id FROM body WHERE NOT json_valid(params) OR json_type(params) IS NOT 'object'",
        "tasks whose parameters are no JSON object; they become dead letters when they are claimed. Enqueue them again",
    ),
    Invariant(
        "unreadable_checkpoint",
        "SELECT id FROM run WHERE checkpoint IS NOT NULL AND NOT json_valid(checkpoint)",
        "checkpoints that are no JSON; their tasks become dead letters when they are claimed",
    ),
    Invariant(
        "unknown_type",
        "SELECT t.id FROM task t LEFT JOIN task_type y ON y.id = t.type WHERE y.id IS NULL",
        "tasks whose type has no name any more. Restore a backup",
    ),
    Invariant(
        "too_many_attempts",
        "SELECT t.id FROM task t JOIN body b ON b.id = t.id WHERE t.attempt > b.max_attempts OR t.attempt < 0",
        "tasks with more attempts than they may have; tell the developers how it came to that",
    ),
    Invariant(
        "claimed_by_nobody",
        "SELECT t.id FROM task t LEFT JOIN worker w ON w.id = t.owner WHERE t.status = 1 AND w.id IS NULL",
        "claimed tasks whose worker is gone: nobody would ever rescue them",
        # As lapsed workers, so that the next rescue counts the attempt and keeps the history as it always does.
        (
            "UPDATE task SET owner = 0 WHERE status = 1 AND owner IS NULL",
            """INSERT INTO worker (id, host, pid, version, started_at, seen_at, lease_until, lost)
               SELECT DISTINCT owner, 'unknown', 0, '', 0, 0, 0, 1 FROM task
                WHERE status = 1 AND owner NOT IN (SELECT id FROM worker)""",
        ),
    ),
    Invariant(
        "owner_without_claim",
        "SELECT id FROM task WHERE status NOT IN (1, 3) AND owner IS NOT NULL",
        "tasks that are neither claimed nor completed but name a worker",
        ("UPDATE task SET owner = NULL WHERE status NOT IN (1, 3) AND owner IS NOT NULL",),
    ),
    Invariant(
        "orphan_key",
        f"SELECT k.id FROM live_key k LEFT JOIN task t ON t.id = k.id WHERE t.id IS NULL OR NOT {_HOLDS_KEY}",
        "unique keys that are held by tasks which should have freed them: they keep new tasks out",
        (f"DELETE FROM live_key WHERE NOT EXISTS (SELECT 1 FROM task t WHERE t.id = live_key.id AND {_HOLDS_KEY})",),
    ),
    Invariant(
        "missing_key",
        f"""SELECT t.id FROM task t JOIN body b ON b.id = t.id
             WHERE t.flags & {FLAG_KEY_LIVE} AND t.status < 3
               AND NOT EXISTS (SELECT 1 FROM live_key k WHERE k.type = b.type AND k.key = b.key)""",
        "live tasks whose unique key is not held",
        (
            f"""INSERT OR IGNORE INTO live_key (type, key, id) SELECT b.type, b.key, t.id
                  FROM task t JOIN body b ON b.id = t.id
                 WHERE t.flags & {FLAG_KEY_LIVE} AND t.status < 3 AND b.key IS NOT NULL""",
        ),
    ),
    Invariant(
        "run_of_an_ended_task",
        "SELECT r.id FROM run r LEFT JOIN task t ON t.id = r.id WHERE t.id IS NULL OR t.status > 2",
        "checkpoints and progress of tasks that have ended",
        ("DELETE FROM run WHERE id NOT IN (SELECT id FROM task WHERE status < 3)",),
    ),
    Invariant(
        "run_without_flag",
        f"SELECT r.id FROM run r JOIN task t ON t.id = r.id WHERE NOT t.flags & {FLAG_RUN}",
        "checkpoints that the next attempt would not find",
        (f"UPDATE task SET flags = flags | {FLAG_RUN} WHERE id IN (SELECT id FROM run)",),
    ),
    Invariant(
        "missing_in_order",
        """SELECT id FROM task WHERE status = 0 AND (
             rank IS NULL AND EXISTS (SELECT 1 FROM claim_order WHERE name = 'priority' AND filling AND complete)
             OR weight_key IS NULL
                AND EXISTS (SELECT 1 FROM claim_order WHERE name = 'weighted_random' AND filling AND complete))""",
        "ready tasks that an order does not know: it would never give them",
        (f"UPDATE task SET {READY_KEYS} WHERE status = 0 AND (rank IS NULL OR weight_key IS NULL)",),
    ),
    Invariant(
        "behind_the_clock",
        f"""SELECT t.id FROM task t JOIN task_type y ON y.id = t.type
             WHERE t.status = 0 AND t.weight_key < y.clock - {_ROUNDING}""",
        "ready tasks whose weighted random key lies in the past: they would come before their turn",
        (
            f"""UPDATE task SET {READY_KEYS} WHERE status = 0
                  AND weight_key < (SELECT clock - {_ROUNDING} FROM task_type WHERE id = task.type)""",
        ),
    ),
    Invariant(
        "wrong_count", _WRONG_COUNT, "counts by state that do not fit the tasks; `status` would be wrong", RECOUNT
    ),
    Invariant(
        "request_without_pace",
        """SELECT r.no FROM request r LEFT JOIN pace p ON p.source = r.source
            WHERE p.source IS NULL OR r.no > p.requests""",
        "requests of sources whose pace does not know them: the source might be asked too seldom",
        (
            """DELETE FROM request WHERE NOT EXISTS
                (SELECT 1 FROM pace p WHERE p.source = request.source AND request.no <= p.requests)""",
        ),
    ),
    Invariant(
        "unreadable_item",
        "SELECT no FROM item WHERE NOT json_valid(record)",
        "items that cannot be read; scrape them again, or restore a backup",
    ),
    Invariant(
        "hit_without_item",
        "SELECT h.task FROM hit h LEFT JOIN item i ON i.no = h.item WHERE i.no IS NULL",
        "tasks that found items which are gone. Restore a backup",
    ),
)


def check(database: Database, *, repair: bool) -> list[Problem]:
    """Look for damage first; the invariants make sense only in a file that is whole."""
    damage = _damage(database)
    if damage:
        message = f"the file is damaged: {damage[0]}. Stop the workers, keep a copy, and restore a backup"
        return [Problem(code="damaged", message=message, count=len(damage))]
    return list(_broken(database, repair=repair))


def _damage(database: Database) -> list[str]:
    try:
        return [line for (line,) in database.execute("PRAGMA integrity_check") if line != "ok"]
    except StoreError as error:  # too broken even to be looked at
        return [str(error)]


def _broken(database: Database, *, repair: bool) -> Iterator[Problem]:
    for invariant in INVARIANTS:
        found = [row[0] for row in database.execute(invariant.broken)]
        if not found:
            continue
        repaired = repair and bool(invariant.repair)
        if repaired:
            _mend(database, invariant)
        yield Problem(
            code=invariant.code,
            message=_message(invariant, repaired=repaired),
            count=len(found),
            examples=tuple(found[:_EXAMPLES]),
            repaired=repaired,
        )


def _message(invariant: Invariant, *, repaired: bool) -> str:
    if not invariant.repair:
        return invariant.message
    return f"{invariant.message}. " + ("It has been mended" if repaired else "`--repair` mends it")


def _mend(database: Database, invariant: Invariant) -> None:
    with database.write():
        for statement in invariant.repair:
            database.change(statement)
