from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker.model import Author, Item, ItemContext, MetricPrecision, Metrics
from ytworker.queue.merging import VERSIONED, as_record, content_hash, merge

Record = dict[str, Any]

TEXTS = st.none() | st.text(max_size=5)
COUNTS = st.none() | st.integers(0, 2**63 - 1)
PRECISIONS = st.sampled_from([None, "exact", "rounded"])


def records(precisions: st.SearchStrategy[str | None]) -> st.SearchStrategy[Record]:
    return st.builds(
        Item,
        source=st.just("youtube"),
        id=st.just("a"),
        title=TEXTS,
        description=TEXTS,
        tags=st.none() | st.lists(st.text(max_size=3), max_size=3).map(tuple),
        duration_seconds=st.none() | st.floats(0, 1e6),
        is_short=st.none() | st.booleans(),
        author=st.builds(Author, id=TEXTS, name=TEXTS, followers=COUNTS),
        metrics=st.builds(
            Metrics,
            views=COUNTS,
            likes=COUNTS,
            comments=COUNTS,
            precision=st.builds(MetricPrecision, views=precisions, likes=precisions, comments=precisions),
        ),
        extra=st.dictionaries(st.sampled_from("xyz"), st.none() | st.integers() | st.booleans(), max_size=3),
    ).map(as_record)


RECORDS = records(PRECISIONS)
EXACT = records(st.just("exact"))


def record(**fields: Any) -> Record:
    return as_record(Item(source="youtube", id="a", **fields))


@given(RECORDS)
def test_merging_a_record_with_itself_changes_nothing(one: Record) -> None:
    assert merge(one, one) == one


@given(RECORDS, RECORDS)
def test_a_merged_record_is_a_record(old: Record, new: Record) -> None:
    assert as_record(Item.model_validate(merge(old, new))) == merge(old, new)


@given(EXACT, EXACT, EXACT)
def test_it_does_not_matter_which_pair_meets_first(one: Record, two: Record, three: Record) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(RECORDS, RECORDS)
def test_a_value_beats_nothing_and_newer_beats_older(old: Record, new: Record) -> None:
    merged = merge(old, new)
    for name in ("title", "description", "tags", "duration_seconds", "is_short"):
        assert merged[name] == (old[name] if new[name] is None else new[name])
    for part in ("author", "extra"):
        for name in {*old[part], *new[part]}:
            latest = new[part].get(name)
            assert merged[part][name] == (old[part].get(name) if latest is None else latest)


@given(RECORDS, RECORDS)
def test_each_count_keeps_its_own_precision(old: Record, new: Record) -> None:
    merged = merge(old, new)["metrics"]
    for name in ("views", "likes", "comments"):
        pairs = [(side["metrics"][name], side["metrics"]["precision"][name]) for side in (new, old)]
        assert (merged[name], merged["precision"][name]) in pairs
        if pairs[0][0] is None or pairs[1] != (pairs[1][0], "exact") or pairs[0][1] != "rounded":
            assert merged[name] == pairs[pairs[0][0] is None][0]


@given(RECORDS, RECORDS)
def test_merging_leaves_its_arguments_alone(old: Record, new: Record) -> None:
    before = (as_record(Item.model_validate(old)), as_record(Item.model_validate(new)))
    merge(old, new)
    assert (old, new) == before


def test_a_flat_listing_does_not_wipe_out_a_full_record() -> None:
    full = record(title="t", tags=("a",), metrics=Metrics(views=1234, likes=5, precision={"views": "exact"}))
    flat = record(title="t", metrics=Metrics(views=1200, precision={"views": "rounded"}))
    merged = merge(full, flat)
    assert merged["tags"] == ["a"]
    assert (merged["metrics"]["views"], merged["metrics"]["likes"]) == (1234, 5)
    assert merged["metrics"]["precision"] == {"views": "exact", "likes": None, "comments": None}


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ((1_234_567, "exact"), (1_200_000, "rounded"), True),
        ((1_299_999, "exact"), (1_200_000, "rounded"), True),
        ((1_150_001, "exact"), (1_200_000, "rounded"), True),  # rounded up
        ((1_300_000, "exact"), (1_200_000, "rounded"), False),  # it fell
        ((987_654, "exact"), (1_200_000, "rounded"), False),
        ((123_456, "exact"), (123_000, "rounded"), True),
        ((999, "exact"), (1_000, "rounded"), True),
        ((5, "exact"), (5, "rounded"), True),
        ((5, "exact"), (6, "rounded"), False),
        ((1_234_567, "exact"), (1_234_568, "exact"), False),
        ((1_200_000, "rounded"), (1_200_001, "exact"), False),
        ((1_234_567, "exact"), (1_200_000, None), False),
    ],
)
def test_an_exact_count_stays_until_something_contradicts_it(
    old: tuple[int, Any], new: tuple[int, Any], kept: bool
) -> None:
    seen = [record(metrics=Metrics(views=views, precision={"views": how})) for views, how in (old, new)]
    found = merge(*seen)["metrics"]
    assert (found["views"], found["precision"]["views"]) == (old if kept else new)


def test_a_hidden_count_does_not_take_an_exact_one_with_it() -> None:
    merged = merge(record(metrics=Metrics(likes=5, precision={"likes": "exact"})), record())
    assert (merged["metrics"]["likes"], merged["metrics"]["precision"]["likes"]) == (5, "exact")


def test_the_reason_goes_with_its_availability() -> None:
    closed = record(availability="restricted", extra={"unavailable": "confirm your age", "x": 1})
    assert merge(closed, record())["extra"] == {"unavailable": "confirm your age", "x": 1}
    assert merge(closed, record(availability="public"))["extra"] == {"x": 1}
    again = merge(closed, record(availability="private", extra={"unavailable": "private video"}))
    assert again["extra"] == {"unavailable": "private video", "x": 1}


def test_no_tags_is_a_value_and_hidden_is_not_zero() -> None:
    assert merge(record(tags=("a",)), record(tags=()))["tags"] == []
    assert merge(record(metrics=Metrics(likes=5)), record(metrics=Metrics(likes=0)))["metrics"]["likes"] == 0


def test_nothing_in_extra_does_not_beat_a_value() -> None:
    assert merge(record(extra={"x": 1, "y": 2}), record(extra={"x": None, "z": 3}))["extra"] == {"x": 1, "y": 2, "z": 3}


def test_the_context_is_no_part_of_the_record() -> None:
    assert "context" not in record(context=ItemContext(query="q"))


def test_the_content_hash_follows_the_versioned_texts_only() -> None:
    one = record(title="t")
    assert set(VERSIONED) <= set(one)
    assert content_hash(one) == content_hash(record(title="t", duration_seconds=3, extra={"x": 1}))
    for other in ({"title": "u"}, {"description": "d"}, {"tags": ()}):
        assert content_hash(record(**{"title": "t", **other})) != content_hash(one)
    assert content_hash(record(title="t", thumbnail_url="x")) == content_hash(one)  # it differs from list to list
    assert content_hash(record(title="a", description="b")) != content_hash(record(title="b", description="a"))


def test_the_content_hash_bears_half_a_surrogate_pair() -> None:
    assert content_hash(record(title="cut \ud83d")) != content_hash(record(title="cut "))
