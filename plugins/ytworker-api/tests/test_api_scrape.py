"""What the worker gives, asks and pays: through its public door, against a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ytworker import Cancelled, Deferred, GoneError, Item, SuspectError
from ytworker.testing import FakePort, make_context
from ytworker_api import ApiSettings, YouTubeAPIWorker
from ytworker_api.testing import FakeDataApi, make_id, make_video
from ytworker_api.testing._answers import Answer, as_json

CHANNEL = "UCabcdefghijklmnopqrst-_"
Scrape = Callable[..., list[Item]]


def ids_of(items: list[Item]) -> list[str]:
    return [item.id for item in items]


# --- videos by id --------------------------------------------------------------------------------------------------


@pytest.fixture
def ids(api: FakeDataApi) -> list[str]:
    ids = [make_id(f"video {number}") for number in range(120)]
    for each in ids:
        api.add_video(each)
    return ids


def test_videos_come_in_the_order_of_their_ids_50_for_a_unit(api: FakeDataApi, scrape: Scrape, ids: list[str]) -> None:
    items = scrape(resource="videos", ids=ids[::-1])
    assert ids_of(items) == ids[::-1]
    assert [len(request.ids) for request in api.requests] == [50, 50, 20]
    assert api.spent == {"units": 3}
    assert all(item.title and item.metrics.views is not None for item in items)


def test_each_call_is_paid_before_it_is_made(api: FakeDataApi, scrape: Scrape, port: FakePort, ids: list[str]) -> None:
    scrape(resource="videos", ids=ids)
    (source,) = {source for source, _ in port.acquired}
    assert source.startswith("youtube data api with key ")
    assert port.reserved == [(source, "units", 1)] * 3
    assert port.held == set()


def test_statistics_alone_are_paid_from_their_own_quota(
    api: FakeDataApi, scrape: Scrape, port: FakePort, ids: list[str]
) -> None:
    (item, gone) = scrape(resource="videos", ids=[ids[0], "unknown-_id"], parts=["statistics", "contentDetails"])
    assert [bucket for _, bucket, _ in port.reserved] == ["statistics"]
    assert api.requests[0].method == "videos.batchGetStats"
    assert item.metrics.views == int(api.catalogue.videos[ids[0]]["statistics"]["viewCount"])
    assert (item.title, item.tags, item.availability) == (None, None, None)
    assert gone.availability == "gone"


def test_a_video_that_is_left_out_is_gone_and_no_failure(api: FakeDataApi, scrape: Scrape, ids: list[str]) -> None:
    items = scrape(resource="videos", ids=[ids[0], "-unknown-id", ids[1]])
    assert [item.availability for item in items] == ["public", "gone", "public"]
    assert items[1].id == "-unknown-id"
    assert items[1].title is None


def test_a_checkpoint_after_each_batch_and_a_retry_that_goes_on_there(
    api: FakeDataApi, scrape: Scrape, port: FakePort, ids: list[str]
) -> None:
    api.refuse("backendError", status=503, after=2)
    with pytest.raises(Exception, match="the service has trouble"):
        scrape(resource="videos", ids=ids)
    assert port.checkpoints == [{"done": 50}, {"done": 100}]
    asked = len(api.requests)
    assert ids_of(scrape(resource="videos", ids=ids, checkpoint=port.checkpoints[-1])) == ids[100:]
    assert len(api.requests) == asked + 1


@pytest.mark.parametrize("junk", [None, 7, [], {"done": "x"}, {"done": -50}, {"done": 7}, {"token": 1}])
def test_a_checkpoint_of_another_kind_counts_as_none(scrape: Scrape, ids: list[str], junk: Any) -> None:
    assert len(scrape(resource="videos", ids=ids[:2], checkpoint=junk)) == 2


def test_a_task_that_is_given_back_asks_nothing_more(
    api: FakeDataApi, scrape: Scrape, port: FakePort, ids: list[str]
) -> None:
    port.stop = True
    for asked in ({"resource": "videos", "ids": ids}, {"resource": "chart"}):
        with pytest.raises(Cancelled):
            scrape(**asked)
    assert (api.requests, port.checkpoints) == ([], [])


def test_the_cost_is_told_before_anything_is_asked(scrape: Scrape, port: FakePort, ids: list[str]) -> None:
    scrape(resource="videos", ids=ids)
    assert port.progressed[0] == (0, 120, "costs at most 3 units")
    assert port.progressed[-1][:2] == (120, 120)


def test_parts_are_asked_for_as_they_are_named(api: FakeDataApi, scrape: Scrape, ids: list[str]) -> None:
    (item,) = scrape(resource="videos", ids=ids[:1], parts="snippet,status")
    assert api.requests[0].query["part"] == "snippet,status"
    assert (item.live_status, item.metrics.views, item.availability) == (None, None, "public")


# --- uploads -------------------------------------------------------------------------------------------------------


def test_uploads_of_an_id_cost_a_unit_for_a_page_and_one_for_its_videos(api: FakeDataApi, scrape: Scrape) -> None:
    uploads = api.add_channel(CHANNEL, videos=120)
    items = scrape(resource="channel", channel=CHANNEL, top_n=100)
    assert ids_of(items) == uploads[:100]
    assert [request.method for request in api.requests] == ["playlistItems.list", "videos.list"] * 2
    assert api.requests[0].query["playlistId"] == "UU" + CHANNEL[2:]
    assert api.spent == {"units": 4}
    assert [item.context.rank for item in items] == list(range(1, 101))
    assert {item.context.list for item in items} == {"uploads"}


def test_a_handle_costs_one_unit_more(api: FakeDataApi, scrape: Scrape) -> None:
    uploads = api.add_channel(CHANNEL, handle="@somebody", videos=3)
    assert ids_of(scrape(resource="channel", channel="@somebody")) == uploads
    assert api.spent == {"units": 3}


def test_a_private_upload_is_an_item_that_says_so(api: FakeDataApi, scrape: Scrape) -> None:
    uploads = api.add_channel(CHANNEL, videos=5)
    api.catalogue.unlisted.add(uploads[2])
    items = scrape(resource="channel", channel=CHANNEL)
    assert [item.availability for item in items] == ["public", "public", "private", "public", "public"]


@pytest.mark.parametrize("channel", [CHANNEL, "@nobody"])
def test_an_unknown_channel_is_gone(api: FakeDataApi, scrape: Scrape, channel: str) -> None:
    with pytest.raises(GoneError, match="no such channel"):
        scrape(resource="channel", channel=channel)


@pytest.mark.parametrize("channel", [CHANNEL, "@somebody"])
def test_a_channel_without_videos_is_legally_empty(api: FakeDataApi, scrape: Scrape, channel: str) -> None:
    api.add_channel(CHANNEL, handle="@somebody", videos=0)
    assert scrape(resource="channel", channel=channel) == []


def test_a_failure_on_page_two_and_a_retry_leave_no_duplicate(api: FakeDataApi, scrape: Scrape, port: FakePort) -> None:
    uploads = api.add_channel(CHANNEL, videos=120)
    api.refuse("backendError", status=503, match="playlistItems.list", after=1)
    given: list[str] = []
    with pytest.raises(Exception, match="trouble"):
        given += ids_of(scrape(resource="channel", channel=CHANNEL, top_n=120))
    (kept,) = port.checkpoints
    assert kept == {"token": "P50", "rank": 50, "seen": uploads[:50]}
    again = scrape(resource="channel", channel=CHANNEL, top_n=120, checkpoint=json.loads(json.dumps(kept)))
    assert ids_of(again) == uploads[50:]
    assert [item.context.rank for item in again] == list(range(51, 121))


def test_a_page_that_the_service_has_forgotten_begins_the_list_again(
    api: FakeDataApi, scrape: Scrape, port: FakePort
) -> None:
    uploads = api.add_channel(CHANNEL, videos=70)
    kept = {"token": "forgotten", "rank": 50, "seen": uploads[:50]}
    assert ids_of(scrape(resource="channel", channel=CHANNEL, top_n=70, checkpoint=kept)) == uploads[50:]


def test_a_forgotten_page_without_a_checkpoint_is_an_error(api: FakeDataApi, scrape: Scrape) -> None:
    api.add_channel(CHANNEL, videos=70)
    api.refuse("invalidPageToken", status=400, match="playlistItems.list")
    with pytest.raises(Exception, match="invalidPageToken"):
        scrape(resource="channel", channel=CHANNEL)


def test_r8_the_wrong_channel_is_rejected(api: FakeDataApi, scrape: Scrape) -> None:
    api.fault(as_json({"kind": "youtube#channelListResponse", "items": [{"id": "UC" + "x" * 22}]}), match="channels")
    with pytest.raises(SuspectError, match="it is about"):
        scrape(resource="channel", channel=CHANNEL)


# --- searches ------------------------------------------------------------------------------------------------------


def test_a_search_costs_a_call_and_a_unit_for_50(api: FakeDataApi, scrape: Scrape, ids: list[str]) -> None:
    items = scrape(resource="search", query="video", top_n=60, region="DE", order="date")
    newest = sorted(ids, key=lambda each: api.catalogue.videos[each]["snippet"]["publishedAt"], reverse=True)
    assert ids_of(items) == newest[:60]
    assert api.spent == {"search": 2, "units": 2}
    assert items[59].context.model_dump(exclude_none=True) == {
        "list": "search",
        "query": "video",
        "rank": 60,
        "country": "DE",
    }
    assert all(item.metrics.views is not None for item in items)


def test_a_search_without_hits_is_legally_empty(api: FakeDataApi, scrape: Scrape) -> None:
    assert scrape(resource="search", query="nothing at all") == []
    assert api.spent == {"search": 1}


def test_a_list_that_nothing_answers_for_is_doubted_and_nothing_is_called_gone(
    api: FakeDataApi, scrape: Scrape, port: FakePort, ids: list[str]
) -> None:
    api.fault(as_json({"kind": "youtube#videoListResponse", "items": []}), match="videos.list")
    items = scrape(resource="search", query="video", top_n=50)
    assert [reason[:12] for reason in port.suspected] == ["search video"]
    assert {item.availability for item in items} == {None}
    assert items[0].title == f"Video {items[0].id}"


def test_hits_that_stand_twice_are_given_once(api: FakeDataApi, scrape: Scrape, ids: list[str]) -> None:
    hit = {"id": {"videoId": ids[0]}, "snippet": {}}
    page = {"kind": "youtube#searchListResponse", "items": [hit, hit, {"id": {"channelId": CHANNEL}}]}
    api.fault(as_json(page), match="search.list")
    assert ids_of(scrape(resource="search", query="x")) == ids[:1]


# --- charts --------------------------------------------------------------------------------------------------------


def test_a_chart_is_one_call_for_50_with_everything(api: FakeDataApi, scrape: Scrape, ids: list[str]) -> None:
    api.catalogue.chart["10"] = ids[:80]
    items = scrape(resource="chart", category="music", region="GB", top_n=80)
    assert ids_of(items) == ids[:80]
    assert api.spent == {"units": 2}
    assert items[0].context.model_dump(exclude_none=True) == {
        "list": "chart:mostPopular",
        "rank": 1,
        "country": "GB",
        "category": "music",
    }


def test_a_chart_that_is_not_kept_names_those_that_are(api: FakeDataApi, scrape: Scrape) -> None:
    with pytest.raises(GoneError, match=r"videoChartNotFound.*music, movies and gaming"):
        scrape(resource="chart", category="news")


# --- answers that do not fit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"<html>consent</html>", "no record"),
        (b"", "no record"),
        (b"{}", "no record of the Data API"),
        (b"[]", "no record of the Data API"),
        (b"null", "no record of the Data API"),
        (b'{"kind": "youtube#videoListResponse", "items": 7}', "its items are no records"),
        (b'{"kind": "youtube#videoListResponse", "items": [7]}', "its items are no records"),
        (b'{"kind": "youtube#videoListResponse", "items": [{}]}', "has no id of a video"),
        (b"[" * 100_000, "no JSON"),
        (b'{"kind": "x", "items": [' + b"9" * 100_000 + b"]}", "no JSON"),
        (
            b'{"kind": "youtube#videoListResponse", "pageInfo": {"totalResults": 1}, "items": []}',
            "says that there are 1",
        ),
        (b"\xff\xfe", "no JSON"),
    ],
)
def test_r3_r6_an_answer_of_another_shape_is_suspect(
    api: FakeDataApi, scrape: Scrape, answer: bytes, told: str
) -> None:
    api.fault(Answer(200, answer, {"Content-Type": "application/json"}))
    with pytest.raises(SuspectError, match=told):
        scrape(resource="videos", ids=["dQw4w9WgXcQ"])


def page_of(*videos: dict[str, Any]) -> Answer:
    return as_json({"kind": "youtube#videoListResponse", "items": list(videos)})


def test_r7_a_hollow_record_is_suspect(api: FakeDataApi, scrape: Scrape) -> None:
    hollow = make_video("dQw4w9WgXcQ", snippet={"title": ""})
    api.fault(page_of(hollow))
    with pytest.raises(SuspectError, match="no title or no channel"):
        scrape(resource="videos", ids=["dQw4w9WgXcQ"])
    api.fault(page_of({"kind": "youtube#video", "id": "dQw4w9WgXcQ"}))
    with pytest.raises(SuspectError, match="nothing that was asked for"):
        scrape(resource="videos", ids=["dQw4w9WgXcQ"], parts="status")


def test_r8_the_wrong_video_is_rejected(api: FakeDataApi, scrape: Scrape) -> None:
    api.fault(page_of(make_video("another-_id")))
    with pytest.raises(SuspectError, match="'another-_id', which nobody asked for"):
        scrape(resource="videos", ids=["dQw4w9WgXcQ"])


def test_u12_a_list_that_leads_back_to_itself_ends(api: FakeDataApi, scrape: Scrape, ids: list[str]) -> None:
    hit = {"id": {"videoId": ids[0]}, "snippet": {}}
    page = as_json({"kind": "youtube#searchListResponse", "items": [hit], "nextPageToken": "P0"})
    api.fault(page, match="search.list", times=-1)
    with pytest.raises(SuspectError, match="for ever"):
        scrape(resource="search", query="x")
    assert len(api.requests) == 3


def test_u12_a_list_of_empty_pages_ends(api: FakeDataApi, scrape: Scrape) -> None:
    for number in range(9):
        page = {"kind": "youtube#searchListResponse", "items": [], "nextPageToken": f"T{number}"}
        api.fault(as_json(page), match="search.list")
    with pytest.raises(SuspectError, match="for ever"):
        scrape(resource="search", query="x")
    assert len(api.requests) == 3


@pytest.mark.parametrize("resource", ["channel", "chart"])
def test_an_empty_page_of_a_list_that_is_not_empty_is_suspect(api: FakeDataApi, scrape: Scrape, resource: str) -> None:
    api.fault(as_json({"kind": "youtube#someListResponse", "pageInfo": {"totalResults": 120}, "items": []}))
    with pytest.raises(SuspectError, match="says that there are 120"):
        scrape(resource=resource, **({"channel": CHANNEL} if resource == "channel" else {}))


def test_an_error_inside_a_success_is_an_error(api: FakeDataApi, scrape: Scrape, port: FakePort) -> None:
    api.fault(as_json({"error": {"code": 503, "message": "try again", "errors": [{"reason": "backendError"}]}}))
    with pytest.raises(Exception, match="backendError"):
        scrape(resource="chart")
    assert port.held


def test_a_page_that_names_no_video_is_suspect(api: FakeDataApi, scrape: Scrape) -> None:
    page = {"kind": "youtube#searchListResponse", "items": [{"id": {"channelId": CHANNEL}}]}
    api.fault(as_json(page), match="search.list")
    with pytest.raises(SuspectError, match="none of its 1 entries"):
        scrape(resource="search", query="x")


# --- quotas --------------------------------------------------------------------------------------------------------


def test_a_quota_that_is_used_up_is_not_asked_of(
    api: FakeDataApi, worker: YouTubeAPIWorker, port: FakePort, ids: list[str]
) -> None:
    settings = {"api_scrape": ApiSettings.model_validate({**api.settings(), "units_per_day": "2"})}
    scrape = worker.scrape({"resource": "videos", "ids": ids}, make_context(settings=settings, port=port))
    assert [next(scrape).id for _ in range(100)] == ids[:100]
    with pytest.raises(Deferred) as caught:
        next(scrape)
    assert api.spent == {"units": 2}
    assert caught.value.until == datetime(2026, 11, 25, 8, tzinfo=UTC)  # midnight in Los Angeles
    assert port.checkpoints[-1] == {"done": 100}


def test_what_the_server_calls_used_up_is_so_for_all_and_the_other_quotas_go_on(
    api: FakeDataApi, scrape: Scrape, port: FakePort, ids: list[str]
) -> None:
    api.refuse("quotaExceeded", match="search.list", times=-1)
    with pytest.raises(Exception, match=r"the quota of the day is used up \(quotaExceeded\)") as caught:
        scrape(resource="search", query="video")
    assert caught.value.retry_after == 12 * 3600
    assert caught.value.source.endswith(": search")
    asked = len(api.requests)
    with pytest.raises(Deferred, match="'search'"):
        scrape(resource="search", query="video")
    assert len(api.requests) == asked
    assert len(scrape(resource="videos", ids=ids)) == len(ids)


def test_a_source_that_cools_down_is_not_asked_and_pays_nothing(
    api: FakeDataApi, scrape: Scrape, port: FakePort, ids: list[str]
) -> None:
    scrape(resource="videos", ids=ids[:1])
    port.cooling[port.acquired[0][0]] = "too fast"
    port.reserved.clear()
    with pytest.raises(Deferred, match="too fast"):
        scrape(resource="videos", ids=ids)
    assert (len(api.requests), port.reserved) == (1, [])


@pytest.mark.parametrize(
    ("params", "spent"),
    [
        ({"resource": "search", "query": "video", "top_n": 120}, {"search": 3, "units": 3}),
        ({"resource": "channel", "channel": "@somebody", "top_n": 130}, {"units": 7}),
        ({"resource": "chart", "top_n": 51}, {"units": 2}),
    ],
)
def test_no_task_costs_more_than_its_plan(
    api: FakeDataApi, scrape: Scrape, ids: list[str], params: dict[str, Any], spent: dict[str, int]
) -> None:
    api.add_channel(CHANNEL, handle="@somebody", videos=130)
    api.catalogue.chart[""] = ids[:51]
    scrape(params)
    assert api.spent == spent
