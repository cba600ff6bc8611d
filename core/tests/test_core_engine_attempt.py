"""One attempt: what a scrape may give and say, and what becomes of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import ONE_ITEM, MakeService, Zoo
from ytworker import ErrorClass, Item, Outcome, Task, TaskStatus
from ytworker.engine import attempt as attempts
from ytworker.engine.driving import as_item, drive
from ytworker.engine.messages import decode, encode
from ytworker.errors import StoreError
from ytworker.model import SECOND, ErrorInfo, NewTask, to_datetime
from ytworker.pacing import PACES
from ytworker.queue import Ask, FIFOStrategy, ItemFilter, Pace, Quota, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.service import Scraped, Service
from ytworker.testing import FakeClock

pytest_plugins = ["plugin_fixtures"]

DEMO = '{"source": "test", "kind": "video", "id": str(n), "title": f"Video {n}"}'


@pytest.fixture
def scrape(zoo: Zoo, make_service: MakeService) -> Any:
    """Do one task of a plugin whose ``scrape`` has this body."""

    def run(body: str, params: Any = None, *, extra: str = "", imported: str = "", **options: Any) -> Scraped:
        zoo.worker("demo", body, extra=extra, imported=imported)
        service = make_service()
        return service.scrape(service.check("demo", params or {}, **options))

    return run


def ids(queue: SQLiteQueue, task: int = 1) -> list[str]:
    return [item["id"] for item in queue.items(ItemFilter(task_id=task))]


def failed(done: Scraped) -> ErrorInfo:
    assert done.error is not None
    return done.error


# -- what a scrape may give

GIVES = {
    "a list": f"return [{DEMO} for n in range(3)]",
    "a tuple of items": "return tuple(Item(source='test', id=str(n)) for n in range(3))",
    "a generator": f"for n in range(3):\n    yield {DEMO}",
    "an iterator": f"return iter([{DEMO} for n in range(3)])",
    "a coroutine": f"async def later():\n    return [{DEMO} for n in range(3)]\nreturn later()",
    "a coroutine of a generator": (
        f"async def later():\n    return each()\ndef each():\n    for n in range(3): yield {DEMO}\nreturn later()"
    ),
    "an async generator": f"async def each():\n    for n in range(3):\n        yield {DEMO}\nreturn each()",
    "an async iterator": (
        "class Each:\n    n = -1\n    def __aiter__(self): return self\n    async def __anext__(self):\n"
        f"        self.n += 1\n        n = self.n\n        if n > 2: raise StopAsyncIteration\n        return {DEMO}\n"
        "return Each()"
    ),
}


@pytest.mark.parametrize("body", GIVES.values(), ids=GIVES)
def test_every_form_of_scrape_is_driven(scrape: Any, queue: SQLiteQueue, body: str) -> None:
    task = scrape(body).task
    assert (task.state, task.outcome, task.attempt) == (TaskStatus.COMPLETED, Outcome.OK, 1)
    assert ids(queue) == ["0", "1", "2"]


def test_async_functions_are_hooks_too(zoo: Zoo, make_service: MakeService, queue: SQLiteQueue) -> None:
    source = (
        "from ytworker import *\n@hookimpl\ndef get_task_type(): return '{0}'\n@hookimpl\nasync def scrape(params):\n"
    )
    zoo.install(
        "a",
        entry_points={"ytworker.workers": {"a": "a_p"}},
        modules={"a_p": source.format("a") + f"    n = 0; return [{DEMO}]"},
    )
    zoo.install(
        "b",
        entry_points={"ytworker.workers": {"b": "b_p"}},
        modules={"b_p": source.format("b") + f"    n = 0; yield {DEMO}"},
    )
    service = make_service()
    for name in ("a", "b"):
        assert service.scrape(service.check(name, {})).task.outcome is Outcome.OK


@pytest.mark.parametrize("body", ["return []", "return; yield", "async def f():\n    return ()\nreturn f()"])
def test_nothing_is_a_legal_answer(scrape: Any, body: str) -> None:
    task = scrape(body).task
    assert (task.state, task.outcome) == (TaskStatus.COMPLETED, Outcome.EMPTY)


WRONG = {
    "None": ("return None", "scrape() gave NoneType"),
    "a string": ("return 'abc'", "scrape() gave str"),
    "bytes": ("return b'abc'", "scrape() gave bytes"),
    "a dict": ("return {'id': 1}", "scrape() gave dict"),
    "a number": ("return 5", "scrape() gave int"),
    "a coroutine of None": ("async def f(): pass\nreturn f()", "scrape() gave NoneType"),
    "a yielded string": ("yield 'abc'", "yielded str; yield ytworker.Item or a dict"),
    "a yielded None": ("yield None", "yielded NoneType"),
    "a dict without id": ("yield {'source': 's', 'kind': 'video'}", "a dict without id"),
    "an empty dict": ("yield {}", "without source, kind, id"),
    "a misspelt field": ("yield {'source': 's', 'kind': 'k', 'id': '1', 'titel': 'x'}", "no item: titel"),
    "a number as id": ("yield {'source': 's', 'kind': 'k', 'id': 5}", "no item: id"),
    "a negative count": (
        "yield {'source': 's', 'kind': 'k', 'id': '1', 'metrics': {'views': -1}}",
        "no item: metrics.views",
    ),
    "a time without zone": (
        "yield {'source': 's', 'kind': 'k', 'id': '1', 'published_at': '2026-01-01T00:00:00'}",
        "no item: published_at",
    ),
    "an exception": ("raise KeyError('views')", "views"),
    "sys.exit": ("import sys; sys.exit('leaving')", "leaving"),
    "an exception group": ("raise ExceptionGroup('two', [ValueError(1), OSError(2)])", "two"),
    "an exception without words": ("raise ValueError", "ValueError"),
    "an exception that cannot be told": (
        "class Odd(Exception):\n    def __str__(self): raise RuntimeError\nraise Odd",
        "Odd",
    ),
    "a coroutine that was cancelled": (
        "import asyncio\nasync def f(): raise asyncio.CancelledError\nreturn f()",
        "Cancelled",
    ),
    "a base exception": ("class Odd(BaseException): pass\nraise Odd('odd')", "odd"),
}


@pytest.mark.parametrize(("body", "message"), WRONG.values(), ids=WRONG)
def test_p3_what_is_wrong_is_a_bug_with_one_retry(scrape: Any, queue: SQLiteQueue, body: str, message: str) -> None:
    done = scrape(body)
    assert (done.task.state, done.task.attempt) == (TaskStatus.DEAD, 2)
    assert failed(done).error_class is ErrorClass.BUG
    assert message in failed(done).message
    assert "demo_plugin" in failed(done).traceback or "scrape() " in failed(done).message
    assert ids(queue) == []


def test_items_before_a_failure_are_not_stored(scrape: Any, queue: SQLiteQueue) -> None:
    done = scrape(f"for n in range(120):\n    yield {DEMO}\nraise GoneError('end')")
    assert done.task.state is TaskStatus.DEAD
    assert ids(queue) == []
    assert list(queue.items(ItemFilter())) == []


def test_items_pass_as_they_are() -> None:
    item = Item(source="s", id="1")
    assert as_item(item) is item
    assert as_item({"source": "s", "kind": "video", "id": "1"}) == item
    assert list(drive([1, 2])) == [1, 2]


CLOSED = {
    "a generator": "try:\n    for n in range(9):\n        yield {}\nfinally:\n    seen.append('closed')",
    "an async generator": (
        "async def each():\n    try:\n        for n in range(9):\n            yield {}\n"
        "    finally:\n        seen.append('closed')\nreturn each()"
    ),
}


@pytest.mark.parametrize("body", CLOSED.values(), ids=CLOSED)
@pytest.mark.parametrize("ending", [DEMO, "5", "context.defer(datetime.now(UTC), 'later')"])
def test_what_was_started_is_closed_before_the_attempt_ends(
    zoo: Zoo, make_service: MakeService, body: str, ending: str
) -> None:
    text = body.replace("{}", f"(n and {ending}) or {DEMO}").replace("yield", "n == 5 and context.cancelled\nXXyield")
    indent = max(len(line) - len(line.lstrip()) for line in body.splitlines() if "yield" in line)
    text = text.replace("XX", " " * indent)
    module = zoo.worker("demo", text, imported="from datetime import *")
    service = make_service()
    with service.worker_factory().create() as worker:
        service.enqueue("demo", {})
        claim = worker.claim_task()
        assert claim is not None
        result = worker.process_task(claim)
        assert zoo.seen(module) == ["closed"]
        worker.report_result(claim, result)


# -- what a scrape may say


def test_the_context_has_what_the_contract_promises(scrape: Any, zoo: Zoo, clock: FakeClock) -> None:
    scrape(
        "seen.append((context.task, params, dict(context.settings), context.deadline, context.checkpoint.value,"
        " context.cancelled))\ncontext.logger.info('hello')\nreturn []",
        {"a": [1, None, "ü"]},
        timeout_seconds=50,
    )
    ((task, params, settings, deadline, value, cancelled),) = zoo.seen("demo_plugin")
    assert isinstance(task, Task)
    assert (task.id, task.type, task.attempt, task.state) == (1, "demo", 1, TaskStatus.CLAIMED)
    assert params == task.params == {"a": [1, None, "ü"]}
    assert (settings, value, cancelled) == ({}, None, False)
    assert deadline == to_datetime(clock()) + timedelta(seconds=50)


def test_parameters_arrive_as_the_plugins_model(scrape: Any, zoo: Zoo) -> None:
    model = "from pydantic import BaseModel\nclass P(BaseModel):\n    n: int = 3\n    day: str = 'x'\n"
    scrape(
        "seen.append((type(params).__name__, params.n, params.day))\nreturn []",
        {"n": "7"},
        extra=model + "@hookimpl\ndef get_parameters():\n    return P",
    )
    assert zoo.seen("demo_plugin") == [("P", 7, "x")]


def test_settings_that_the_plugin_asks_for_reach_it_and_no_others(zoo: Zoo, make_service: MakeService) -> None:
    model = "from pydantic import BaseModel\nclass S(BaseModel):\n    n: int = 3\n"
    model += "@hookimpl\ndef get_settings():\n    return {'demo': S}"
    zoo.worker("demo", "seen.append(context.settings)\nreturn []", extra=model)
    service = make_service(plugins={"demo": {"n": "5"}, "other": {"secret": "canary"}})
    service.scrape(service.check("demo", {}))
    ((settings,),) = [zoo.seen("demo_plugin")]
    assert {name: section.model_dump() for name, section in settings.items()} == {"demo": {"n": 5}}


def test_settings_that_do_not_fit_pause_the_task_and_count_nothing(zoo: Zoo, make_service: MakeService) -> None:
    model = "from pydantic import BaseModel\nclass S(BaseModel):\n    n: int = 3\n"
    model += "@hookimpl\ndef get_settings():\n    return {'demo': S}"
    zoo.worker("demo", extra=model)
    service = make_service(plugins={"demo": {"n": "many"}})
    done = service.scrape(service.check("demo", {}))
    assert (done.task.state, done.task.attempt) == (TaskStatus.SCHEDULED, 0)
    assert failed(done).error_class is ErrorClass.CONFIG
    assert "YTWORKER_PLUGINS__DEMO__N" in failed(done).message


def test_a_checkpoint_commits_items_and_a_retry_goes_on_from_it(scrape: Any, queue: SQLiteQueue, zoo: Zoo) -> None:
    done = scrape(
        f"""
        start = context.checkpoint.value or 0
        seen.append(start)
        for n in range(start, 10):
            yield {DEMO}
            if n == 3 and start == 0:
                context.checkpoint.save(n + 1)
                assert context.checkpoint.value == 4
            if n == 6 and start == 0:
                raise RetryableError("half way")
        """
    )
    assert (done.task.state, done.task.attempt, done.task.outcome) == (TaskStatus.COMPLETED, 2, Outcome.OK)
    assert zoo.seen("demo_plugin") == [0, 4]
    assert ids(queue) == [str(n) for n in range(10)]


def test_a_claim_that_was_lost_ends_the_scrape_and_writes_nothing(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, caplog: pytest.LogCaptureFixture
) -> None:
    module = zoo.worker("demo", f"n = 1\nyield {DEMO}\ncontext.sleep(1)\ncontext.checkpoint.save(1)\nseen.append('on')")
    service = make_service()

    def lose(_seconds: float) -> None:
        for worker in queue.workers():
            queue.remove_worker(worker.id)  # as a rescue would, from another process

    service._sleep = lose
    done = service.scrape(service.check("demo", {}))
    assert (done.task.state, done.task.attempt) == (TaskStatus.QUEUED, 0)
    assert zoo.seen(module) == []
    assert list(queue.items(ItemFilter())) == []
    assert "no longer holds" in caplog.text


def test_what_was_saved_is_true_whatever_becomes_of_the_task(scrape: Any, queue: SQLiteQueue) -> None:
    done = scrape(f"n = 1\nyield {DEMO}\ncontext.checkpoint.save(1)\nn = 2\nyield {DEMO}\nraise GoneError('end')")
    assert done.task.state is TaskStatus.DEAD
    assert ids(queue) == ["1"]


def test_a_scrape_whose_items_are_all_saved_is_not_empty(scrape: Any) -> None:
    assert scrape(f"n = 1\nyield {DEMO}\ncontext.checkpoint.save(1)").task.outcome is Outcome.OK


@pytest.mark.parametrize("value", ["{1, 2}", "object()", "float('nan')", "b'x'", "datetime.now()"])
def test_a_checkpoint_that_is_no_json_is_a_clear_error(scrape: Any, queue: SQLiteQueue, value: str) -> None:
    done = scrape(f"n = 1\nyield {DEMO}\ncontext.checkpoint.save({value})", imported="from datetime import datetime")
    assert failed(done).error_class is ErrorClass.BUG
    assert "checkpoint" in failed(done).message
    assert "JSON" in failed(done).message
    assert ids(queue) == []


def test_a_checkpoint_that_is_too_large_names_the_cure(scrape: Any) -> None:
    done = scrape("context.checkpoint.save('x' * (1 << 20))\nreturn []")
    assert "save where, not what" in failed(done).message


@pytest.mark.parametrize("limit", ["MAX_ITEMS", "MAX_BYTES"])
def test_too_much_between_two_checkpoints_names_the_cure(
    scrape: Any, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(attempts, limit, {"MAX_ITEMS": 120, "MAX_BYTES": 20_000}[limit])
    done = scrape(f"for n in range(500):\n    yield {DEMO}")
    assert done.task.state is TaskStatus.DEAD
    assert "context.checkpoint.save" in failed(done).message
    assert ids(queue) == []


def test_checkpoints_make_room_for_more(scrape: Any, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_ITEMS", 120)
    done = scrape(f"for n in range(500):\n    yield {DEMO}\n    if n % 100 == 99: context.checkpoint.save(n)")
    assert done.task.outcome is Outcome.OK
    assert len(ids(queue)) == 500


def test_progress_is_shown_at_once_and_written_once_a_second(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.worker(
        "demo", "for n in range(30):\n    context.progress(n, 30, f'page {n}')\n    context.sleep(0.1)\nreturn []"
    )
    written: list[tuple[Any, ...]] = []
    monkeypatch.setattr(queue, "progress", lambda _claim, *what: written.append(what))
    shown: list[tuple[Any, ...]] = []
    service = make_service()
    service.scrape(service.check("demo", {}), observe=lambda *what: shown.append(what))
    assert shown == [(n, 30, f"page {n}") for n in range(30)]
    assert [done for done, _, _ in written] == [0, 10, 20]


def test_progress_that_is_told_often_travels_with_other_messages(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    zoo.worker(
        "demo",
        "for n in range(100):\n    context.progress(n, 300)\n"
        "context.budget('s').acquire()\n"
        "for n in range(100, 301):\n    context.progress(n, 300, f'page {n}')\nreturn []",
    )
    shown: list[tuple[Any, ...]] = []
    service = make_service()
    service.scrape(service.check("demo", {}), observe=lambda *what: shown.append(what))
    assert shown == [(0, 300, None), (99, 300, None), (300, 300, "page 300")]  # the clock stands still


def test_progress_in_the_last_words_of_a_lost_task_ends_it(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    module = zoo.worker(
        "demo",
        "context.progress(0)\nhooks[0](context.task.id)\ncontext.progress(1)\nreturn []",
        extra="hooks = []",
    )
    service = make_service()
    service.enqueue("demo", {})

    def cancel(task_id: int) -> None:
        service.cancel([task_id])
        clock.advance(0.05)

    __import__(module).hooks.append(cancel)
    service.run(until_empty=True)
    assert [task.state for task in service.tasks()] == [TaskStatus.CANCELLED]


@pytest.mark.parametrize("call", ["progress('x')", "progress(1, 'y')", "progress(None)", "progress(2**70)"])
def test_progress_that_cannot_be_kept_is_a_bug_of_the_plugin(scrape: Any, call: str) -> None:
    done = scrape(f"context.{call}\nreturn []")
    assert failed(done).error_class is ErrorClass.BUG
    assert done.task.state is TaskStatus.DEAD


def test_a_note_may_be_anything_that_has_words(scrape: Any) -> None:
    assert scrape("context.progress(1.0, 2.0, {'a': 1})\nreturn []").task.outcome is Outcome.EMPTY


def test_a_store_that_fails_while_a_follow_up_is_enqueued_does_not_kill_the_task(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.worker("demo", "context.enqueue('demo', {})\nreturn []")
    service = make_service()
    task = service.check("demo", {})

    def full(*_arguments: Any, **_options: Any) -> Any:
        msg = "the disk is full"
        raise StoreError(msg)

    monkeypatch.setattr(queue, "settle", full)
    with pytest.raises(StoreError, match="the disk is full"):
        service.scrape(task)
    assert (queue.get(1).state, queue.get(1).attempt) == (TaskStatus.QUEUED, 0)


def test_suspect_items_are_kept_apart(scrape: Any, queue: SQLiteQueue) -> None:
    done = scrape(f"n = 1\nyield {DEMO}\ncontext.suspect('no titles')")
    assert (done.task.state, done.task.outcome, done.task.attempt) == (TaskStatus.COMPLETED, Outcome.SUSPECT, 1)
    assert ids(queue) == []
    assert list(queue.items(ItemFilter())) == []


def test_a_budget_is_granted_and_then_paced(scrape: Any, clock: FakeClock) -> None:
    start = clock()
    done = scrape("for n in range(32):\n    context.budget('site').acquire()\nreturn []")
    assert done.task.state is TaskStatus.COMPLETED
    assert (clock() - start) / SECOND == pytest.approx(5, abs=0.01)  # 30 at once, 2 more after 2.5 s each


def test_a_cooling_source_defers_the_task_and_counts_nothing(scrape: Any, queue: SQLiteQueue, clock: FakeClock) -> None:
    body = "context.budget('site').acquire()\nraise ThrottledError('slow down', source='site', retry_after=600)"
    first = scrape(body)
    assert (first.task.state, first.task.attempt) == (TaskStatus.SCHEDULED, 0)


def test_a_refused_budget_defers_until_the_source_is_free(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    zoo.worker("demo", "context.budget('site').acquire(params.get('cost', 1))\n" + ONE_ITEM)
    zoo.worker("angry", "raise ThrottledError('slow down', source='site', retry_after=600)")
    service = make_service()
    service.scrape(service.check("angry", {}))
    done = service.scrape(service.check("demo", {}))
    assert (done.task.state, done.task.attempt) == (TaskStatus.SCHEDULED, 0)
    assert done.task.run_at == clock() + 600 * SECOND
    assert done.error is None
    assert "site cools down: slow down" in (done.task.reason or "")
    clock.advance(600)
    assert service.run(until_empty=True, types=["demo"]) == 1
    assert queue.get(2).state is TaskStatus.COMPLETED


def test_a_paused_source_is_resumed_when_the_settings_change(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    model = "from pydantic import BaseModel\nclass S(BaseModel):\n    key: str = ''\n"
    model += "@hookimpl\ndef get_settings():\n    return {'demo': S}"
    zoo.worker(
        "demo",
        "context.budget('site').acquire()\nif context.settings['demo'].key != 'good':\n"
        f"    raise ConfigError('wrong key', source='site')\n{ONE_ITEM}",
        extra=model,
    )
    bad, still, good = (make_service(plugins={"demo": {"key": key}}) for key in ("bad", "bad", "good"))
    assert bad.scrape(bad.check("demo", {})).task.state is TaskStatus.SCHEDULED
    still.enqueue("demo", {})
    still.run(until_empty=True)
    waits = queue.get(2)
    assert (waits.state, waits.attempt) == (TaskStatus.SCHEDULED, 0)
    assert "site is paused: wrong key" in (waits.reason or "")
    assert good.scrape(good.check("demo", {})).task.state is TaskStatus.COMPLETED
    assert queue.source("site").paused_by is None


@pytest.mark.parametrize("kind", ["env", "file"])
def test_a_secret_that_was_changed_where_a_setting_refers_to_counts_as_a_change_of_the_settings(
    zoo: Zoo,
    make_service: MakeService,
    queue: SQLiteQueue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    def put(secret: str) -> None:
        monkeypatch.setenv("SOME_KEY", secret)
        (tmp_path / "key").write_text(secret, "utf-8")

    model = "from pydantic import BaseModel\nclass S(BaseModel):\n    key: str = ''\n"
    model += "@hookimpl\ndef get_settings():\n    return {'demo': S}"
    zoo.worker(
        "demo",
        "context.budget('site').acquire()\nif context.settings['demo'].key != 'the-right-key-4711':\n"
        f"    raise ConfigError('wrong key', source='site')\n{ONE_ITEM}",
        extra=model,
    )
    key = {"env": "env:SOME_KEY", "file": f"file:{tmp_path / 'key'}"}[kind]

    def work() -> TaskStatus:
        make_service(plugins={"demo": {"key": key}}).run(until_empty=True)
        return queue.get(1).state

    put("a-wrong-key")
    make_service().enqueue("demo", {})
    assert [work(), work()] == [TaskStatus.SCHEDULED] * 2
    assert queue.usage()[0].requests == 1
    put("the-right-key-4711")
    assert work() is TaskStatus.COMPLETED


def test_whoever_watches_is_told_of_a_long_wait_for_the_pace(zoo: Zoo, make_service: MakeService) -> None:
    zoo.worker("demo", "context.progress(1, 3, 'page 1')\ncontext.budget('site').acquire(40)\nreturn []")
    service, seen = make_service(), []
    service.scrape(service.check("demo", {}), observe=lambda *shown: seen.append(shown))
    assert seen == [(1, 3, "page 1"), (1, 3, "waits 25 s for its turn")]


# -- places in flight and quotas

IN_FLIGHT = "with context.budget('site').request():\n    "


def test_a_request_holds_its_place_until_it_is_answered(scrape: Any, queue: SQLiteQueue) -> None:
    body = "for n in range(3):\n    with context.budget('site').request():\n        seen.append(n)\nreturn []"
    assert scrape(body).task.state is TaskStatus.COMPLETED
    (use,) = queue.usage()
    assert (use.requests, use.in_flight, use.places) == (3, 0, 1)


def test_a_place_stays_held_after_a_failure_and_is_free_when_the_source_cools_down(
    scrape: Any, queue: SQLiteQueue
) -> None:
    told = "ThrottledError('slow down', source='site', retry_after=600)"
    done = scrape(
        "budget = context.budget('site')\ntry:\n    with budget.request():\n        1 / 0\n"
        f"except ZeroDivisionError:\n    raise {told}"
    )
    assert (done.task.state, done.task.attempt) == (TaskStatus.SCHEDULED, 0)
    assert queue.usage()[0].in_flight == 0
    assert queue.source("site").strikes == 1


@pytest.mark.parametrize(("pace", "crowded"), [("fast", [False, True, True, False]), ("normal", [True] * 3 + [False])])
def test_after_a_request_that_failed_nobody_else_asks_until_its_place_is_free(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, pace: str, crowded: list[bool]
) -> None:
    zoo.worker(
        "demo",
        "budget = context.budget('site')\nwith budget.request():\n    context.progress(1)\n    context.sleep(1)\n"
        "with budget.hold():\n    for n in range(2):\n        try:\n            with budget.request():\n"
        "                raise ConnectionError('refused, perhaps')\n"
        "        except ConnectionError:\n            context.progress(2)\n            context.sleep(1)\n"
        "context.progress(3)\nreturn []",
    )
    other = queue.add_worker(lease_seconds=86_400)
    queue.enqueue([NewTask(type="other", params={})])
    (claim,) = queue.claim(other, FIFOStrategy, ["other"])
    answers: list[bool] = []

    def looks(*_: object) -> None:
        answers.append(queue.admit(Ask(source="site", pace=PACES[pace], cost=0, holder=claim)).crowded)
        queue.leave("site", claim)

    service = make_service(pace=pace)
    service.scrape(service.check("demo", {}), observe=looks)
    assert answers == crowded


def test_whoever_finds_no_place_waits_and_is_put_off_in_the_end(
    scrape: Any, queue: SQLiteQueue, clock: FakeClock
) -> None:
    other = queue.add_worker(lease_seconds=86_400)
    queue.enqueue([NewTask(type="other", params={})])
    (claim,) = queue.claim(other, FIFOStrategy, ["other"])
    queue.admit(Ask(source="site", pace=Pace(), holder=claim))
    start = clock()
    done = scrape(IN_FLIGHT + "raise SystemExit('not let go')", timeout_seconds=60)
    assert (done.task.state, done.task.attempt) == (TaskStatus.SCHEDULED, 0)
    assert "site: all its places in flight were taken for 600 s" in (done.task.reason or "")
    # Once more after the first deferral, which a scrape by hand waits for; its deadline of 60 s counts none of that.
    assert (clock() - start) / SECOND == pytest.approx(600 + 10 + 600, abs=1)
    assert done.task.run_at is not None


def test_a_cool_down_that_begins_while_a_request_waits_for_its_turn_stops_it(
    scrape: Any, zoo: Zoo, queue: SQLiteQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(seconds: float) -> None:  # what another process does meanwhile
        clock.advance(seconds)
        queue.pause("site", clock() + 600 * SECOND, "another process was refused")

    monkeypatch.setattr(FakeClock, "sleep", lambda _self, seconds: sleep(seconds))
    done = scrape("for n in range(31):\n    context.budget('site').acquire()\n    seen.append(n)\nreturn []")
    assert zoo.seen("demo_plugin") == list(range(30))
    assert (done.task.state, done.task.attempt) == (TaskStatus.SCHEDULED, 0)
    assert "another process was refused" in (done.task.reason or "")


def test_a_quota_defers_to_midnight_and_counts_nothing(scrape: Any, queue: SQLiteQueue, clock: FakeClock) -> None:
    quota = Quota("search", 100, "America/Los_Angeles")
    done = scrape(
        "budget = context.budget('api')\nday = {'limit': 100, 'zone': 'America/Los_Angeles'}\n"
        "assert budget.left('search', **day) == 100\nassert budget.reserve('search', 60, **day) == 40\n"
        "budget.exhaust('stats', **day)\nassert budget.left('stats', **day) == 0\n"
        "budget.reserve('search', 60, **day)\nreturn []"
    )
    assert (done.task.state, done.task.attempt) == (TaskStatus.SCHEDULED, 0)
    assert done.task.run_at == quota.next_reset(clock())
    assert "60 of the 100 units" in (done.task.reason or "")
    assert queue.quota_used("api", quota) == 60


@pytest.mark.parametrize("asked", ["99999999", "-5.0", "0", "float('inf')", "1e-9"])
def test_r10_a_cool_down_lasts_between_a_second_and_a_day_whatever_is_asked_for(
    scrape: Any, queue: SQLiteQueue, clock: FakeClock, asked: str
) -> None:
    start = clock()
    scrape(f"raise ThrottledError('slow down', source='site', retry_after={asked})")
    until = queue.source("site").cooling_until
    assert until is not None
    assert start + SECOND <= until <= clock() + 86_400 * SECOND


@pytest.mark.parametrize("cost", ["'x'", "None", "0", "-5"])
def test_a_budget_of_nonsense_is_a_bug_of_the_plugin(scrape: Any, cost: str) -> None:
    done = scrape(f"context.budget('site').acquire({cost})\nreturn []")
    assert failed(done).error_class is ErrorClass.BUG


def test_a_follow_up_is_validated_and_enqueued(zoo: Zoo, make_service: MakeService, queue: SQLiteQueue) -> None:
    zoo.worker("other")
    zoo.worker("demo", "context.enqueue('other', {'a': 1}, priority=9, key='k')\n" * 2 + "return []")
    service = make_service()
    service.scrape(service.check("demo", {}))
    (follow,) = queue.tasks(TaskFilter(types=["other"]))
    assert (follow.type, follow.params, follow.priority, follow.key) == ("other", {"a": 1}, 9, "k")


BAD_FOLLOW_UPS = {
    "an unknown type": ("context.enqueue('nobody', {})", "nobody"),
    "a bad priority": ("context.enqueue('demo', {}, priority=11)", "priority"),
    "an unknown option": ("context.enqueue('demo', {}, speed=3)", "speed"),
    "parameters that are no JSON": ("context.enqueue('demo', {'a': {1}})", "JSON"),
    "a reserved option": ("context.enqueue('demo', {}, params={})", "params"),
}


@pytest.mark.parametrize(("call", "message"), BAD_FOLLOW_UPS.values(), ids=BAD_FOLLOW_UPS)
def test_a_follow_up_that_does_not_fit_raises_and_enqueues_nothing(
    scrape: Any, zoo: Zoo, queue: SQLiteQueue, call: str, message: str
) -> None:
    scrape(f"try:\n    {call}\nexcept Exception as error:\n    seen.append(str(error))\nreturn []")
    (told,) = zoo.seen("demo_plugin")
    assert message in told
    assert sum(queue.counts().values()) == 1


def test_parameters_of_a_follow_up_raise_what_the_contract_says(scrape: Any, zoo: Zoo) -> None:
    scrape(
        "try:\n    context.enqueue('demo', {}, priority=11, key='')\nexcept ParametersError as error:\n"
        "    seen.append((error.task_type, len(error.problems)))\nreturn []"
    )
    assert zoo.seen("demo_plugin") == [("demo", 2)]


def test_q3_follow_ups_are_bounded(scrape: Any, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_FOLLOW_UPS", 3)
    done = scrape("for n in range(5):\n    context.enqueue('demo', {}, priority=1)\nreturn []", max_attempts=1)
    assert "at most 3 follow-up tasks" in failed(done).message
    assert sum(queue.counts().values()) == 1  # and a failed attempt leaves none behind


def test_q3_a_task_that_enqueues_itself_comes_to_an_end(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo", "context.enqueue('demo', {})\nreturn []")
    service = make_service(max_depth=3)
    service.enqueue("demo", {})
    assert service.run(until_empty=True) == 4
    last, *others = queue.tasks(TaskFilter())
    assert [task.depth for task in (last, *others)] == [3, 2, 1, 0]
    assert {task.state for task in others} == {TaskStatus.COMPLETED}
    assert last.error is not None
    assert (last.state, last.error.error_class) == (TaskStatus.DEAD, ErrorClass.INVALID)
    assert "3 tasks led to this one" in last.error.message
    assert "raise the setting max_depth" in last.error.message


def test_q3_follow_ups_of_a_checkpoint_are_as_deep_as_those_of_the_end(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    ask = "context.enqueue('later', {})\n"
    zoo.worker("demo", f"{ask}context.checkpoint.save(1)\n{ask}return []")
    zoo.worker("later")
    service = make_service()
    service.scrape(replace(service.check("demo", {}), depth=7))
    assert [task.depth for task in queue.tasks(TaskFilter(types=["later"]))] == [8, 8]


def test_q3_a_scrape_that_enqueues_without_an_end_is_bounded_in_memory(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MAX_BYTES", 10_000)
    body = """
    for n in range(200):
        try:
            context.enqueue("later", {"text": "x" * 1_000})
        except Exception as error:
            seen.append(str(error))
    return []
    """
    zoo.worker("demo", body)
    extra = "class P(BaseModel):\n    text: str\n@hookimpl\ndef get_parameters(): return P"
    zoo.worker("later", extra=extra, imported="from pydantic import BaseModel")
    service = make_service()
    service.scrape(service.check("demo", {}))
    assert queue.counts()[TaskStatus.QUEUED] == 9
    (told,) = set(zoo.seen("demo_plugin"))
    assert "call context.checkpoint.save(...) now and then: it stores both" in told


def test_a_scrape_may_ask_to_wait(scrape: Any, queue: SQLiteQueue, clock: FakeClock) -> None:
    when = to_datetime(clock() + 7200 * SECOND)
    done = scrape(
        f"n = 1\nyield {DEMO}\ncontext.defer(datetime.fromisoformat({when.isoformat()!r}), 'premiere')",
        imported="from datetime import datetime",
    )
    assert (done.task.state, done.task.attempt, done.task.reason) == (TaskStatus.SCHEDULED, 0, "premiere")
    assert done.task.run_at == clock() + 7200 * SECOND
    assert done.error is None
    assert ids(queue) == []


def test_a_wait_in_the_past_is_no_hot_loop(zoo: Zoo, make_service: MakeService, clock: FakeClock) -> None:
    zoo.worker(
        "demo",
        "seen.append(1)\nif len(seen) < 5:\n    context.defer(datetime(2000, 1, 1, tzinfo=UTC), 'x')\nreturn []",
        imported="from datetime import UTC, datetime",
    )
    service = make_service()
    service.enqueue("demo", {})
    start = clock()
    service.run(max_tasks=5)
    assert clock() - start >= 4 * SECOND


def test_a_wait_without_a_zone_is_a_bug(scrape: Any) -> None:
    done = scrape("context.defer(datetime(2030, 1, 1), 'x')\nreturn []", imported="from datetime import datetime")
    assert "aware datetime" in failed(done).message


# -- deadlines


@pytest.mark.parametrize(
    "body",
    [
        "for n in range(9):\n    context.sleep(3)\n    context.progress(n)\nreturn []",
        "for n in range(9):\n    context.sleep(3)\nreturn []",
        "for n in range(9):\n    context.sleep(3)\n    context.budget('site').acquire()\nreturn []",
        "while not context.cancelled:\n    context.sleep(3)\nreturn []",
        "async def f():\n    while True:\n        context.sleep(3)\n        yield {}\nreturn f()",
    ],
)
def test_a_late_attempt_is_a_resource_failure_and_counts(scrape: Any, zoo: Zoo, body: str) -> None:
    done = scrape(body.replace("yield {}", f"n = 1; yield {DEMO}"), timeout_seconds=10, max_attempts=2)
    assert (done.task.state, done.task.attempt) == (TaskStatus.DEAD, 2)
    assert failed(done).error_class is ErrorClass.RESOURCE
    assert "longer than 10 s" in failed(done).message


def test_a_scrape_that_ends_just_in_time_is_done(scrape: Any) -> None:
    assert scrape("context.sleep(9)\nreturn []", timeout_seconds=10).task.outcome is Outcome.EMPTY


def test_a_worker_that_stops_gives_the_task_back_unburned(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo", f"for n in range(9):\n    yield {DEMO}\n    context.progress(n)")
    zoo.worker("polite", f"n = 1\nif not context.cancelled:\n    n = 2\nyield {DEMO}")
    service = make_service()
    for task in ("demo", "polite"):
        service.enqueue(task, {})
        with service.worker_factory().create(stopping=lambda: True, types=[task]) as worker:
            assert worker.run_once()
    assert [(task.state, task.attempt) for task in queue.tasks(TaskFilter())] == [(TaskStatus.QUEUED, 0)] * 2
    assert list(queue.items(ItemFilter())) == []


# -- messages


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), float("inf"), b"x", datetime.now(UTC)])
def test_messages_are_json_and_nothing_else(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode({"kind": "x", "value": value})


def test_a_message_is_one_line_and_comes_back_as_it_was() -> None:
    message = {"kind": "x", "text": "a\nb\u2028ü\ud800", "n": [1, None, 2.5]}
    line = encode(message)
    assert "\n" not in line
    assert line.isascii()
    assert decode(line) == message


@pytest.mark.parametrize("line", ["[]", "5", '"x"', "null"])
def test_a_message_is_an_object(line: str) -> None:
    with pytest.raises(TypeError, match="JSON object"):
        decode(line)


def test_everything_crosses_as_json(zoo: Zoo, make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    from ytworker.engine.runner import TaskRunner

    lines: list[str] = []
    run = TaskRunner.run

    def spy(self: TaskRunner, line: str, exchange: Any) -> None:
        def both(said: str) -> str:
            answer: str = exchange(said)
            lines.extend([said, answer])
            return answer

        lines.append(line)
        run(self, line, both)

    monkeypatch.setattr(TaskRunner, "run", spy)
    zoo.worker(
        "demo", f"n = 1\ncontext.progress(1)\ncontext.budget('s').acquire()\nyield {DEMO}\ncontext.checkpoint.save(1)"
    )
    service: Service = make_service()
    service.scrape(service.check("demo", {}))
    kinds = [json.loads(line).get("kind") for line in lines]
    assert [kind for kind in kinds if kind] == ["task", "poll", "acquire", "items", "checkpoint", "done"]


def test_an_item_with_half_a_character_is_stored(scrape: Any, queue: SQLiteQueue) -> None:
    done = scrape("yield {'source': 't', 'kind': 'video', 'id': '1', 'title': 'cut \\ud83d'}")
    if done.task.state is TaskStatus.COMPLETED:
        (item,) = queue.items(ItemFilter())
        assert item["title"].startswith("cut ")
    else:
        assert "title" in failed(done).message
    json.dumps(list(queue.items(ItemFilter())))


def test_a_deferral_in_a_group_of_async_tasks_is_a_deferral(scrape: Any) -> None:
    body = (
        "import asyncio\n"
        "from datetime import UTC, datetime, timedelta\n"
        "async def waits():\n    context.defer(datetime.now(UTC) + timedelta(days=9), 'not yet')\n"
        "async def both():\n"
        "    async with asyncio.TaskGroup() as group:\n        group.create_task(waits())\n    return []\n"
        "return both()"
    )
    task = scrape(body).task
    assert (task.state, task.attempt, task.reason) == (TaskStatus.SCHEDULED, 0, "not yet")
