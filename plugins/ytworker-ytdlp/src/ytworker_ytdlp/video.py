"""One video, in full: its page and one player answer, two requests."""

from collections.abc import Sequence
from typing import Any, NoReturn

from ytworker import Item, RestrictedError, RetryableError, SuspectError, TaskError
from ytworker_ytdlp.ids import check_video_id, watch_url
from ytworker_ytdlp.mapping import SOURCE, full_item
from ytworker_ytdlp.raising import to_error
from ytworker_ytdlp.session import Session
from ytworker_ytdlp.subtitles import with_text
from ytworker_ytdlp.taxonomy import Verdict, judge


class _RefusedVideo(Exception):  # noqa: N818 - carries a verdict out of a step, never leaves this module
    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.what)
        self.verdict = verdict


def read_video(session: Session, video_id: str, subtitles: Sequence[str] = ()) -> Item:
    """Read the full record of one video.

    Args:
        session: The session at work.
        video_id: Which video.
        subtitles: Languages, the most wanted first, whose subtitles become ``text``; see
            :func:`ytworker_ytdlp.choose_track`. One request more where there are any.

    Raises:
        TaskError: In the class of what happened: gone, restricted, not_yet, throttled, transient and so on.
    """
    try:
        return _video(session, check_video_id(video_id), subtitles)
    except _RefusedVideo as refused:
        raise to_error(refused.verdict, subject=f"video {video_id}", source=session.source) from refused


def read_video_or_stub(session: Session, video_id: str, subtitles: Sequence[str] = ()) -> Item:
    """Read the full record of one video of a list, where "not there for us" is a fact about it and no failure.

    A video that is gone, private, restricted or not out yet gives an item with its id, ``availability`` or
    ``live_status``, and the reason in ``extra.unavailable``.

    Raises:
        TaskError: What concerns the identity, the network or the extraction.
    """
    try:
        return _video(session, check_video_id(video_id), subtitles)
    except _RefusedVideo as refused:
        if refused.verdict.rule.availability is None:
            raise to_error(refused.verdict, subject=f"video {video_id}", source=session.source) from refused
        return stub(video_id, refused.verdict)


def stub(video_id: str, verdict: Verdict) -> Item:
    """Make an item that says why a video could not be read."""
    upcoming = verdict.rule.name == "not_yet"
    return Item(
        source=SOURCE,
        id=video_id,
        url=watch_url(video_id),
        availability=verdict.rule.availability,
        live_status="is_upcoming" if upcoming else None,
        extra={"unavailable": verdict.what},
    )


def _video(session: Session, video_id: str, subtitles: Sequence[str]) -> Item:
    if not subtitles:
        return full_item(_record(session, video_id))
    with session.client.with_subtitles():
        info = _record(session, video_id)
    return with_text(session, full_item(info), info, subtitles)


def _record(session: Session, video_id: str) -> dict[str, Any]:
    with session.hold():
        with session.each_page_once():
            info = _confirmed(session, video_id)
        _check(session, info, video_id)
    return info


def _confirmed(session: Session, video_id: str) -> dict[str, Any]:
    unsure: _RefusedVideo | None = None
    try:
        info = _extract(session, video_id)
    except _RefusedVideo as refused:
        if refused.verdict.rule.name != "not_available":
            raise
        unsure = refused
    # Not inside the handler: yt-dlp takes whatever exception is being handled for the cause of its own.
    return info if unsure is None else _confirm(session, video_id, unsure)


def _extract(session: Session, video_id: str) -> dict[str, Any]:
    """Ask once. What yt-dlp raises leaves as a verdict where it is about the video."""
    with session.step(f"video {video_id}") as client:
        try:
            info = client.extract_info(watch_url(video_id), download=False, process=False, ie_key="Youtube")
        except TaskError:
            raise
        except Exception as error:
            verdict = judge(error, client.captured.warnings, session.failures)
            if verdict.rule.availability is None:
                raise
            refused = _RefusedVideo(verdict)
        else:
            return info if isinstance(info, dict) else {}
    raise refused


def _confirm(session: Session, video_id: str, refused: _RefusedVideo) -> dict[str, Any]:
    """Ask the web page alone, which is here already: app clients call public videos made for kids "not available".

    A page that tells title, channel and time of publication is that of a public video; anything less confirms.
    """
    with session.client.page_only():
        info = _extract(session, video_id)
    if info.get("title") and info.get("channel_id") and info.get("timestamp"):
        return info
    for warning in session.client.captured.warnings:
        if (verdict := judge(Exception(warning))).rule.identity:
            raise to_error(verdict, subject=f"video {video_id}", source=session.source) from refused
    raise refused


def _check(session: Session, info: dict[str, Any], video_id: str) -> None:
    """Let no trailer, mix-up, hollow or half record pass for this video."""
    if info.get("_type", "video") != "video":
        msg = f"video {video_id}: YouTube offers something else in its place (a trailer): it must be bought first"
        raise RestrictedError(msg, source=session.source)
    if info.get("id") != video_id:
        msg = f"video {video_id}: the answer is about {str(info.get('id'))[:20]!r}. It is asked again once"
        raise SuspectError(msg, source=session.source)
    if not info.get("title") or not info.get("channel_id"):
        msg = f"video {video_id}: the answer is hollow (no title or no channel). It is asked again once"
        raise SuspectError(msg, source=session.source)
    if info.get("timestamp") is None and (session.failures or not info.get("categories")):
        _refuse_half(session, video_id)


def _refuse_half(session: Session, video_id: str) -> NoReturn:
    """Refuse a record without its time and category: its web page, which holds half of the facts, was not read."""
    if session.failures:
        failure = session.failures[-1]
        verdict = judge(failure)
        if verdict.rule.identity:
            raise to_error(verdict, subject=f"video {video_id}", source=session.source) from failure
        msg = f"video {video_id}: only half of it could be read. {verdict.message}"
        raise RetryableError(msg, source=session.source) from failure
    msg = f"video {video_id}: its page holds nothing about it. It is asked again once; if it stays, update yt-dlp"
    raise SuspectError(msg, source=session.source)
