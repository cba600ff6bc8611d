"""Items: one record each, joined from every sight of it, and who found what at which place.

Versions of texts and counts over time are left out: nothing in the protocol reads them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ytworker.model import Doubted, Item, Microseconds, rfc3339
from ytworker.queue import ItemFilter, as_record, content_hash, merge
from ytworker.testing.memory.store import ItemKey, Store, StoredItem, StoredTask, Transaction


def store_items(transaction: Transaction, task_id: int, items: Sequence[Item]) -> None:
    """Store the items of a task in their order; an item that it yields twice keeps its first place."""
    hits = dict(transaction.store.hits.get(task_id, {}))
    for item in items:
        context = json.dumps(item.context.model_dump(mode="json", exclude_none=True))
        hits.setdefault(_store(transaction, as_record(item)), context)
    transaction.put(transaction.store.hits, task_id, hits)


def keep_apart(task: StoredTask, doubted: Sequence[Doubted], now: Microseconds) -> StoredTask:
    """Give a task to which doubtful items are added, where they overwrite nothing."""
    apart = tuple((json.dumps(each.item.model_dump(mode="json")), now, each.reason) for each in doubted)
    return replace(task, kept_apart=(*task.kept_apart, *apart))


def find_items(store: Store, which: ItemFilter) -> list[dict[str, Any]]:
    """Find stored items as JSON objects."""
    if which.suspect:
        return list(islice(_suspects(store, which), which.limit))
    found = _of_task(store, which.task_id) if which.task_id is not None else _latest(store, which)
    return [_show(item, context) for item, context in islice(found, which.limit)]


def _suspects(store: Store, which: ItemFilter) -> Iterator[dict[str, Any]]:
    """Give what was kept apart, the latest first."""
    tasks = [each for each in store.tasks.values() if which.task_type in {None, each.type}]
    chosen = [each for each in tasks if which.task_id in {None, each.id}]
    apart = [(each.id, *kept) for each in chosen for kept in each.kept_apart]
    for task_id, text, observed_at, reason in sorted(apart, key=lambda each: each[2], reverse=True):
        record = json.loads(text)
        if _fits((record["source"], record["kind"], record["id"]), which):
            yield {**record, "observed_at": rfc3339(observed_at), "reason": reason, "task": str(task_id)}


def _of_task(store: Store, task_id: int) -> Iterator[tuple[StoredItem, str]]:
    return ((store.items[key], context) for key, context in store.hits.get(task_id, {}).items())


def _latest(store: Store, which: ItemFilter) -> Iterator[tuple[StoredItem, str]]:
    found = None if which.task_type is None else _found_by(store, which.task_type)
    kept = [item for key, item in store.items.items() if _fits(key, which) and (found is None or key in found)]
    return ((item, "{}") for item in sorted(kept, key=lambda item: (-item.last_seen_at, item.no)))


def _fits(key: ItemKey, which: ItemFilter) -> bool:
    source, kind, _ = key
    return which.source in {None, source} and which.kind in {None, kind}


def _found_by(store: Store, task_type: str) -> set[ItemKey]:
    """Give the items of all tasks of a type, as far as these have not been purged."""
    return {key for task in store.tasks.values() if task.type == task_type for key in store.hits.get(task.id, ())}


def _show(item: StoredItem, context: str) -> dict[str, Any]:
    return {
        **json.loads(item.record),
        "context": json.loads(context),
        "first_seen_at": rfc3339(item.first_seen_at),
        "last_seen_at": rfc3339(item.last_seen_at),
        "last_changed_at": rfc3339(item.last_changed_at),
    }


def _store(transaction: Transaction, record: dict[str, Any]) -> ItemKey:
    key = (record["source"], record["kind"], record["id"])
    old = transaction.store.items.get(key)
    transaction.put(transaction.store.items, key, _join(old, record, transaction))
    return key


def _join(old: StoredItem | None, record: dict[str, Any], transaction: Transaction) -> StoredItem:
    now = transaction.now
    if old is None:
        return StoredItem(
            no=len(transaction.store.items),
            record=json.dumps(record),
            content_hash=content_hash(record),
            first_seen_at=now,
            last_seen_at=now,
            last_changed_at=now,
        )
    merged = merge(json.loads(old.record), record)
    digest = content_hash(merged)
    changed_at = old.last_changed_at if digest == old.content_hash else now
    return replace(old, record=json.dumps(merged), content_hash=digest, last_seen_at=now, last_changed_at=changed_at)
