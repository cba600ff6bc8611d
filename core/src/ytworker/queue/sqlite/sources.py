"""Sources: cool-downs and pauses that every worker sees."""

from collections.abc import Collection

from ytworker.model import ErrorClass, Microseconds, SourceState
from ytworker.queue.protocol import CoolDown
from ytworker.queue.sqlite.database import Database, Row

_SELECT = "SELECT name, cooling_until, reason, strikes, class, paused_by FROM source"
_GET = _SELECT + " WHERE name = ?"
_LIST = _SELECT + " ORDER BY name"
_COOL = """
INSERT INTO source (name, cooling_until, reason, strikes, class, paused_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (name) DO UPDATE SET
  cooling_until = nullif(max(coalesce(cooling_until, 0), coalesce(?2, 0)), 0),
  reason = CASE WHEN ?6 IS NULL AND paused_by IS NOT NULL THEN reason ELSE ?3 END,
  strikes = ?4, class = ?5, paused_by = coalesce(?6, paused_by)
"""
_FREE = """
UPDATE source SET strikes = 0, cooling_until = NULL, reason = NULL, class = NULL
 WHERE name = ?1 AND paused_by IS NULL AND coalesce(cooling_until, 0) <= ?2
"""
_UNPAUSE = """
UPDATE source SET paused_by = NULL, reason = CASE WHEN cooling_until IS NULL THEN NULL ELSE reason END WHERE name = ?
"""
_RESUME = "UPDATE source SET cooling_until = NULL, reason = NULL, paused_by = NULL WHERE name = ?"


def get_source(database: Database, name: str) -> SourceState:
    """Read one source; an unknown one is free."""
    rows = database.execute(_GET, (name,))
    return _source(rows[0]) if rows else SourceState(name=name)


def list_sources(database: Database) -> list[SourceState]:
    """Read every source that ever cooled down or was paused."""
    return [_source(row) for row in database.execute(_LIST)]


def cool_down(database: Database, change: CoolDown) -> None:
    """Start or prolong a cool-down or a pause; one that is running is never shortened."""
    values = (change.source, change.until, change.reason, change.strikes, change.error_class.value, change.paused_by)
    database.change(_COOL, values)


def forgive(database: Database, names: Collection[str], now: Microseconds) -> None:
    """Forget the strikes of sources that answered well.

    A cool-down or pause that is running stays: the attempt got its answers before another one started it.
    """
    for name in names:
        database.change(_FREE, (name, now))


def resume(database: Database, name: str) -> None:
    """End a cool-down and a pause by hand."""
    database.change(_RESUME, (name,))


def unpause(database: Database, name: str) -> None:
    """End a pause because the settings changed; a cool-down goes on."""
    database.change(_UNPAUSE, (name,))


def _source(row: Row) -> SourceState:
    name, until, reason, strikes, error_class, paused_by = row
    return SourceState(
        name=name,
        cooling_until=until,
        reason=reason,
        strikes=strikes,
        error_class=None if error_class is None else ErrorClass(error_class),
        paused_by=paused_by,
    )
