"""Storing and reading items: current rows, versions of texts, counts over time, and who found what at which place."""

import json
from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any

from ytworker.errors import StoreError
from ytworker.model import Doubted, Item, Microseconds, Task, rfc3339
from ytworker.queue.counting import Change, counts_of_items
from ytworker.queue.merging import VERSIONED, as_record, change_of, content_hash, merge
from ytworker.queue.records import ItemFilter
from ytworker.queue.sqlite.counters import count_all
from ytworker.queue.sqlite.database import Database

_FIND = "SELECT no, record, content_hash, version FROM item WHERE source = ? AND kind = ? AND id = ?"
_ADD = """
INSERT INTO item (source, kind, id, first_seen_at, last_seen_at, last_changed_at, version, content_hash, record)
VALUES (?1, ?2, ?3, ?4, ?4, ?4, 1, ?5, ?6)
"""
_SEEN = "UPDATE item SET last_seen_at = ?2, record = ?3 WHERE no = ?1"
_CHANGED = """
UPDATE item SET last_seen_at = ?2, last_changed_at = ?2, version = version + 1, content_hash = ?4, record = ?3
 WHERE no = ?1
"""
_ADD_VERSION = """
INSERT INTO item_version (item, version, observed_at, task, title, description, tags, thumbnail_url)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_OBSERVE = """
INSERT INTO observation (item, observed_at, task, views, likes, comments, views_precision, likes_precision,
                         comments_precision)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_HITS = "SELECT coalesce(max(position), 0) FROM hit WHERE task = ?"
_ADD_HIT = """
INSERT INTO hit (task, type, position, item, context)
VALUES (?1, (SELECT type FROM body WHERE id = ?1), ?2, ?3, ?4) ON CONFLICT DO NOTHING
"""
_SUSPECT = "INSERT INTO suspect_item (task, observed_at, reason, record) VALUES (?, ?, ?, ?)"

_COLUMNS = "i.record, {context}, i.first_seen_at, i.last_seen_at, i.last_changed_at"
_OF_TASK = f"""
SELECT {_COLUMNS.format(context="h.context")} FROM hit h JOIN item i ON i.no = h.item
 WHERE h.task = ? ORDER BY h.position LIMIT ?
"""
_LIST = f"""
SELECT {_COLUMNS.format(context="NULL")} FROM item i
 WHERE (?1 IS NULL OR i.source = ?1) AND (?2 IS NULL OR i.kind = ?2)
   AND (?3 IS NULL OR i.no IN (
         SELECT h.item FROM hit h JOIN task_type t ON t.id = h.type WHERE t.name = ?3))
 ORDER BY i.last_seen_at DESC, i.no LIMIT ?4
"""
_LIST_SUSPECTS = """
SELECT record, observed_at, reason, task FROM suspect_item
 WHERE (?1 IS NULL OR task = ?1)
   AND (?2 IS NULL OR task IN (SELECT b.id FROM body b JOIN task_type t ON t.id = b.type WHERE t.name = ?2))
   AND (?3 IS NULL OR json_extract(record, '$.source') = ?3) AND (?4 IS NULL OR json_extract(record, '$.kind') = ?4)
 ORDER BY observed_at DESC, no LIMIT ?5
"""

_METRICS = ("views", "likes", "comments")


def store_items(database: Database, task: Task, items: Sequence[Item], now: Microseconds) -> None:
    """Store and count the items of a task in their order, inside a transaction of the caller's."""
    if not items:
        return
    ((position,),) = database.execute(_HITS, (task.id,))
    changes: Counter[Change] = Counter()
    for item in items:
        number, change = _store(database, task.id, item, now)
        changes[change] += 1
        position += 1
        context = item.context.model_dump(mode="json", exclude_none=True)
        database.change(_ADD_HIT, (task.id, position, number, json.dumps(context)))
    count_all(database, counts_of_items(task.type, changes))


def keep_apart(database: Database, task: Task, doubted: Sequence[Doubted], now: Microseconds) -> None:
    """Store and count doubtful items where they overwrite nothing, inside a transaction of the caller's."""
    for each in doubted:
        record = json.dumps(each.item.model_dump(mode="json"))
        database.change(_SUSPECT, (task.id, now, each.reason, record))
    count_all(database, counts_of_items(task.type, {Change.SUSPECT: len(doubted)}))


def list_items(database: Database, which: ItemFilter) -> Generator[dict[str, Any], None, None]:
    """Read stored items as JSON objects."""
    limit = -1 if which.limit is None else which.limit
    if which.suspect:
        yield from _list_suspects(database, which, limit)
        return
    if which.task_id is not None:
        rows = database.stream(_OF_TASK, (which.task_id, limit))
    else:
        rows = database.stream(_LIST, (which.source, which.kind, which.task_type, limit))
    for record, context, first_seen, last_seen, last_changed in rows:
        yield {
            **_readable(record),
            "context": _readable(context) if context else {},
            "first_seen_at": rfc3339(first_seen),
            "last_seen_at": rfc3339(last_seen),
            "last_changed_at": rfc3339(last_changed),
        }


def _list_suspects(database: Database, which: ItemFilter, limit: int) -> Generator[dict[str, Any], None, None]:
    values = (which.task_id, which.task_type, which.source, which.kind, limit)
    for record, observed_at, reason, task_id in database.stream(_LIST_SUSPECTS, values):
        yield {**_readable(record), "observed_at": rfc3339(observed_at), "reason": reason, "task": str(task_id)}


def _readable(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as error:
        msg = f"an item cannot be read any more ({error}); `ytworker db check` counts them, a new scrape replaces them"
        raise StoreError(msg) from error
    return found


def _store(database: Database, task_id: int, item: Item, now: Microseconds) -> tuple[int, Change]:
    record = as_record(item)
    found = database.execute(_FIND, (item.source, item.kind, item.id))
    stored = _update(database, task_id, found[0], record, now) if found else _add(database, task_id, record, now)
    _observe(database, task_id, stored[0], record["metrics"], now)
    return stored


def _add(database: Database, task_id: int, record: dict[str, Any], now: Microseconds) -> tuple[int, Change]:
    values = (record["source"], record["kind"], record["id"], now, content_hash(record), json.dumps(record))
    number = database.insert(_ADD, values)
    _add_version(database, task_id, number, 1, record, now)
    return number, change_of(None, record, rewritten=True)


def _update(
    database: Database, task_id: int, stored: Sequence[Any], record: dict[str, Any], now: Microseconds
) -> tuple[int, Change]:
    number, text, old_hash, version = stored
    old: dict[str, Any] = {}
    try:
        old = json.loads(text)
        merged = merge(old, record)
    except (ValueError, KeyError, TypeError):  # damaged: what was just seen is better than nothing
        old, merged = {}, record
    text, new_hash = json.dumps(merged), content_hash(merged)
    if new_hash == old_hash:
        database.change(_SEEN, (number, now, text))
    else:
        database.change(_CHANGED, (number, now, text, new_hash))
        _add_version(database, task_id, number, version + 1, merged, now)
    return int(number), change_of(old, merged, rewritten=new_hash != old_hash)


def _add_version(
    database: Database, task_id: int, number: int, version: int, record: dict[str, Any], now: Microseconds
) -> None:
    texts = [json.dumps(value) if isinstance(value, list) else value for value in map(record.get, VERSIONED)]
    database.change(_ADD_VERSION, (number, version, now, task_id, *texts))


def _observe(database: Database, task_id: int, number: int, metrics: dict[str, Any], now: Microseconds) -> None:
    counts = [metrics[name] for name in _METRICS]
    if any(count is not None for count in counts):
        precisions = [metrics["precision"][name] for name in _METRICS]
        database.change(_OBSERVE, (number, now, task_id, *counts, *precisions))
