"""How a new sight of an item joins what is stored: pure functions that every backend shares.

A value beats nothing, and newer beats older; nothing never beats a value. So a flat listing, which knows no tags and no
likes, does not wipe out what a full record brought last week.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ytworker.model import Item

VERSIONED = ("title", "description", "tags", "thumbnail_url")
"""The texts that a version keeps: creators test titles, and that is the signal."""

HASHED = ("title", "description", "tags")
"""The texts whose change makes a new version; a still picture's address differs from list to list."""

_METRICS = ("views", "likes", "comments")


def as_record(item: Item) -> dict[str, Any]:
    """Give an item as the JSON object that is stored; the context belongs to the hit and is left out."""
    return item.model_dump(mode="json", exclude={"context"})


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Join a new sight with the stored record, field by field; counts keep their own precision."""
    merged = {name: _newer(old.get(name), value) for name, value in new.items()}
    merged["author"] = _merge_fields(old["author"], new["author"])
    merged["extra"] = {**old["extra"], **_merge_fields(old["extra"], new["extra"])}
    merged["metrics"] = _merge_metrics(old["metrics"], new["metrics"])
    return merged


def content_hash(record: Mapping[str, Any]) -> str:
    """Digest the texts of a record whose change makes a new version."""
    text = json.dumps([record.get(name) for name in HASHED], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _newer(old: Any, new: Any) -> Any:
    return old if new is None else new


def _merge_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _newer(old.get(name), value) for name, value in new.items()}


def _merge_metrics(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    origin = {name: old if new[name] is None else new for name in _METRICS}
    return {
        **{name: origin[name][name] for name in _METRICS},
        "precision": {name: origin[name]["precision"][name] for name in _METRICS},
    }
