"""A cache around ``scrape``: an example of an extension. It answers no task type, it wraps the plugins that do."""

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, Field

from ytworker import Context, Item, hookimpl
from ytworker_cache.store import Store

__version__ = "0.1.0"
__all__ = ["CacheSettings", "__version__"]

log = logging.getLogger("ytworker.plugin.cache")


class CacheSettings(BaseModel):
    """The section ``[plugins.cache]``."""

    folder: str | None = Field(default=None, description="Where to keep results; the user's cache folder by default.")
    keep_seconds: float = Field(default=3600.0, ge=0, description="How long a result is used again.")
    task_types: list[str] = Field(default_factory=list, description="Which task types; all by default.")


@hookimpl
def get_settings() -> Mapping[str, type[BaseModel]]:
    """Name the section that the extension reads."""
    return {"cache": CacheSettings}


@hookimpl(wrapper=True)
def scrape(context: Context) -> Generator[None, Any, Any]:
    """Give what an equal task found within ``keep_seconds``, or keep what this one finds.

    A wrapper has to let the plugin make its answer. From a plugin that is a generator, as most are, that costs nothing:
    it has not begun, and on a hit it never does. An implementation may take fewer arguments than the hook has.
    """
    answer = yield
    settings = context.settings["cache"]
    assert isinstance(settings, CacheSettings)  # noqa: S101 - for the type checker
    task = context.task
    if (settings.task_types and task.type not in settings.task_types) or context.checkpoint.value is not None:
        return answer  # a later part of a scrape is no whole result
    if not isinstance(answer, Iterable):
        return answer  # async: left alone
    store = Store(settings.folder, settings.keep_seconds)
    key = store.key(task.type, task.params)
    kept = store.get(key)
    if kept is not None:
        log.info("hit: %d items of %s", len(kept), task.type)
        return kept
    log.info("miss: %s", task.type)
    return _kept(answer, store, key)


def _kept(answer: Iterable[Any], store: Store, key: str) -> Iterator[Any]:
    """Pass items on, and keep them once all have come: a scrape that fails leaves nothing behind."""
    found = []
    for yielded in answer:
        found.append(yielded if isinstance(yielded, Item) else Item.model_validate(yielded))
        yield yielded
    store.put(key, found)
