"""How a new sight of an item joins what is stored: pure functions that every backend shares.

A value beats nothing, and newer beats older; nothing never beats a value. So a flat listing, which knows no tags and no
likes, does not wipe out what a full record brought last week. Two things are not judged by their age alone:

* **Counts**: an exact one stays until another exact one comes, or a rounded one that it cannot be the origin of ("1.2M"
  beside 1,234,567 tells nothing new; beside 987,654 it does). When each was seen is kept with the observations.
* **The reason of an availability** (``extra.unavailable``): it goes when a newer sight tells an availability without
  one.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ytworker.model import Item
from ytworker.queue.counting import GONE, Change

VERSIONED = ("title", "description", "tags", "thumbnail_url")
"""The texts that a version keeps: creators test titles, and that is the signal."""

HASHED = ("title", "description", "tags")
"""The texts whose change makes a new version; a still picture's address differs from list to list."""

REASON = "unavailable"
"""The key of ``extra`` that says why an item is not available to us."""

_METRICS = ("views", "likes", "comments")


def as_record(item: Item) -> dict[str, Any]:
    """Give an item as the JSON object that is stored; the context belongs to the hit and is left out."""
    return item.model_dump(mode="json", exclude={"context"})


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Join a new sight with the stored record, field by field; counts keep their own precision."""
    merged = {name: _newer(old.get(name), value) for name, value in new.items()}
    merged["author"] = _merge_fields(old["author"], new["author"])
    merged["extra"] = _merge_extra(old["extra"], new)
    merged["metrics"] = _merge_metrics(old["metrics"], new["metrics"])
    return merged


def content_hash(record: Mapping[str, Any]) -> str:
    """Digest the texts of a record whose change makes a new version."""
    text = json.dumps([record.get(name) for name in HASHED], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def change_of(old: Mapping[str, Any] | None, merged: Mapping[str, Any], *, rewritten: bool) -> Change:
    """Say what a sight changed, for the counters.

    Args:
        old: The stored record before, or None.
        merged: The one that is stored now.
        rewritten: Whether their content hashes differ.
    """
    if merged.get("availability") == GONE and (old is None or old.get("availability") != GONE):
        return Change.TOMBSTONE
    if old is None:
        return Change.NEW
    return Change.CHANGED if rewritten else Change.SAME


def _newer(old: Any, new: Any) -> Any:
    return old if new is None else new


def _merge_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _newer(old.get(name), value) for name, value in new.items()}


def _merge_extra(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**old, **_merge_fields(old, new["extra"])}
    if new.get("availability") is not None and new["extra"].get(REASON) is None:
        merged.pop(REASON, None)
    return merged


def _merge_metrics(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    origin = {name: old if _is_kept(name, old, new) else new for name in _METRICS}
    return {
        **{name: origin[name][name] for name in _METRICS},
        "precision": {name: origin[name]["precision"][name] for name in _METRICS},
    }


def _is_kept(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if new[name] is None or old[name] is None:
        return new[name] is None
    precisions = (old["precision"][name], new["precision"][name])
    return precisions == ("exact", "rounded") and abs(old[name] - new[name]) < rounding_step(new[name])


def rounding_step(count: int) -> int:
    """Tell how far a rounded count may be from the exact one: a unit of its second digit.

    Sites write "1.2M", "12K" and "123K": two digits at least, three at most, whichever way they round.
    """
    return int(10 ** max(len(str(count)) - 2, 0))
