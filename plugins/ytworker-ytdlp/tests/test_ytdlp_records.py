"""Whole records of a list, where one that cannot be read costs no more than itself."""

from __future__ import annotations

import pytest

from ytworker import ErrorClass, Item, RetryableError, TaskError, ThrottledError
from ytworker.testing import make_context
from ytworker_ytdlp import RecordReader, Session, YtdlpSettings
from ytworker_ytdlp.testing import FakeVideo, FakeYouTube


@pytest.fixture
def videos(youtube: FakeYouTube) -> tuple[FakeVideo, ...]:
    try:
        return youtube.channel("@Records").videos
    except KeyError:
        return youtube.add_channel("@Records", videos=4).videos


def listed(video: FakeVideo) -> Item:
    return Item(source="youtube", id=video.id, title="as listed")


def test_a_record_is_laid_over_what_the_list_tells(session: Session, videos: tuple[FakeVideo, ...]) -> None:
    reader = RecordReader(session)
    item = reader.fill(listed(videos[0]))
    assert (item.title, item.tags) == (videos[0].title, videos[0].tags)
    assert reader.sure
    reader.settle()


def test_one_that_cannot_be_read_keeps_what_the_list_tells(
    session: Session, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    youtube.fault("reshaped", f"/player.*{videos[1].id}", times=-1)
    reader = RecordReader(session)
    reader.fill(listed(videos[0]))
    item = reader.fill(listed(videos[1]))
    assert (item.title, item.tags) == ("as listed", None)
    assert "update yt-dlp" in str(item.extra["unavailable"])
    assert not reader.sure
    assert reader.fill(listed(videos[2])).tags == videos[2].tags
    assert reader.sure
    reader.settle()


def test_a_second_one_right_after_it_is_no_coincidence(
    session: Session, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    youtube.fault("reshaped", "/player", times=-1)
    reader = RecordReader(session)
    reader.fill(listed(videos[0]))
    with pytest.raises(TaskError) as caught:
        reader.fill(listed(videos[1]))
    assert caught.value.error_class is ErrorClass.BUG


def test_a_list_of_which_nothing_could_be_read_fails(
    session: Session, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    youtube.fault("reshaped", "/player", times=-1)
    reader = RecordReader(session)
    reader.fill(listed(videos[0]))
    with pytest.raises(TaskError, match="update yt-dlp"):
        reader.settle()


def test_a_passing_trouble_is_waited_for_once(
    youtube: FakeYouTube, settings: YtdlpSettings, videos: tuple[FakeVideo, ...]
) -> None:
    youtube.fault("http503", f"(/player|/watch).*{videos[0].id}", times=-1)
    for attempt, excused in ((1, False), (2, True)):
        reader = RecordReader(Session(make_context(settings={"ytdlp": settings}, attempt=attempt)))
        if not excused:
            with pytest.raises(RetryableError):
                reader.fill(listed(videos[0]))
        else:
            assert "unavailable" in reader.fill(listed(videos[0])).extra


def test_what_concerns_us_is_never_excused(
    session: Session, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    youtube.fault("http429-retry-after", "/watch", times=-1)
    with pytest.raises(ThrottledError):
        RecordReader(session).fill(listed(videos[0]))
