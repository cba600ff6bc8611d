"""What a scrape expects, and what becomes of answers that are hollow or mixed up."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin_helpers import MakeService, Program, Zoo
from ytworker import Author, ErrorClass, Item, Metrics, Outcome, SuspectError, TaskStatus
from ytworker.expectations import Expectation, Expectations
from ytworker.queue import ItemFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.service import Scraped
from ytworker.testing import make_context

pytest_plugins = ["plugin_fixtures"]


def item(number: object = 1, **fields: Any) -> Item:
    return Item(source="test", id=str(number), **fields)


FULL = item(
    title="t",
    tags=(),
    author=Author(id="UC1"),
    metrics=Metrics(views=0),
    availability="public",
    extra={"deep": {"a": 1}, "no": None},
)


@pytest.mark.parametrize("name", ["title", "tags", "author.id", "metrics.views", "extra.deep", "extra.deep.a"])
def test_a_field_with_a_value_is_there(name: str) -> None:
    assert list(Expectation(required=(name,)).misses(FULL)) == []


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (item(), "title"),
        (item(title=" \n"), "title"),
        (item(), "tags"),
        (item(), "metrics.likes"),
        (item(), "author.name"),
        (FULL, "extra.no"),
        (FULL, "extra.deep.a.b"),
        (FULL, "extra.else"),
    ],
)
def test_r7_a_field_without_a_value_is_missed(found: Item, name: str) -> None:
    assert list(Expectation(required=(name,)).misses(found)) == [f"no {name}"]


def test_r8_another_identity_is_missed() -> None:
    expected = Expectation(identity={"author.id": "UC2", "source": "test"})
    assert list(expected.misses(FULL)) == ["another author.id than was asked for"]
    assert list(Expectation(identity=lambda each: each.id == "2").misses(FULL)) == ["not what was asked for"]
    assert list(Expectation(identity=lambda each: each.id == "1").misses(FULL)) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"required": ["metrics.view"]}, "items have no field 'metrics.view'; did you mean 'views'?"),
        ({"required": "titel"}, "items have no field 'titel'; did you mean 'title'?"),
        ({"required": ["title.x"]}, "items have no field 'title.x'"),
        ({"identity": {"autor.id": "x"}}, "did you mean 'author'?"),
        ({"minimum": -1}, "minimum is a number of items, not -1"),
        ({"tolerance": 20}, "tolerance is a share between 0 and 1, not 20"),
    ],
)
def test_an_expectation_that_nothing_can_meet_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=r"context\.expect\(\)") as caught:
        make_context().expect(**arguments)
    assert complaint in str(caught.value)


def judged(seen: list[Item], *, stored: int | None = 0, ended: bool = True, **expected: Any) -> str | None:
    expectations = Expectations(stored)
    expectations.add(Expectation(**expected))
    for each in seen:
        expectations.look_at(each)
    try:
        expectations.judge(ended=ended)
    except SuspectError as error:
        return str(error)
    return None


GOOD, HOLLOW = item(title="t"), item()


@pytest.mark.parametrize(
    ("good", "hollow", "suspect"),
    [(0, 0, False), (5, 0, False), (0, 1, True), (1, 1, False), (199, 1, False), (8, 2, False), (7, 3, True)],
)
def test_one_item_among_several_and_a_small_share_are_no_drift(good: int, hollow: int, suspect: bool) -> None:
    verdict = judged([GOOD] * good + [HOLLOW] * hollow, required=("title",))
    assert (verdict is not None) is suspect


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0, 1))
def test_the_share_decides(good: int, hollow: int, tolerance: float) -> None:
    whole = good + hollow
    suspect = hollow > 0 and (good == 0 or hollow > max(1, tolerance * whole))
    verdict = judged([GOOD] * good + [HOLLOW] * hollow, required=("title",), tolerance=tolerance)
    assert (verdict is not None) is suspect


def test_the_verdict_names_the_field_and_the_share() -> None:
    verdict = judged([HOLLOW] * 3 + [GOOD], required=("title",))
    assert verdict is not None
    assert "no title in 3 of 4 items (75%)" in verdict


def test_a_minimum_is_of_the_whole_task() -> None:
    assert "1 items where at least 2 were expected" in (judged([GOOD], minimum=2) or "")
    assert judged([GOOD], minimum=2, ended=False) is None
    assert judged([GOOD], minimum=2, stored=1) is None
    assert "1 items where at least 2 were expected" in (judged([], minimum=2, stored=1) or "")
    assert judged([], minimum=2, stored=None) is None
    assert judged([GOOD, GOOD], minimum=2) is None


def test_an_expectation_may_be_about_some_items_only() -> None:
    assert judged([HOLLOW] * 3, required=("title",), where=lambda each: each.availability == "public") is None


# -- through the engine

EXPECT = "context.expect(required=['title'], identity={'author.id': 'UC1'})\n"
GOODS = (
    "for n in range({0}):\n"
    "    yield {{'source': 's', 'kind': 'video', 'id': str(n), 'title': 't', 'author': {{'id': 'UC1'}}}}\n"
)
BAD = "yield {'source': 's', 'kind': 'video', 'id': '0', 'title': None, 'author': {'id': 'UC1'}}\n"
MIXED_UP = "yield {'source': 's', 'kind': 'video', 'id': '0', 'title': 'other', 'author': {'id': 'UC2'}}\n"


@pytest.fixture
def scrape(zoo: Zoo, make_service: MakeService) -> Any:
    """Do one task after another of plugins with these bodies, and give the last."""

    def run(*bodies: str, **options: Any) -> Scraped:
        for number, body in enumerate(bodies):
            zoo.worker(f"demo{number}", body)
        service = make_service()
        done = [service.scrape(service.check(f"demo{number}", {}, **options)) for number in range(len(bodies))]
        return done[-1]

    return run


def titles(queue: SQLiteQueue, **which: Any) -> list[str | None]:
    return [each["title"] for each in queue.items(ItemFilter(**which))]


@pytest.mark.parametrize(("odd", "why"), [(BAD, "no title"), (MIXED_UP, "another author.id than was asked for")])
def test_r7_r8_one_odd_item_neither_poisons_the_good_ones_nor_overwrites_one(
    scrape: Any, queue: SQLiteQueue, odd: str, why: str
) -> None:
    done = scrape(EXPECT + GOODS.format(1), EXPECT + odd + GOODS.format(200).replace("range(200)", "range(1, 200)"))
    assert (done.task.state, done.task.outcome, done.error) == (TaskStatus.COMPLETED, Outcome.OK, None)
    assert titles(queue) == ["t"] * 200
    (apart,) = queue.items(ItemFilter(suspect=True, task_id=done.task.id))
    assert (apart["id"], apart["reason"]) == ("0", why)


@pytest.mark.parametrize("odd", [BAD, MIXED_UP])
def test_r7_r8_an_answer_that_is_odd_as_a_whole_is_tried_once_more_and_then_dead(
    scrape: Any, queue: SQLiteQueue, odd: str
) -> None:
    done = scrape(EXPECT + GOODS.format(1), EXPECT + odd)
    assert (done.task.state, done.task.attempt, done.error.error_class) == (TaskStatus.DEAD, 2, ErrorClass.SUSPECT)
    assert titles(queue) == ["t"]
    assert len(titles(queue, suspect=True, task_id=done.task.id)) == 2
    assert [each.error.fingerprint for each in queue.attempts(done.task.id)] == [done.error.fingerprint] * 2


def test_p3_items_of_another_source_than_expected_touch_nobody_elses(scrape: Any, queue: SQLiteQueue) -> None:
    foreign = MIXED_UP.replace("'source': 's'", "'source': 'other'").replace("UC2", "UC1")
    own = "context.expect(identity={'source': 's'})\n" + GOODS.format(9).replace("range(9)", "range(1, 9)")
    done = scrape(foreign, own + foreign.replace("'title': 'other'", "'title': 'overwritten'"))
    assert done.task.state is TaskStatus.COMPLETED
    assert titles(queue, source="other") == ["other"]
    assert titles(queue, suspect=True, task_id=done.task.id) == ["overwritten"]


def test_drift_takes_the_good_items_with_it(scrape: Any, queue: SQLiteQueue) -> None:
    done = scrape(EXPECT + GOODS.format(2) + BAD * 2, max_attempts=1)
    assert done.task.state is TaskStatus.DEAD
    assert "no title in 2 of 4 items (50%)" in done.error.message
    assert titles(queue) == []
    assert sorted(map(str, titles(queue, suspect=True))) == ["None", "None", "t", "t"]


def test_too_few_items_are_suspect_and_none_are_legal_where_nothing_was_said(scrape: Any) -> None:
    few = scrape("context.expect(minimum=3)\n" + GOODS.format(2), max_attempts=1)
    assert "2 items where at least 3 were expected" in few.error.message


def test_a_checkpoint_without_items_does_not_make_too_few_legal(scrape: Any) -> None:
    body = "if context.task.attempt == 1:\n    context.checkpoint.save(1)\n    raise RetryableError('x')\n"
    done = scrape(f"context.expect(minimum=3)\n{body}{GOODS.format(2)}", max_attempts=2)
    assert done.task.state is TaskStatus.DEAD
    assert "2 items where at least 3 were expected" in done.error.message


def test_what_earlier_attempts_stored_counts(scrape: Any, queue: SQLiteQueue) -> None:
    first = f"if context.task.attempt == 1:\n    for n in (7, 8):\n        {GOODS.format(1).splitlines()[1].strip()}\n"
    fail = "    context.checkpoint.save(1)\n    raise RetryableError('x')\n"
    done = scrape(f"context.expect(minimum=3)\n{first}{fail}{GOODS.format(1)}", max_attempts=2)
    assert done.task.state is TaskStatus.COMPLETED
    assert titles(queue) == ["t"] * 3


def test_no_items_are_legal_where_nothing_was_said_of_their_number(scrape: Any) -> None:
    assert scrape("context.expect(required=['title'])\nreturn []").task.outcome is Outcome.EMPTY


def test_a_checkpoint_stores_nothing_of_an_odd_answer(scrape: Any, queue: SQLiteQueue) -> None:
    done = scrape(EXPECT + BAD + "context.checkpoint.save(1)\n" + GOODS.format(5), max_attempts=1)
    assert done.task.state is TaskStatus.DEAD
    assert titles(queue) == []


def test_a_checkpoint_keeps_single_odd_items_apart(scrape: Any, queue: SQLiteQueue) -> None:
    done = scrape(EXPECT + GOODS.format(5) + BAD + "context.checkpoint.save(1)\nraise GoneError('x')")
    assert done.task.state is TaskStatus.DEAD
    assert titles(queue, task_id=done.task.id) == ["t"] * 5
    assert titles(queue, suspect=True) == [None]


def test_what_another_failure_leaves_behind_is_dropped(scrape: Any, queue: SQLiteQueue) -> None:
    scrape(EXPECT + GOODS.format(5) + BAD + "raise GoneError('x')")
    assert titles(queue) == titles(queue, suspect=True) == []


def test_what_a_suspect_failure_found_is_kept_apart(scrape: Any, queue: SQLiteQueue) -> None:
    scrape(GOODS.format(2) + "raise SuspectError('page 2 is of another channel')", max_attempts=1)
    assert titles(queue) == []
    assert [each["reason"] for each in queue.items(ItemFilter(suspect=True))] == ["page 2 is of another channel"] * 2


# -- on the command line


def test_what_is_kept_apart_can_be_listed(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", EXPECT + GOODS.format(3) + BAD)
    assert program("enqueue", "demo").code == 0
    assert program("run", "--until-empty").code == 0
    assert len(json.loads(program("items", "list", "--json").out)) == 3
    (apart,) = json.loads(program("items", "list", "--suspect", "--json").out)
    assert (apart["id"], apart["reason"], apart["task"]) == ("0", "no title", "1")
    task = json.loads(program("tasks", "show", "1", "--json").out)
    assert (task["items"], task["kept_apart"]) == (3, 1)
    table = program("items", "list", "--suspect", "--task", "1").out
    assert "no title" in table
    assert "WHY" in table
    assert "nothing is kept apart" in program("items", "list", "--suspect", "--type", "other").err


def test_a_scrape_that_is_odd_says_why_and_where_to_look(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", EXPECT + BAD)
    done = program("scrape", "demo", "--max-attempts", "1")
    assert done.code == 1
    assert "[suspect] the answer is not what was expected: no title in 1 of 1 items (100%)" in done.err
    assert "ytworker items list --suspect" in done.err


def test_a_scrape_says_that_some_items_are_kept_apart(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", EXPECT + GOODS.format(3) + BAD)
    done = program("scrape", "demo")
    assert done.code == 0
    assert "1 item is kept apart; `ytworker items list --suspect --task 1` shows why" in done.err
