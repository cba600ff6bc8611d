"""The cache through the real dispatch: hits, misses, and what is never kept."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ytworker_cache
from ytworker import Context, Item, hookimpl
from ytworker.testing import make_context
from ytworker_cache import CacheSettings


class Counter:
    """A worker plugin that counts its scrapes and fails when told to."""

    def __init__(self) -> None:
        self.runs = 0
        self.fails = False

    @hookimpl
    def scrape(self, params: Any) -> Iterator[Any]:
        self.runs += 1
        yield Item(source="test", id="1", title=params["name"])
        if self.fails:
            msg = "half way"
            raise ValueError(msg)
        yield {"source": "test", "kind": "video", "id": "2"}


@pytest.fixture
def counter() -> Counter:
    return Counter()


def ask(counter: Any, folder: Path, name: str = "a", *, checkpoint: Any = None, **settings: Any) -> list[Any]:
    from pluggy import PluginManager

    from ytworker.hookspecs import HookSpecs

    manager = PluginManager("ytworker")
    manager.add_hookspecs(HookSpecs)
    manager.register(ytworker_cache)
    manager.register(counter)
    section = {"cache": CacheSettings(folder=str(folder), **settings)}
    context: Context = make_context("demo", params={"name": name}, settings=section, checkpoint=checkpoint)
    return list(manager.hook.scrape(params={"name": name}, context=context))


def test_an_equal_task_gets_what_was_found(counter: Counter, tmp_path: Path) -> None:
    first = ask(counter, tmp_path)
    second = ask(counter, tmp_path)
    assert counter.runs == 1
    assert [item.id for item in second] == ["1", "2"]
    assert second[0] == first[0]
    assert ask(counter, tmp_path, "b")[0].title == "b"
    assert counter.runs == 2


def test_a_result_grows_old(counter: Counter, tmp_path: Path) -> None:
    ask(counter, tmp_path)
    for file in tmp_path.iterdir():
        os.utime(file, (0, 0))
    ask(counter, tmp_path)
    assert counter.runs == 2


def test_a_scrape_that_fails_leaves_nothing_behind(counter: Counter, tmp_path: Path) -> None:
    counter.fails = True
    with pytest.raises(ValueError, match="half way"):
        ask(counter, tmp_path)
    assert list(tmp_path.iterdir()) == []
    counter.fails = False
    assert len(ask(counter, tmp_path)) == 2


def test_what_cannot_be_read_is_a_miss(counter: Counter, tmp_path: Path) -> None:
    ask(counter, tmp_path)
    for file in tmp_path.iterdir():
        file.write_text("no JSON")
    assert len(ask(counter, tmp_path)) == 2
    assert counter.runs == 2


def test_other_task_types_and_later_parts_are_left_alone(counter: Counter, tmp_path: Path) -> None:
    ask(counter, tmp_path, task_types=["other"])
    ask(counter, tmp_path, checkpoint={"page": 2})
    assert list(tmp_path.iterdir()) == []
    ask(counter, tmp_path, task_types=["demo"])
    assert len(list(tmp_path.iterdir())) == 1


def test_async_answers_are_left_alone(tmp_path: Path) -> None:
    class Async:
        @hookimpl
        def scrape(self) -> Any:
            async def answer() -> list[Any]:
                return []

            return answer()

    from ytworker_cache import scrape

    wrapper = scrape(make_context("demo", settings={"cache": CacheSettings(folder=str(tmp_path))}))
    next(wrapper)
    answer = Async().scrape()
    with pytest.raises(StopIteration) as stopped:
        wrapper.send(answer)
    assert stopped.value.value is answer
    answer.close()


def test_the_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    from ytworker_cache.store import Store

    Store(None, 60).put("key", [])
    assert Store(None, 60).get("key") == []
    assert list(tmp_path.rglob("key.jsonl"))
    assert ytworker_cache.get_settings() == {"cache": CacheSettings}
