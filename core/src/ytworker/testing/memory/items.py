"""Items: one record each, joined from every sight of it, and who found what at which place.

Versions of texts and counts over time are left out: nothing in the protocol reads them.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ytworker.model import Doubted, Item, rfc3339
from ytworker.queue import Change, ItemFilter, as_record, change_of, content_hash, counts_of_items, merge
from ytworker.testing.memory.store import ItemKey, Store, StoredItem, StoredTask, Transaction


def store_items(transaction: Transaction, task: StoredTask, items: Sequence[Item]) -> None:
    """Store and count the items of a task in their order; an item that it yields twice keeps its first place."""
    hits = dict(transaction.store.hits.get(task.id, {}))
    changes: Counter[Change] = Counter()
    for item in items:
        context = json.dumps(item.context.model_dump(mode="json", exclude_none=True))
        key, change = _store(transaction, as_record(item))
        changes[change] += 1
        hits.setdefault(key, context)
    transaction.put(transaction.store.hits, task.id, hits)
    _count(transaction, task, changes)


def keep_apart(transaction: Transaction, task: StoredTask, doubted: Sequence[Doubted]) -> StoredTask:
    """Count doubtful items, and give a task to which they are added, where they overwrite nothing."""
    _count(transaction, task, {Change.SUSPECT: len(doubted)})
    apart = tuple((json.dumps(each.item.model_dump(mode="json")), transaction.now, each.reason) for each in doubted)
    return replace(task, kept_apart=(*task.kept_apart, *apart))


def find_items(store: Store, which: ItemFilter) -> list[dict[str, Any]]:
    """Find stored items as JSON objects."""
    if which.suspect:
        return list(islice(_suspects(store, which), which.limit))
    found = _of_task(store, which.task_id) if which.task_id is not None else _latest(store, which)
    return [_show(item, context) for item, context in islice(found, which.limit)]


def _count(transaction: Transaction, task: StoredTask, changes: Mapping[Change, int]) -> None:
    for name, number in counts_of_items(task.type, changes).items():
        transaction.count(name, number)


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


def _store(transaction: Transaction, record: dict[str, Any]) -> tuple[ItemKey, Change]:
    key = (record["source"], record["kind"], record["id"])
    stored, change = _join(transaction.store.items.get(key), record, transaction)
    transaction.put(transaction.store.items, key, stored)
    return key, change


def _join(old: StoredItem | None, record: dict[str, Any], transaction: Transaction) -> tuple[StoredItem, Change]:
    now = transaction.now
    if old is None:
        stored = StoredItem(
            no=len(transaction.store.items),
            record=json.dumps(record),
            content_hash=content_hash(record),
            first_seen_at=now,
            last_seen_at=now,
            last_changed_at=now,
        )
        return stored, change_of(None, record, rewritten=True)
    before = json.loads(old.record)
    merged = merge(before, record)
    digest = content_hash(merged)
    changed_at = old.last_changed_at if digest == old.content_hash else now
    stored = replace(old, record=json.dumps(merged), content_hash=digest, last_seen_at=now, last_changed_at=changed_at)
    return stored, change_of(before, merged, rewritten=digest != old.content_hash)
