from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ytworker.model import Author, Item, ItemContext, MetricPrecision, Metrics
from ytworker.queue.merging import VERSIONED, as_record, content_hash, merge

Record = dict[str, Any]

TEXTS = st.none() | st.text(max_size=5)
COUNTS = st.none() | st.integers(0, 2**63 - 1)
PRECISIONS = st.sampled_from([None, "exact", "rounded"])
RECORDS = st.builds(
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
        precision=st.builds(MetricPrecision, views=PRECISIONS, likes=PRECISIONS, comments=PRECISIONS),
    ),
    extra=st.dictionaries(st.sampled_from("xyz"), st.none() | st.integers() | st.booleans(), max_size=3),
).map(as_record)


def record(**fields: Any) -> Record:
    return as_record(Item(source="youtube", id="a", **fields))


@given(RECORDS)
def test_merging_a_record_with_itself_changes_nothing(one: Record) -> None:
    assert merge(one, one) == one


@given(RECORDS, RECORDS)
def test_a_merged_record_is_a_record(old: Record, new: Record) -> None:
    assert as_record(Item.model_validate(merge(old, new))) == merge(old, new)


@given(RECORDS, RECORDS, RECORDS)
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
        origin = (old if new["metrics"][name] is None else new)["metrics"]
        assert merged[name] == origin[name]
        assert merged["precision"][name] == origin["precision"][name]


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
    assert (merged["metrics"]["views"], merged["metrics"]["likes"]) == (1200, 5)
    assert merged["metrics"]["precision"] == {"views": "rounded", "likes": None, "comments": None}


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
