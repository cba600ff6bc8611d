"""Budgets: how often sources are asked, by all processes together, and what is used of their quotas.

What is asked for each request is written without a sync of the disk: it survives every process, and after a power cut
a source has rested for longer than the few requests weigh that may be forgotten. Units of a quota are synced.

The clock is read inside of each transaction. Outside of it a process that waited for the lock would come with a moment
that lies before what is stored, and that must mean that the clock was set back.
"""

from ytworker.model import SECOND, Claim, Clock, Microseconds
from ytworker.pacing import HOUR, PLACE_SECONDS, STEP_BACK, Admission, Ask, Quota, QuotaUse, Reserved, SourceUse
from ytworker.queue.settling import stale_claim
from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.sources import get_source

_PACE = "SELECT full_at, asked_at, requests FROM pace WHERE source = ?"
_SAVE_PACE = """
INSERT INTO pace (source, full_at, asked_at, requests, per_hour, places) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (source) DO UPDATE SET full_at = ?2, asked_at = ?3, requests = ?4, per_hour = ?5, places = ?6
"""
_REQUEST = "INSERT INTO request (source, no, at) VALUES (?, ?, ?)"
_MOMENT_OF = "SELECT at FROM request WHERE source = ? AND no <= ? ORDER BY no DESC LIMIT 1"
_FIRST_SINCE = "SELECT no FROM request WHERE source = ? AND at > ? ORDER BY no LIMIT 1"
_FORGET = "DELETE FROM request WHERE source = ? AND no < ?"
_SHIFT = "UPDATE request SET at = at - ?2 WHERE source = ?1"
_IS_HELD = """
EXISTS (SELECT 1 FROM task t JOIN worker w ON w.id = t.owner
         WHERE t.id = place.task AND t.fence = place.fence AND t.status = 1 AND w.lease_until >= ?2 AND NOT w.lost)
"""
_FREE_WHAT_IS_LEFT = f"DELETE FROM place WHERE source = ?1 AND NOT {_IS_HELD}"
_HOLDERS = f"SELECT task, fence, failed FROM place WHERE source = ?1 AND {_IS_HELD}"
_HOLD = "INSERT OR REPLACE INTO place (source, task, fence) VALUES (?, ?, ?)"
_HESITATE = "UPDATE place SET failed = 1 WHERE source = ? AND task = ? AND fence = ?"
_LEAVE = "DELETE FROM place WHERE source = ? AND task = ? AND fence = ?"
_QUOTA = "SELECT used, reset_at FROM quota WHERE source = ? AND bucket = ?"
_SAVE_QUOTA = """
INSERT INTO quota (source, bucket, used, most, reset_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (source, bucket) DO UPDATE SET used = ?3, most = ?4, reset_at = ?5
"""
_PACES = "SELECT source, requests, per_hour, places FROM pace"
_QUOTAS = "SELECT source, bucket, used, most, reset_at FROM quota ORDER BY source, bucket"


def admit(database: Database, ask: Ask, clock: Clock) -> Admission:
    """Let a request go, or say what it has to wait for."""
    with database.unsynced(), database.write():
        now = clock()
        state = get_source(database, ask.source)
        if state.bars(now, ask.settings):
            return Admission(barred=state)
        wait = _spend(database, ask, now) if ask.cost else 0
        if wait:
            return Admission(wait, far=ask.finds_far(wait))
        if ask.holder is not None and not _take_place(database, ask, ask.holder, now):
            return Admission(round(PLACE_SECONDS * SECOND), crowded=True)
        return Admission()


def leave(database: Database, source: str, claim: Claim) -> None:
    """Give a place in flight back."""
    with database.unsynced():
        database.change(_LEAVE, (source, claim.task.id, claim.fence))


def hesitate(database: Database, source: str, claim: Claim) -> None:
    """Close a source to all but this claim, as long as it has its place."""
    database.change(_HESITATE, (source, claim.task.id, claim.fence))


def reserve(database: Database, source: str, quota: Quota, cost: int, settings: str | None, clock: Clock) -> Reserved:
    """Take units of a quota if they suffice."""
    with database.write():
        now = clock()
        state = get_source(database, source)
        if state.bars(now, settings):
            return Reserved(granted=False, barred=state)
        used, reset = _quota(database, source, quota, now)
        if used + cost > quota.limit:
            return Reserved(False, used, reset)
        database.change(_SAVE_QUOTA, (source, quota.bucket, used + cost, quota.limit, reset))
        return Reserved(True, used + cost, reset)


def exhaust(database: Database, source: str, quota: Quota, clock: Clock) -> None:
    """Take all that is left of a quota."""
    with database.write():
        used, reset = _quota(database, source, quota, clock())
        database.change(_SAVE_QUOTA, (source, quota.bucket, max(used, quota.limit), quota.limit, reset))


def quota_used(database: Database, source: str, quota: Quota, now: Microseconds) -> int:
    """Read what is used of a quota."""
    return _quota(database, source, quota, now)[0]


def usage(database: Database, now: Microseconds) -> list[SourceUse]:
    """Read how much sources are asked."""
    quotas: dict[str, list[QuotaUse]] = {}
    for source, bucket, used, most, reset in database.execute(_QUOTAS):
        use = QuotaUse(bucket=bucket, used=used if reset > now else 0, limit=most, reset=reset)
        quotas.setdefault(source, []).append(use)
    paces = {source: values for source, *values in database.execute(_PACES)}
    return [
        SourceUse(name=name, quotas=tuple(quotas.get(name, ())), **_pace_use(database, name, paces.get(name), now))
        for name in sorted({*paces, *quotas})
    ]


def _pace_use(database: Database, source: str, pace: list[int] | None, now: Microseconds) -> dict[str, int]:
    if pace is None:
        return {}
    requests, per_hour, places = pace
    since = database.execute(_FIRST_SINCE, (source, now - HOUR))
    return {
        "requests": requests,
        "last_hour": requests - since[0][0] + 1 if since else 0,
        "per_hour": per_hour,
        "in_flight": len(database.execute(_HOLDERS, (source, now))),
        "places": places,
    }


def _spend(database: Database, ask: Ask, now: Microseconds) -> Microseconds:
    """Pay for requests and give the time until their turn; one that is too far off is not paid for."""
    source = ask.source
    rows = database.execute(_PACE, (source,))
    full_at, asked_at, requests = rows[0] if rows else (0, now, 0)
    if asked_at - now >= STEP_BACK:  # nothing may become nearer or farther by that
        database.change(_SHIFT, (source, asked_at - now))
        full_at -= asked_at - now
    else:
        now = max(now, asked_at)
    ahead = database.execute(_MOMENT_OF, (source, min(requests + ask.cost - ask.pace.per_hour, requests)))
    turn, full_after = ask.pace.turn(full_at, ask.cost, now, ahead[0][0] if ahead else None)
    _forget_old(database, source, now)
    if not ask.finds_far(turn - now):
        database.change(_REQUEST, (source, requests + 1, turn))
        full_at, requests = full_after, requests + ask.cost
    database.change(_SAVE_PACE, (source, full_at, now, requests, ask.pace.per_hour, ask.pace.in_flight))
    return turn - now


def _forget_old(database: Database, source: str, now: Microseconds) -> None:
    first = database.execute(_FIRST_SINCE, (source, now - HOUR))
    database.change(_FORGET, (source, first[0][0] if first else 1 << 62))


def _take_place(database: Database, ask: Ask, claim: Claim, now: Microseconds) -> bool:
    """Take a place in flight if one is free, or keep the one that the claim has."""
    found = database.execute(_HOLDERS, (ask.source, now))
    held = {(task, fence) for task, fence, _ in found}
    first = min((task for task, _, failed in found if failed), default=claim.task.id)
    if first != claim.task.id:
        return False
    if (claim.task.id, claim.fence) in held:
        return True
    if len(held) >= ask.pace.in_flight:
        return False
    database.change(_FREE_WHAT_IS_LEFT, (ask.source, now))
    database.change(_HOLD, (ask.source, claim.task.id, claim.fence))
    if (claim.task.id, claim.fence, 0) not in database.execute(_HOLDERS, (ask.source, now)):
        raise stale_claim(claim)
    return True


def _quota(database: Database, source: str, quota: Quota, now: Microseconds) -> tuple[int, Microseconds]:
    rows = database.execute(_QUOTA, (source, quota.bucket))
    used, reset = rows[0] if rows else (0, 0)
    return quota.current(used, reset, now)
