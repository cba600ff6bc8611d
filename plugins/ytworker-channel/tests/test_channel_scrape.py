"""Whole scrapes, with the real yt-dlp behind the fake YouTube."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ytworker import GoneError, Item, PermanentError, RetryableError, SuspectError, TaskError, ThrottledError
from ytworker.context import Deferred
from ytworker.testing import FakePort, collect, make_context
from ytworker_channel import ChannelParameters, YouTubeChannelWorker, scraping
from ytworker_channel.lists import Found, open_list
from ytworker_ytdlp import Session, YtdlpSettings, identity, records
from ytworker_ytdlp.testing import DEFAULT_NOW, FakeChannel, FakeYouTube, rounded

Scrape = Callable[..., list[Item]]


@pytest.fixture
def nasa(youtube: FakeYouTube) -> FakeChannel:
    try:
        return youtube.channel("@NASA")
    except KeyError:
        return youtube.add_channel("@NASA", title="NASA", videos=240, shorts=60, streams=35)


def _ids(items: list[Item]) -> list[str]:
    return [item.id for item in items]


def test_the_ten_newest_of_everything_in_full(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, nasa: FakeChannel
) -> None:
    items = scrape(channel_url="https://www.youtube.com/@NASA")
    expected = nasa.uploads[:10]
    assert _ids(items) == [video.id for video in expected]
    for rank, (item, video) in enumerate(zip(items, expected, strict=True), 1):
        assert (item.title, item.description, item.tags) == (video.title, video.description, video.tags)
        assert (item.published_at, item.metrics.views, item.metrics.likes) == (
            video.published_at,
            video.views,
            video.likes,
        )
        assert item.metrics.precision.views == "exact"
        assert (item.author.id, item.author.name, item.author.followers) == (nasa.id, "NASA", nasa.follower_count)
        assert (item.context.list, item.context.rank) == ("uploads", rank)
    assert len(youtube.requests) == len(port.acquired) == 4 + 2 * 10
    assert port.progressed[-1] == (10, 10, expected[-1].title)
    assert port.checkpoints == []  # the tenth is the last: nothing is left to go on from


@pytest.mark.parametrize(
    ("params", "requests"),
    [
        ({"content": "videos", "top_n": 30}, 2),
        ({"content": "shorts", "top_n": 48}, 2),
        ({"content": "streams", "top_n": 30}, 2),
        ({"content": "videos", "top_n": 200}, 5),
        ({"content": "videos", "top_n": 45, "route": "tab"}, 3),
        ({"top_n": 200}, 5),
        ({"top_n": 10, "route": "feed"}, 3),
        ({"top_n": 10, "route": "feed", "content": "shorts"}, 3),
        ({"channel_url": "ID", "top_n": 200}, 3),
        ({"channel_url": "ID", "top_n": 200, "content": "videos"}, 3),
        ({"channel_url": "ID", "top_n": 15, "route": "feed"}, 1),
        ({"channel_url": "ID", "top_n": 20, "content": "videos"}, 2),
    ],
)
def test_what_a_list_costs(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, params: dict[str, Any], requests: int
) -> None:
    values = {"channel_url": "@NASA", **params}
    values["channel_url"] = nasa.id if values["channel_url"] == "ID" else values["channel_url"]
    items = scrape(depth="list", **values)
    content = values.get("content", "all")
    videos = nasa.uploads if content == "all" else getattr(nasa, content)
    assert _ids(items) == [video.id for video in videos[: values["top_n"]]]
    assert len(youtube.requests) == requests
    assert [item.context.rank for item in items] == list(range(1, len(items) + 1))


def test_lists_say_what_they_know(scrape: Scrape, nasa: FakeChannel) -> None:
    by_tab = scrape(channel_url="https://www.youtube.com/@NASA/videos", depth="list")
    assert [item.metrics.views for item in by_tab] == [video.views for video in nasa.videos[:10]]
    assert {item.metrics.precision.views for item in by_tab} == {"exact"}
    assert {item.is_short for item in by_tab} == {False}
    shorts = scrape(channel_url="@NASA", content="shorts", depth="list")
    assert [item.metrics.views for item in shorts] == [rounded(video.views) for video in nasa.shorts[:10]]
    assert {(item.metrics.precision.views, item.is_short) for item in shorts} == {("rounded", True)}
    assert {item.tags for item in by_tab + shorts} == {None}
    assert {item.published_at for item in by_tab + shorts} == {None}


def test_params_may_come_as_a_dict(worker: YouTubeChannelWorker, settings: YtdlpSettings, nasa: FakeChannel) -> None:
    context = make_context(settings={"ytdlp": settings})
    found = list(worker.scrape({"channel_url": "@NASA", "depth": "list", "top_n": 1}, context))
    assert _ids(found) == [nasa.uploads[0].id]


# --- age ------------------------------------------------------------------------------------------------------------


def test_age_by_the_feed(scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel) -> None:
    young = [video.id for video in nasa.uploads if video.published_at >= DEFAULT_NOW - timedelta(days=2)]
    assert 0 < len(young) < 15
    assert _ids(scrape(channel_url=nasa.id, depth="list", max_age_days=2, top_n=100)) == young
    assert len(youtube.requests) == 1
    assert len(scrape(channel_url=nasa.id, depth="list", max_age_days=3000, top_n=15)) == 15


def test_a_feed_that_does_not_reach_back_names_the_cure(scrape: Scrape, nasa: FakeChannel) -> None:
    with pytest.raises(PermanentError, match=r"do not reach back 3000 days\. Use --depth full, or"):
        scrape(channel_url=nasa.id, depth="list", max_age_days=3000, top_n=16)
    with pytest.raises(PermanentError, match="--depth full with --route uploads"):
        scrape(channel_url=nasa.id, route="feed", max_age_days=3000, top_n=16)


def test_a_short_feed_is_the_whole_channel(scrape: Scrape, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@Few", videos=3)
    assert len(scrape(channel_url=channel.id, depth="list", max_age_days=3000, top_n=100)) == 3


def test_age_in_full_stops_soon_after_the_first_old_ones(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel
) -> None:
    young = [video.id for video in nasa.videos if video.published_at >= DEFAULT_NOW - timedelta(days=3)]
    assert len(young) < 20
    assert _ids(scrape(channel_url=nasa.id, content="videos", max_age_days=3, top_n=30)) == young
    assert len(youtube.requests) == 2 + 2 * (len(young) + scraping.PATIENCE)


def test_age_comes_before_the_cut_and_a_video_out_of_order_does_not_end_the_list(
    scrape: Scrape, youtube: FakeYouTube
) -> None:
    channel = youtube.add_channel("@Pinned", videos=6)
    old = youtube.update_video(channel.videos[1].id, published_at=DEFAULT_NOW - timedelta(days=500))
    listed = [video.id for video in youtube.channel("@Pinned").videos]
    assert listed[-1] == old.id
    # The fake site sorts by date, so the odd one is set among the others by its feed-less list.
    items = scrape(channel_url=channel.id, content="videos", max_age_days=400, top_n=6)
    assert old.id not in _ids(items)
    assert len(items) == 5


def test_a_few_old_ones_between_are_skipped(scrape: Scrape, nasa: FakeChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    read = records.read_video_or_stub
    old = {nasa.videos[index].id for index in (0, 2, 3, 6, 7, 8)}

    def aged(session: Any, video_id: str, _subtitles: Any) -> Item:
        item = read(session, video_id)
        return item.model_copy(update={"published_at": DEFAULT_NOW - timedelta(days=900)}) if video_id in old else item

    monkeypatch.setattr(records, "read_video_or_stub", aged)
    items = scrape(channel_url=nasa.id, content="videos", max_age_days=100, top_n=20)
    assert _ids(items) == [nasa.videos[index].id for index in (1, 4, 5)]


Verdicts = Callable[[str], list[int]]


@pytest.fixture
def verdicts(scrape: Scrape, youtube: FakeYouTube, monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    """Scrape a channel drawn by letters: young, old, members-only (undated), premiere; give the positions that came."""
    read = records.read_video_or_stub

    def run(letters: str, *, top_n: int = 50, **more: Any) -> list[int]:
        channel = youtube.add_channel(f"@Drawn-{letters}", videos=len(letters))
        drawn = {video.id: letter for video, letter in zip(channel.videos, letters, strict=True)}
        states = {"m": "members_only", "p": "premiere"}
        for video_id, letter in drawn.items():
            youtube.update_video(video_id, state=states.get(letter, "ok"))

        def aged(session: Any, video_id: str, _subtitles: Any) -> Item:
            item = read(session, video_id)
            days = {"y": 1, "o": 450}.get(drawn[video_id])
            return item.model_copy(update={"published_at": days and DEFAULT_NOW - timedelta(days=days)})

        monkeypatch.setattr(records, "read_video_or_stub", aged)
        values = {"channel_url": channel.id, "content": "videos", "max_age_days": 7, **more}
        found = scrape(top_n=top_n, **values)
        ids = list(drawn)
        return [ids.index(item.id) for item in found]

    return run


def test_undated_videos_among_old_ones_are_old(verdicts: Verdicts, youtube: FakeYouTube) -> None:
    assert verdicts("yy" + "omo" * 12 + "om", top_n=10) == [0, 1]
    assert len(youtube.requests) < 2 + 3 * 2 * 8


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("ymmy", [0, 1, 2, 3]),  # between young ones
        ("my", [0, 1]),
        ("ymmooo", [0]),  # the next dated one is old
        ("omymo", [1, 2]),
        ("yomomomoy", [0]),  # an undated one does not interrupt the row of old ones
        ("yoomy", [0, 3, 4]),
        ("ymm", [0, 1, 2]),  # at the end of the list the dated one before decides
        ("yomm", [0]),
        ("mm", []),
        ("pooo", [0]),  # a premiere is young, whatever stands around it
        ("yopopoy", [0, 2, 4]),
        ("ympooo", [0, 2]),
        ("yomp", [0, 3]),
    ],
)
def test_an_undated_video_takes_the_verdict_of_its_neighbours(
    verdicts: Verdicts, letters: str, expected: list[int]
) -> None:
    assert verdicts(letters) == expected


def test_undated_videos_count_towards_the_wanted_number(verdicts: Verdicts) -> None:
    assert verdicts("ymmmy", top_n=3) == [0, 1, 2]


def test_without_an_age_undated_videos_come_as_they_stand(verdicts: Verdicts) -> None:
    assert verdicts("ommoomo", max_age_days=None) == [0, 1, 2, 3, 4, 5, 6]


def test_a_resume_judges_undated_videos_by_what_was_given_before(
    verdicts: Verdicts, youtube: FakeYouTube, port: FakePort
) -> None:
    letters = "ym" * 6 + "ooo"
    assert verdicts(letters) == list(range(11))
    seen = port.checkpoints[-1]
    assert len(seen["seen"]) == 10
    assert verdicts(letters, checkpoint=seen) == [10]


def test_the_feed_saves_reading_what_is_known_to_be_old(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel
) -> None:
    young = [video.id for video in nasa.uploads if video.published_at >= DEFAULT_NOW - timedelta(days=2)]
    assert _ids(scrape(channel_url=nasa.id, route="feed", max_age_days=2, top_n=100)) == young
    assert len(youtube.requests) == 1 + 2 * len(young)


# --- videos that are not for us -------------------------------------------------------------------------------------


def test_a_video_that_is_not_for_us_is_a_fact_and_no_failure(scrape: Scrape, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@Mixed", videos=5)
    states = ["members_only", "age_restricted", "geo_blocked", "premiere", "ok"]
    for video, state in zip(channel.videos, states, strict=True):
        youtube.update_video(video.id, state=state)
    items = {item.id: item for item in scrape(channel_url=channel.id, content="videos")}
    found = [items[video.id] for video in channel.videos]
    assert [item.availability for item in found] == ["members_only", "restricted", "restricted", "public", "public"]
    assert [item.live_status for item in found][3:] == ["is_upcoming", "not_live"]
    assert all(item.title for item in found)
    assert [("unavailable" in item.extra) for item in found] == [True, True, True, True, False]


def test_a_video_that_went_private_keeps_what_the_list_told(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel
) -> None:
    youtube.fault("private", f"/player.*{nasa.videos[1].id}")
    first, second = scrape(channel_url=nasa.id, content="videos", top_n=2)
    assert (first.availability, second.availability) == ("public", "private")
    assert (second.title, second.metrics.views) == (nasa.videos[1].title, nasa.videos[1].views)


@pytest.mark.parametrize(("fault", "error"), [("ratelimited", ThrottledError), ("http503", RetryableError)])
def test_what_concerns_us_is_a_failure(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, fault: str, error: type[Exception]
) -> None:
    youtube.fault(fault, "/player" if fault == "ratelimited" else "/watch", times=-1, after=3)
    with pytest.raises(error):
        scrape(channel_url=nasa.id)


def test_a_list_marks_what_is_for_members_only(scrape: Scrape, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@Members", videos=3)
    youtube.update_video(channel.videos[1].id, state="members_only")
    items = scrape(channel_url=channel.id, depth="list")
    assert [item.availability for item in items] == [None, "members_only", None]


def test_a_long_list_is_checkpointed_page_by_page(scrape: Scrape, port: FakePort, nasa: FakeChannel) -> None:
    items = scrape(channel_url=nasa.id, content="videos", depth="list", top_n=100)
    assert [len(kept["seen"]) for kept in port.checkpoints] == [30, 60, 90]
    again = scrape(channel_url=nasa.id, content="videos", depth="list", top_n=100, checkpoint=port.checkpoints[-1])
    assert _ids(again) == _ids(items)[90:]
    assert [item.context.rank for item in again] == list(range(91, 101))


def test_one_unreadable_video_is_a_fact_and_two_in_a_row_are_a_failure(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel
) -> None:
    first, second = nasa.videos[:2]
    youtube.fault("reshaped", f"/player.*{first.id}", times=-1)
    items = scrape(channel_url=nasa.id, content="videos", top_n=3)
    assert ["unavailable" in item.extra for item in items] == [True, False, False]
    youtube.fault("reshaped", f"/player.*{second.id}", times=-1)
    with pytest.raises(TaskError) as caught:
        scrape(channel_url=nasa.id, content="videos", top_n=3)
    assert caught.value.error_class == "bug"


def test_an_only_video_that_is_unreadable_is_a_failure(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, port: FakePort
) -> None:
    youtube.fault("reshaped", "/player", times=-1)
    with pytest.raises(TaskError):
        scrape(channel_url=nasa.id, content="videos", top_n=1)
    assert port.checkpoints == []


# --- empty, hollow, gone --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["tab", "uploads", "auto"])
def test_a_channel_without_this_kind_is_legally_empty(scrape: Scrape, youtube: FakeYouTube, route: str) -> None:
    channel = youtube.add_channel(f"@OnlyVideos-{route}", videos=3)
    for name in (channel.id, channel.handle):
        assert scrape(channel_url=name, content="shorts", route=route) == []


def test_a_channel_without_anything_is_legally_empty(scrape: Scrape, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@Nothing")
    for name in (channel.id, channel.handle):
        assert scrape(channel_url=name) == []


def test_a_hollow_tab_is_suspect_and_names_the_other_route(scrape: Scrape, youtube: FakeYouTube) -> None:
    youtube.add_channel("@Aged", videos=5, tabs_empty=True)
    with pytest.raises(SuspectError, match="--route uploads") as caught:
        scrape(channel_url="@Aged", content="videos", route="tab")
    assert caught.value.retry_after == 600


@pytest.mark.parametrize("name", ["handle", "id"])
def test_auto_goes_on_with_the_uploads_where_the_tab_is_hollow(scrape: Scrape, youtube: FakeYouTube, name: str) -> None:
    channel = youtube.add_channel(f"@Aged-{name}", videos=5, shorts=2, tabs_empty=True)
    found = scrape(channel_url=getattr(channel, name), content="videos", depth="list")
    assert _ids(found) == [video.id for video in channel.videos]
    mixed = scrape(channel_url=getattr(channel, name), depth="list")
    assert _ids(mixed) == [video.id for video in channel.uploads]


def test_no_uploads_behind_a_hollow_tab_is_suspect(scrape: Scrape, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@Aged-empty", videos=5, tabs_empty=True)
    for content in ("videos", "all"):
        youtube.fault("http404", "playlist|VLUU", times=-1)
        with pytest.raises(SuspectError) as caught:
            scrape(channel_url=channel.id, content=content)
        assert caught.value.retry_after == 600


def test_missing_uploads_of_a_channel_with_videos_are_not_passed_off_as_nothing(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel
) -> None:
    youtube.fault("http404", "playlist|VLUU", times=-1)
    found = scrape(channel_url=nasa.id, content="videos", route="uploads", depth="list", top_n=3)
    assert _ids(found) == [video.id for video in nasa.videos[:3]]
    with pytest.raises(SuspectError, match="Try --content videos"):
        scrape(channel_url=nasa.id)


@pytest.mark.parametrize("route", ["auto", "tab", "uploads", "feed"])
@pytest.mark.parametrize("state", ["terminated", "does_not_exist"])
def test_a_gone_channel_is_gone_by_every_route(scrape: Scrape, youtube: FakeYouTube, route: str, state: str) -> None:
    channel = youtube.add_channel(f"@Gone-{route}-{state}", videos=2, state=state)
    for name in (channel.id, channel.handle):
        with pytest.raises(GoneError, match=r"spelling|browser"):
            scrape(channel_url=name, content="videos", route=route, depth="list")


@pytest.mark.parametrize("params", [{}, {"content": "shorts"}, {"route": "feed"}])
def test_an_unknown_handle_is_gone(scrape: Scrape, params: dict[str, Any]) -> None:
    with pytest.raises(GoneError, match="spelling"):
        scrape(channel_url="@nobody-at-all", **params)


def test_a_channel_without_videos_has_a_legal_empty_feed(scrape: Scrape, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@Silent", videos=1)
    youtube.update_video(channel.videos[0].id, state="members_only")
    assert scrape(channel_url=channel.id, depth="list", route="feed") == []


def test_a_hollow_feed_is_suspect(scrape: Scrape, nasa: FakeChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "fetch", lambda *_: (200, b'<feed xmlns="http://www.w3.org/2005/Atom"/>'))
    with pytest.raises(SuspectError, match="--depth full") as caught:
        scrape(channel_url=nasa.id, depth="list", route="feed")
    assert caught.value.retry_after == 600


@pytest.mark.parametrize("name", ["handle", "id"])
def test_a_missing_feed_is_transient_while_the_channel_is_there(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, name: str
) -> None:
    youtube.fault("http404", "feeds", times=-1)
    with pytest.raises(RetryableError, match="--depth full"):
        scrape(channel_url=getattr(nasa, name), depth="list", max_age_days=3)


def test_facts_come_from_another_tab_where_one_is_missing(scrape: Scrape, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@OnlyStreams", streams=3)
    assert _ids(scrape(channel_url="@OnlyStreams", depth="list")) == [video.id for video in channel.streams]


# --- the engine's side ----------------------------------------------------------------------------------------------


def test_a_checkpoint_after_every_tenth_and_a_resume_that_asks_for_none_twice(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, nasa: FakeChannel
) -> None:
    youtube.fault("ratelimited", "/player", times=-1, after=12)
    with pytest.raises(ThrottledError):
        scrape(channel_url=nasa.id, top_n=25)
    first = [video.id for video in nasa.uploads[:12]]
    assert port.checkpoints == [{"seen": first[:10]}, {"seen": first}]  # the second before it ended early
    youtube.reset()
    rest = scrape(channel_url=nasa.id, top_n=25, checkpoint=port.checkpoints[-1])
    assert _ids(rest) == [video.id for video in nasa.uploads[12:25]]
    assert [item.context.rank for item in rest] == list(range(13, 26))
    assert len(youtube.requests) == 2 + 2 * 13
    assert len(port.checkpoints[-1]["seen"]) == 22


@pytest.mark.parametrize("checkpoint", [None, "x", {"seen": 5}, {"other": []}, {"seen": [5]}])
def test_a_foreign_checkpoint_counts_as_none(scrape: Scrape, nasa: FakeChannel, checkpoint: Any) -> None:
    assert len(scrape(channel_url=nasa.id, content="videos", top_n=2, checkpoint=checkpoint)) == 2


@pytest.mark.parametrize("depth", ["list", "full"])
def test_a_cancelled_scrape_stops_asking(
    worker: YouTubeChannelWorker, settings: YtdlpSettings, port: FakePort, nasa: FakeChannel, depth: Any
) -> None:
    context = make_context(settings={"ytdlp": settings}, port=port)
    items = worker.scrape(ChannelParameters(channel_url=nasa.id, depth=depth), context)
    next(items)
    port.stop = True
    before = len(port.acquired)
    assert list(items) == []
    assert len(port.acquired) == before


def test_a_cooling_source_defers(scrape: Scrape, settings: YtdlpSettings, port: FakePort, youtube: FakeYouTube) -> None:
    port.cooling[identity(settings)] = "HTTP 429"
    with pytest.raises(Deferred):
        scrape(channel_url="@NASA")
    assert youtube.requests == []


def test_nothing_is_asked_before_the_first_item_is_wanted(
    worker: YouTubeChannelWorker, settings: YtdlpSettings, port: FakePort, youtube: FakeYouTube
) -> None:
    worker.scrape(ChannelParameters(channel_url="@NASA"), make_context(settings={"ytdlp": settings}, port=port))
    assert youtube.requests == []
    worker.close()


# --- what is expected of a list -------------------------------------------------------------------------------------


def untitled(found: Found, *places: int) -> Found:
    items = [item.model_copy(update={"title": None}) if n in places else item for n, item in enumerate(found.items)]
    return replace(found, items=iter(items))


@pytest.mark.parametrize(("places", "apart"), [((3,), 1), ((1, 2, 3), 8)])
def test_r7_a_list_without_titles_is_kept_apart(
    worker: YouTubeChannelWorker,
    settings: YtdlpSettings,
    youtube: FakeYouTube,
    port: FakePort,
    monkeypatch: pytest.MonkeyPatch,
    places: tuple[int, ...],
    apart: int,
) -> None:
    youtube.add_channel("@Untitled", videos=8)
    monkeypatch.setattr(scraping, "open_list", lambda *arguments: untitled(open_list(*arguments), *places))
    params = ChannelParameters(channel_url="@Untitled", top_n=8, content="videos", depth="list")
    context = make_context(settings={"ytdlp": settings}, port=port)
    done = collect(lambda given: worker.scrape(params, given), context, port)
    assert (len(done.items), len(done.apart)) == (8 - apart, apart)
    assert (done.raised is None) is (apart == 1)


@pytest.mark.parametrize(("odd", "given"), [((2,), 6), ((1, 2, 3, 4), 1), ((), 6)])
def test_r7_r8_one_video_that_is_mixed_up_takes_no_other_with_it(
    worker: YouTubeChannelWorker,
    settings: YtdlpSettings,
    youtube: FakeYouTube,
    port: FakePort,
    monkeypatch: pytest.MonkeyPatch,
    odd: tuple[int, ...],
    given: int,
) -> None:
    channel = youtube.add_channel("@MixedUp", videos=6)
    wrong = {channel.videos[place].id for place in odd}
    read, again = records.read_video_or_stub, []

    def mixed_up(session: Session, video_id: str, *rest: Any) -> Item:
        if video_id in wrong:
            again.append(video_id)
            message = f"video {video_id}: the answer is about 'another'"
            raise SuspectError(message)
        return read(session, video_id, *rest)

    monkeypatch.setattr(records, "read_video_or_stub", mixed_up)
    params = ChannelParameters(channel_url="@MixedUp", top_n=6, content="videos", depth="full")
    context = make_context(settings={"ytdlp": settings}, port=port)
    done = collect(lambda each: worker.scrape(params, each), context, port)
    if len(odd) > 1:  # two in a row are no longer one video's trouble
        assert isinstance(done.raised, SuspectError)
        return
    assert (done.raised, len(done.items), len(again)) == (None, given, 2 * len(odd))
    told = {item.id: item.extra["unavailable"] for item in done.items if "unavailable" in item.extra}
    assert told == {video: f"video {video}: the answer is about 'another'" for video in wrong}
