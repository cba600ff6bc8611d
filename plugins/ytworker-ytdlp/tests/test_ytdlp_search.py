"""Searches, page by page, behind the fake YouTube."""

from __future__ import annotations

import base64
from typing import Any, get_args

import pytest

from ytworker import RetryableError, SuspectError
from ytworker_ytdlp import SearchFilters, Session, search_pages
from ytworker_ytdlp.search import MAX_IDLE_PAGES
from ytworker_ytdlp.search_filters import Length, Order, Uploaded
from ytworker_ytdlp.testing import FakeYouTube
from ytworker_ytdlp.testing._search import read_sp


@pytest.fixture
def found(youtube: FakeYouTube) -> list[str]:
    try:
        youtube.channel("@Searched")
    except KeyError:
        youtube.add_channel("@Searched", videos=50)
    return [video.id for video in youtube.search("searched")]


def _pages(session: Session, query: str = "searched", **filters: Any) -> list[list[str]]:
    return [[entry["id"] for entry in page.entries] for page in search_pages(session, query, SearchFilters(**filters))]


@pytest.mark.parametrize(
    ("kind", "sp"),
    [("videos", "EgIQAfABAQ=="), ("channels", "EgIQAvABAQ=="), ("playlists", "EgIQA_ABAQ=="), ("any", "8AEB")],
)
def test_the_recorded_values_of_the_parameter(kind: Any, sp: str) -> None:
    assert SearchFilters(kind=kind).sp == sp


@pytest.mark.parametrize(
    ("filters", "link"),
    [
        ({"length": "short"}, "EgQQARgE"),
        ({"length": "medium"}, "EgQQARgF"),
        ({"length": "long"}, "EgQQARgC"),
        ({"uploaded": "day"}, "EgQIAhAB"),
        ({"uploaded": "week"}, "EgQIAxAB"),
        ({"uploaded": "month"}, "EgQIBBAB"),
        ({"uploaded": "year"}, "EgQIBRAB"),
        ({"order": "popularity"}, "CAMSAhAB"),
    ],
)
def test_the_links_of_the_filter_dialog(filters: dict[str, Any], link: str) -> None:
    """What the dialog of January 2026 links to, and field 30 after it."""
    assert base64.urlsafe_b64decode(SearchFilters(**filters).sp) == base64.b64decode(link) + b"\xf0\x01\x01"


def test_every_combination_can_be_read_back() -> None:
    seen = set()
    for uploaded in get_args(Uploaded):
        for length in get_args(Length):
            for order in get_args(Order):
                seen.add(read_sp(SearchFilters(uploaded=uploaded, length=length, order=order).sp))
    assert len(seen) == 6 * 4 * 2


def test_pages_come_when_they_are_wanted(session: Session, youtube: FakeYouTube, found: list[str]) -> None:
    pages = search_pages(session, "searched")
    assert youtube.requests == []
    first = next(pages)
    assert (first.number, [entry["id"] for entry in first.entries]) == (1, found[:20])
    assert len(youtube.requests) == 1
    assert [[entry["id"] for entry in page.entries] for page in pages] == [found[20:40], found[40:]]
    assert len(youtube.requests) == 3


def test_channels_and_everything(session: Session, youtube: FakeYouTube, found: list[str]) -> None:
    channel = youtube.channel("@Searched").id
    assert _pages(session, kind="channels") == [[channel]]
    assert _pages(session, kind="any")[0] == [channel, *found[:20]]
    assert _pages(session)[0] == found[:20]


def test_nothing_found(session: Session, found: list[str]) -> None:
    assert _pages(session, "no such thing") == [[]]
    assert found


def test_a_corrected_query(session: Session, youtube: FakeYouTube, found: list[str]) -> None:
    youtube.search_behaves("serched", corrected="searched")
    assert [page.corrected for page in search_pages(session, "serched")] == ["searched"] * 3
    assert found


def test_u12_a_token_that_comes_again_ends_the_search(session: Session, youtube: FakeYouTube, found: list[str]) -> None:
    youtube.search_behaves("searched", loop=True)
    pages = _pages(session)
    youtube.search_behaves("searched")
    assert [each for page in pages for each in page] == found[:40]
    assert len(pages) <= 4


def test_u12_pages_without_anything_new_end_the_search(
    session: Session, youtube: FakeYouTube, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = iter(range(10**6))

    def endless(subject: str, _: int) -> dict[str, Any]:
        command = {"continuationCommand": {"token": f"{subject} {next(tokens)}"}}
        return {"continuationItemRenderer": {"continuationEndpoint": command}}

    monkeypatch.setattr("ytworker_ytdlp.testing._search.continuation", endless)
    monkeypatch.setattr(
        "ytworker_ytdlp.testing._site.read_continuation", lambda _: (f"search {SearchFilters().sp} searched", 0)
    )
    pages = _pages(session)
    assert pages == [found[:20], *[[]] * MAX_IDLE_PAGES]
    assert len(youtube.requests) == 1 + MAX_IDLE_PAGES


@pytest.mark.parametrize("contents", [[], [5, {"itemSectionRenderer": {"contents": "?"}}], "?"])
def test_an_answer_without_any_content_is_suspect(session: Session, youtube: FakeYouTube, contents: Any) -> None:
    results = {"primaryContents": {"sectionListRenderer": {"contents": contents}}}
    youtube.respond("v1/search", {"contents": {"twoColumnSearchResultsRenderer": results}})
    with pytest.raises(SuspectError, match="none says that there is none"):
        _pages(session)


def test_an_incomplete_answer(session: Session, youtube: FakeYouTube) -> None:
    youtube.fault("incomplete", times=-1)
    with pytest.raises(RetryableError, match="Incomplete data received"):
        _pages(session)


def test_hits_of_an_unknown_shape(session: Session, youtube: FakeYouTube, found: list[str]) -> None:
    youtube.search_behaves("searched", layout=True)
    with pytest.raises(SuspectError, match="page 1 holds hits of a shape that is not known"):
        _pages(session)
    youtube.search_behaves("searched")
    assert found


def test_filters_narrow_and_order(session: Session, youtube: FakeYouTube, found: list[str]) -> None:
    (*_, last) = (each for page in _pages(session, order="popularity") for each in page)
    assert youtube.video(last).views == min(youtube.video(each).views for each in found)
    long = [each for page in _pages(session, length="long") for each in page]
    assert all((youtube.video(each).duration_seconds or 0) >= 1200 for each in long)
    youtube.search_behaves("searched", heedless=True)
    assert sum(map(len, _pages(session, length="long"))) == len(found) > len(long)
    youtube.search_behaves("searched")


@pytest.mark.parametrize("params", ["", "???", "gA==", "Eg=="])
def test_the_fake_takes_unreadable_filters_for_none(params: str) -> None:
    assert read_sp(params) == read_sp("")
