"""Sources: cool-downs and pauses that every worker sees."""

from collections.abc import Collection

from ytworker.model import ErrorClass, Microseconds, SourceState
from ytworker.queue.records import CoolDown
from ytworker.queue.sqlite.database import Database, Row

_SELECT = """
SELECT name, cooling_until, reason, strikes, class, paused_until, pause_reason, paused_by FROM source_rest
"""
_GET = _SELECT + " WHERE name = ?"
_LIST = _SELECT + " ORDER BY name"
# A shorter cool-down within a longer one changes nothing: not its end, and not what the next strike builds on.
_COOL = """
INSERT INTO source_rest (name, cooling_until, reason, strikes, class) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (name) DO UPDATE SET cooling_until = ?2, reason = ?3, strikes = ?4, class = ?5
 WHERE coalesce(cooling_until, 0) < ?2
"""
_PAUSE = """
INSERT INTO source_rest (name, paused_until, pause_reason, paused_by) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (name) DO UPDATE SET paused_until = ?2, pause_reason = ?3, paused_by = ?4
 WHERE paused_by IS NOT NULL OR coalesce(paused_until, 0) < ?2
"""
# A pause by hand is one without the settings that it is for.
_PAUSE_BY_HAND = """
INSERT INTO source_rest (name, paused_until, pause_reason, paused_by) VALUES (?1, ?2, ?3, NULL)
ON CONFLICT (name) DO UPDATE SET paused_until = ?2, pause_reason = ?3, paused_by = NULL
"""
_FORGET_COOLING = """
UPDATE source_rest SET strikes = 0, cooling_until = NULL, reason = NULL, class = NULL
 WHERE name = ?1 AND coalesce(cooling_until, 0) <= ?2
"""
_REACH = """
UPDATE source_rest SET strikes = 0, cooling_until = NULL, reason = NULL, class = NULL
 WHERE name = ?1 AND class = 'transient'
"""
_UNPAUSE = """
UPDATE source_rest SET paused_until = NULL, pause_reason = NULL, paused_by = NULL
 WHERE name = ?1 AND paused_by IS NOT NULL AND paused_by = coalesce(?2, paused_by)
"""
_RESUME = """
UPDATE source_rest SET cooling_until = NULL, reason = NULL, paused_until = NULL, pause_reason = NULL, paused_by = NULL
 WHERE name = ?
"""
_WAKE = """
UPDATE task SET at = min(at, ?2) WHERE status = 2 AND id IN (SELECT id FROM run WHERE source = ?1)
"""


def get_source(database: Database, name: str) -> SourceState:
    """Read one source; an unknown one is free."""
    rows = database.execute(_GET, (name,))
    return _source(rows[0]) if rows else SourceState(name=name)


def list_sources(database: Database) -> list[SourceState]:
    """Read every source that ever cooled down or was paused."""
    return [_source(row) for row in database.execute(_LIST)]


def cool_down(database: Database, change: CoolDown) -> None:
    """Start or prolong a cool-down, or a pause."""
    if change.paused_by is None:
        values = (change.source, change.until, change.reason, change.strikes, change.error_class.value)
        database.change(_COOL, values)
    else:
        database.change(_PAUSE, (change.source, change.until, change.reason, change.paused_by))


def forgive(database: Database, names: Collection[str], settings: str | None, now: Microseconds) -> None:
    """Forget the strikes of sources that answered well, and the pause for the settings under which they did.

    A cool-down that is running stays: the attempt got its answers before another one started it. Only the rest of a
    source that was not reached ends, and with it the wait of its tasks: now it was.
    """
    for name in names:
        if database.change(_REACH, (name,)):
            _wake(database, name, now)
        database.change(_FORGET_COOLING, (name, now))
        unpause(database, name, now, settings)


def pause(database: Database, name: str, until: Microseconds, reason: str) -> None:
    """Pause a source by hand, whatever it was before."""
    database.change(_PAUSE_BY_HAND, (name, until, reason))


def resume(database: Database, name: str, now: Microseconds) -> None:
    """End a cool-down and a pause by hand, inside a transaction of the caller's."""
    database.change(_RESUME, (name,))
    _wake(database, name, now)


def unpause(database: Database, name: str, now: Microseconds, settings: str | None = None) -> None:
    """End a pause for these settings, or for any, and make due what waits; inside a transaction of the caller's."""
    if database.change(_UNPAUSE, (name, settings)):
        _wake(database, name, now)


def _wake(database: Database, name: str, now: Microseconds) -> None:
    if database.change(_WAKE, (name, now)):
        database.rings = True


def _source(row: Row) -> SourceState:
    name, until, reason, strikes, error_class, paused_until, pause_reason, paused_by = row
    return SourceState(
        name=name,
        cooling_until=until,
        reason=reason,
        strikes=strikes,
        error_class=ErrorClass(error_class) if error_class in set(ErrorClass) else None,
        paused_until=paused_until,
        pause_reason=pause_reason,
        paused_by=paused_by,
    )
