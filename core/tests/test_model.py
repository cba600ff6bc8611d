import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ytworker.model import (
    SECOND,
    Author,
    ErrorClass,
    ErrorInfo,
    Item,
    ItemContext,
    Metrics,
    Outcome,
    SourceState,
    Task,
    TaskResult,
    TaskStatus,
    rfc3339,
    to_datetime,
    to_microseconds,
)

ALL_MOMENTS = st.integers(
    to_microseconds(datetime.min.replace(tzinfo=UTC)), to_microseconds(datetime.max.replace(tzinfo=UTC))
)


def task(**changes: Any) -> Task:
    values = {
        "id": 7,
        "type": "demo",
        "state": TaskStatus.QUEUED,
        "params": {"q": "x"},
        "priority": 5,
        "attempt": 0,
        "max_attempts": 5,
        "timeout_seconds": 900.0,
        "created_at": 1_780_000_000 * SECOND,
    }
    return Task(**{**values, **changes})


@given(ALL_MOMENTS)
def test_microseconds_survive_the_way_through_a_datetime(moment: int) -> None:
    assert to_microseconds(to_datetime(moment)) == moment
    assert to_datetime(moment).tzinfo is UTC


@given(st.datetimes(timezones=st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))))
def test_an_aware_datetime_survives_the_way_through_microseconds(moment: datetime) -> None:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return
    assert to_datetime(to_microseconds(moment)) == moment


@given(ALL_MOMENTS)
def test_rfc3339_is_exact_and_always_of_the_same_length(moment: int) -> None:
    text = rfc3339(moment)
    assert len(text) == len("2026-11-23T22:36:26.000001Z")
    assert text.endswith("Z")
    assert to_microseconds(datetime.fromisoformat(text)) == moment


def test_rfc3339_of_nothing_is_nothing() -> None:
    assert rfc3339(None) is None
    assert rfc3339(1) == "1970-01-01T00:00:00.000001Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999999Z"


def test_a_task_in_json_has_a_string_id_and_rfc3339_times() -> None:
    shape = task(id=2**60, run_at=1_780_000_060 * SECOND, state=TaskStatus.SCHEDULED, key="k", reason="later").to_json()
    assert shape == {
        "id": str(2**60),
        "type": "demo",
        "state": "scheduled",
        "priority": 5,
        "attempt": 0,
        "max_attempts": 5,
        "timeout_seconds": 900.0,
        "created_at": "2026-05-28T20:26:40.000000Z",
        "run_at": "2026-05-28T20:27:40.000000Z",
        "started_at": None,
        "finished_at": None,
        "key": "k",
        "params": {"q": "x"},
        "outcome": None,
        "error_class": None,
        "error": None,
        "fingerprint": None,
        "reason": "later",
    }


def test_a_task_in_json_tells_its_outcome_and_its_latest_failure() -> None:
    error = ErrorInfo(error_class=ErrorClass.GONE, type="x.Y", message="it is gone", fingerprint="abc")
    shape = task(outcome=Outcome.EMPTY, error=error).to_json()
    assert (shape["outcome"], shape["error_class"], shape["error"], shape["fingerprint"]) == (
        "empty",
        "gone",
        "it is gone",
        "abc",
    )


def test_records_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        task().id = 8
    with pytest.raises(ValidationError):
        Item(source="youtube", id="a").title = "other"


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (TaskResult(success=True), Outcome.EMPTY),
        (TaskResult(success=True, earlier=1), Outcome.OK),
        (TaskResult(success=True, data=(Item(source="youtube", id="a"),)), Outcome.OK),
        (TaskResult(success=True, data=(Item(source="youtube", id="a"),), suspect="hollow"), Outcome.SUSPECT),
        (TaskResult(success=True, suspect="hollow"), Outcome.SUSPECT),
    ],
)
def test_the_outcome_follows_from_the_items(result: TaskResult, outcome: Outcome) -> None:
    assert result.outcome is outcome


def test_the_digest_of_settings_stays_out_of_a_source_states_repr() -> None:
    assert "canary" not in repr(SourceState(name="s", paused_by="canary"))


def test_an_item_needs_little_and_knows_unknown_from_none() -> None:
    item = Item(source="youtube", id="a")
    assert (item.kind, item.tags, item.metrics.views, item.is_short) == ("video", None, None, None)
    assert Item(source="youtube", id="a", tags=[]).tags == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""},
        {"source": ""},
        {"kind": ""},
        {"id": "x" * 501},
        {"titel": "misspelt"},
        {"duration_seconds": -1},
        {"duration_seconds": float("nan")},
        {"duration_seconds": float("inf")},
        {"published_at": "2026-01-01T00:00:00"},
        {"metrics": {"views": -1}},
        {"metrics": {"views": 2**63}},
        {"metrics": {"precision": {"views": "roughly"}}},
        {"author": {"nick": "x"}},
        {"extra": {"deep": [{"x": float("nan")}]}},
        {"extra": {"x": float("inf")}},
        {"extra": {"x": object()}},
    ],
)
def test_an_item_that_does_not_fit_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Item.model_validate({"source": "youtube", "id": "a", **fields})


def test_a_full_item_survives_the_way_through_json() -> None:
    item = Item(
        source="youtube",
        id="dQw4w9WgXcQ",
        title="Grüße 👋",
        tags=("a", "b"),
        author=Author(id="UC1", followers=2**63 - 1),
        published_at=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
        duration_seconds=0.5,
        metrics=Metrics(views=0, precision={"views": "rounded"}),
        context=ItemContext(query="q", rank=3),
        extra={"chapters": [{"at": 1, "title": None}]},
    )
    assert Item.model_validate_json(item.model_dump_json()) == item
    assert Item.model_validate(item.model_dump(mode="json")) == item
