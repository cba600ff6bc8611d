"""Results in files: one for each kind of task, written whole or not at all."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from ytworker import Item


class Store:
    """A folder of results.

    Args:
        folder: Where; in the user's cache folder by default.
        keep_seconds: How long a result counts.
    """

    def __init__(self, folder: str | None, keep_seconds: float) -> None:
        self._folder = Path(folder) if folder else Path(platformdirs.user_cache_dir("ytworker"), "scrapes")
        self._keep = keep_seconds

    def key(self, task_type: str, params: Mapping[str, Any]) -> str:
        """Give the name of what equal tasks share; parameters with another order of keys are equal."""
        text = json.dumps([task_type, dict(params)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def get(self, key: str) -> list[Item] | None:
        """Give what is kept; None where nothing is, where it is too old, and where it cannot be read."""
        file = self._folder / f"{key}.jsonl"
        try:
            if time.time() - file.stat().st_mtime > self._keep:
                return None
            return [Item.model_validate_json(line) for line in file.read_text("utf-8").splitlines()]
        except (OSError, ValueError):
            return None

    def put(self, key: str, items: Sequence[Item]) -> None:
        """Keep a result, in one step."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{item.model_dump_json()}\n" for item in items)
        Path(draft).replace(self._folder / f"{key}.jsonl")
