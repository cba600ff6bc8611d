"""What the watch page shows around the player: owner, likes, comments, date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ytworker_ytdlp.testing._records import short_count
from ytworker_ytdlp.testing._shapes import Json, answer, avatar, badge, browse_link, runs, text

if TYPE_CHECKING:
    from ytworker_ytdlp.testing._records import FakeVideo, VideoState

_GONE: frozenset[VideoState] = frozenset({"private", "removed"})


def watch_answer(video: FakeVideo | None) -> Json:
    """Answer a ``next`` request; without any content where there is no such video."""
    if video is None or video.state in _GONE or video.channel.state != "ok":
        return answer(contents={"twoColumnWatchNextResults": {"results": {"results": {"contents": []}}}})
    contents = [{"videoPrimaryInfoRenderer": _primary(video)}, {"videoSecondaryInfoRenderer": _secondary(video)}]
    return answer(
        contents={"twoColumnWatchNextResults": {"results": {"results": {"contents": contents}}}},
        currentVideoEndpoint={"watchEndpoint": {"videoId": video.id}},
        engagementPanels=_comments(video),
    )


def _primary(video: FakeVideo) -> Json:
    return {
        "title": runs(video.title),
        "viewCount": {"videoViewCountRenderer": _views(video)},
        "videoActions": {"menuRenderer": {"topLevelButtons": [_like_button(video)]}},
        "dateText": text(f"{video.published_at:%b} {video.published_at.day}, {video.published_at.year}"),
        "badges": [badge("BADGE_STYLE_TYPE_MEMBERS_ONLY", "Members only")] if video.state == "members_only" else [],
    }


def _views(video: FakeVideo) -> Json:
    if video.state == "live":
        return {"viewCount": runs(f"{video.watching or 0:,}", " watching now"), "isLive": True}
    return {"viewCount": text(f"{video.views:,} views")}


def _like_button(video: FakeVideo) -> Json:
    words = "I like this" if video.likes is None else f"like this video along with {video.likes:,} other people"
    button: Json = {"defaultButtonViewModel": {"buttonViewModel": {"iconName": "LIKE", "accessibilityText": words}}}
    toggle = {"toggleButtonViewModel": {"toggleButtonViewModel": button}}
    return {"segmentedLikeDislikeButtonViewModel": {"likeButtonViewModel": {"likeButtonViewModel": toggle}}}


def _secondary(video: FakeVideo) -> Json:
    channel = video.channel
    owner = {
        "title": {"runs": [{"text": channel.title, "navigationEndpoint": browse_link(channel)}]},
        "navigationEndpoint": browse_link(channel),
        "subscriberCountText": text(f"{short_count(channel.follower_count)} subscribers"),
        "thumbnail": avatar(channel),
    }
    return {"owner": {"videoOwnerRenderer": owner}, "attributedDescription": {"content": video.description}}


def _comments(video: FakeVideo) -> list[Json]:
    if video.comments is None:
        return []
    header: Json = {"title": runs("Comments"), "contextualInfo": runs(short_count(video.comments))}
    panel = {
        "panelIdentifier": "engagement-panel-comments-section",
        "header": {"engagementPanelTitleHeaderRenderer": header},
    }
    return [{"engagementPanelSectionListRenderer": panel}]
