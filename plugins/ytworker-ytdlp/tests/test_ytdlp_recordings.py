"""Genuine answers of YouTube, replayed, where the recordings are: what each kind of scenario becomes, and its requests.

Nothing here names a channel or a video: each test takes all scenarios of its kinds.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from ytworker import (
    BlockedError,
    ConfigError,
    GoneError,
    Item,
    RestrictedError,
    TaskError,
    ThrottledError,
)
from ytworker_ytdlp import (
    Listing,
    NoSuchTabError,
    Session,
    listed_item,
    open_playlist,
    open_shelf,
    open_tab,
    parse_channel,
    parse_feed,
    read_video,
    read_video_or_stub,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Scenario = dict[str, Any]
SHELVES = ("playlists", "releases", "podcasts")
REFUSALS: dict[str, type[TaskError]] = {
    "private": GoneError,
    "unavailable": GoneError,
    "removed": GoneError,
    "terminated": GoneError,
    "no longer available": GoneError,
    "in your country": RestrictedError,
    "members": RestrictedError,
    "your age": RestrictedError,
    "not a bot": BlockedError,
}
"""What YouTube says, and what it means; the first that is found decides, the last ones first."""


@pytest.fixture
def session(replay: Any, session_with: Callable[..., Session]) -> Session:
    return session_with(proxy=replay.proxy_url, ca_file=replay.ca_file)


@pytest.fixture(scope="session")
def scenarios(recordings: Path) -> list[Scenario]:
    found: list[Scenario] = json.loads((recordings / "index.json").read_text())["scenarios"]
    return found


def listings(scenarios: list[Scenario], *kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the addresses that list something, with what is expected of each."""
    for scenario in scenarios:
        if scenario["kind"] in kinds:
            yield from scenario.get("expect", {}).get("listing", {}).items()


def open_url(session: Session, url: str) -> Listing:
    """Open the address of a tab or playlist."""
    if "list=" in url:
        return open_playlist(session, url.partition("list=")[2].partition("&")[0])
    base, _, tab = url.rpartition("/")
    channel = parse_channel(base)
    return open_shelf(session, channel, tab) if tab in SHELVES else open_tab(session, channel, tab)  # type: ignore[arg-type]


@pytest.mark.parametrize("kinds", [("channel",), ("channel_shorts",), ("channel_streams",), ("channel_playlists",)])
def test_every_tab_is_read_to_its_last_id(
    replay: Any, session: Session, scenarios: list[Scenario], kinds: tuple[str, ...]
) -> None:
    for url, expected in listings(scenarios, *kinds):
        check_list(replay, session, url, expected)


def test_every_playlist_is_read_to_its_last_id(replay: Any, session: Session, scenarios: list[Scenario]) -> None:
    for url, expected in listings(scenarios, "playlist", "playlist_mix", "mix"):
        check_list(replay, session, url, expected)


def check_list(replay: Any, session: Session, url: str, expected: dict[str, Any]) -> None:
    before = len(replay.log)
    listing = open_url(session, url)
    entries = [entry for _, entry in zip(range(expected["entries"] or 1), listing.entries, strict=False)]
    ids = [entry["id"] for entry in entries]
    assert hashlib.sha1(" ".join(ids).encode(), usedforsecurity=False).hexdigest() == expected["sha1"], url
    assert len(replay.log) - before <= expected["requests"], url
    assert listing.hollow == (not ids)
    if listing.name not in SHELVES:
        for rank, entry in enumerate(entries, 1):
            check_listed(listed_item(entry, listing, rank))


def check_listed(item: Item) -> None:
    assert item.title
    assert not item.title.startswith("youtube video #")
    assert (item.metrics.views is None) == (item.metrics.precision.views is None)
    assert (item.metrics.likes, item.metrics.comments, item.tags, item.published_at) == (None, None, None, None)
    assert item.is_short is not True or item.context.list in {"shorts", "playlist"}


def test_every_channel_fact_is_known(session: Session, scenarios: list[Scenario]) -> None:
    for scenario in scenarios:
        name, urls = scenario.get("expect", {}).get("channel"), scenario.get("expect", {}).get("listing", {})
        for url in urls if name and scenario["kind"].startswith("channel") else ():
            facts = open_url(session, url).channel
            assert (facts.name, facts.id) == (name, scenario["expect"]["channel_id"])


def test_every_channel_error_is_gone(session: Session, scenarios: list[Scenario]) -> None:
    for scenario in scenarios:
        for url in scenario["urls"] if scenario["kind"] == "channel_error" else ():
            with pytest.raises((GoneError, NoSuchTabError), match="browser"):
                open_url(session, url)


def test_every_playlist_error_is_gone(session: Session, scenarios: list[Scenario]) -> None:
    for scenario in scenarios:
        for url in scenario["urls"] if scenario["kind"] == "playlist_error" else ():
            with pytest.raises(GoneError):
                open_url(session, url)


def test_what_lists_nothing_is_hollow_and_no_empty_channel(session: Session, scenarios: list[Scenario]) -> None:
    for scenario in scenarios:
        said = " ".join(scenario.get("expect", {}).get("yt_dlp_says", ()))
        if scenario["kind"] == "channel" and "entries=0" in said:
            assert open_url(session, scenario["urls"][0]).hollow


def test_every_video_is_read_in_full_within_two_requests(
    replay: Any, session: Session, scenarios: list[Scenario]
) -> None:
    for scenario in (scenario for scenario in scenarios if scenario["kind"] == "video"):
        expected, told = scenario["expect"]["video"], scenario["expect"]["yt_dlp"]
        before = len(replay.log)
        item = read_video(session, expected["id"])
        assert len(replay.log) - before <= 2
        assert (item.title, item.author.id) == (expected["title"], expected["channel_id"])
        assert item.duration_seconds == expected["duration"]
        assert (item.metrics.views, item.metrics.likes) == (expected["view_count"], expected["like_count"])
        assert (item.metrics.precision.views, item.metrics.precision.likes) == (
            "exact",
            None if expected["like_count"] is None else "exact",
        )
        assert item.metrics.comments == told["comment_count"]
        assert len(item.tags or ()) == expected["tags"]
        assert item.published_at is not None
        assert item.published_at.timestamp() == told["timestamp"]
        assert (item.availability, item.live_status) == (told["availability"], told["live_status"])
        assert (item.author.name, item.author.followers) == (told["channel"], told["channel_follower_count"])
        assert item.extra["channel_handle"] == told["uploader_id"]
        assert len(item.extra.get("chapters", ())) == told["chapters"]  # type: ignore[arg-type]
        assert item.extra["categories"] == [expected["category"]]


def test_every_refusal_of_a_video_ends_in_its_class(session: Session, scenarios: list[Scenario]) -> None:
    for scenario in (scenario for scenario in scenarios if scenario["kind"] == "video_error"):
        said = " ".join(scenario["expect"]["yt_dlp_says"]).replace("\u2019", "'")
        error = next((error for text, error in reversed(REFUSALS.items()) if text in said), None)
        if error is None:
            continue
        video_id = scenario["urls"][0][-11:]
        with pytest.raises(error):
            read_video(session, video_id)
        if error is not BlockedError:
            stub = read_video_or_stub(session, video_id)
            assert (stub.title, bool(stub.extra["unavailable"])) == (None, True)
            assert stub.availability in {"gone", "private", "restricted", "members_only"}


def test_the_page_of_a_429_cools_the_source(session: Session, scenarios: list[Scenario]) -> None:
    for scenario in (scenario for scenario in scenarios if scenario["kind"] == "page_error"):
        with pytest.raises(ThrottledError):
            read_video(session, scenario["urls"][0][-11:])


def test_every_feed_has_exact_times_and_views(session: Session, scenarios: list[Scenario]) -> None:
    for scenario in (scenario for scenario in scenarios if scenario["kind"] == "feed"):
        with session.step("feed"):
            _, body = session.fetch(scenario["urls"][0])
        feed = parse_feed(body)
        assert 0 < len(feed.items) <= 15
        for item in feed.items:
            assert item.title
            assert (item.author.id, item.metrics.precision.views) == (feed.channel.id, "exact")
        times = [item.published_at for item in feed.items if item.published_at]
        assert len(times) == len(feed.items)
        assert times == sorted(times, reverse=True)


def test_the_replays_certificate_needs_its_authority(replay: Any, session_with: Callable[..., Session]) -> None:
    with pytest.raises(ConfigError):
        open_tab(session_with(proxy=replay.proxy_url), parse_channel("@Gronkh"), "videos")
