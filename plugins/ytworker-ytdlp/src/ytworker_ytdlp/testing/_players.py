"""What the player says about a video: details, formats, captions, or why not."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ytworker_ytdlp.testing._shapes import Json, answer, runs, still_images, text, waiting_time

if TYPE_CHECKING:
    from datetime import datetime

    from ytworker_ytdlp.testing._records import FakeVideo, VideoState

# YouTube stamps uploads with the offset of its head office.
_OFFICE = timezone(timedelta(hours=-7))
_COUNTRIES = ["AT", "CH", "DE"]
_LANGUAGES = {"en": "English", "de": "German", "fr": "French", "ja": "Japanese"}
_BARE: frozenset[VideoState] = frozenset({"private", "removed", "bot_check", "rate_limited"})
_PLAYABLE: frozenset[VideoState] = frozenset({"ok", "unlisted", "live"})
_NO_COUNTRY = "The uploader has not made this video available in your country"
_MEMBERS = "Join this channel to get access to members-only content like this video, and other exclusive perks."
_REFUSALS: dict[VideoState, tuple[str, str, str]] = {
    "private": ("LOGIN_REQUIRED", "Private video", "Sign in if you've been granted access to this video"),
    "removed": ("ERROR", "Video unavailable", "This video has been removed by the uploader"),
    "members_only": ("UNPLAYABLE", _MEMBERS, ""),
    "age_restricted": (
        "LOGIN_REQUIRED",
        "Sign in to confirm your age",
        "This video may be inappropriate for some users.",
    ),
    "geo_blocked": ("UNPLAYABLE", "Video unavailable", _NO_COUNTRY),
    "bot_check": (
        "LOGIN_REQUIRED",
        "Sign in to confirm you’re not a bot",  # noqa: RUF001 - YouTube's apostrophe
        "This helps protect our community. Learn more",
    ),
    "rate_limited": ("UNPLAYABLE", "Video unavailable", "This content isn't available, try again later."),
}


def refusal(status: str, reason: str, more: str = "") -> Json:
    """Say why a video does not play."""
    error: Json = {"reason": runs(reason)}
    if more:
        error["subreason"] = runs(more)
    return {"status": status, "reason": reason, "errorScreen": {"playerErrorMessageRenderer": error}}


def refused(state: VideoState) -> Json:
    """Answer a player request the way a video in this state does, without any details."""
    return answer(playabilityStatus=refusal(*_REFUSALS[state]))


def premiere_soon(wait: timedelta) -> Json:
    """Say that a premiere has not begun."""
    reason = f"Premieres in {waiting_time(wait)}"
    return {"status": "LIVE_STREAM_OFFLINE", "reason": reason, "playableInEmbed": True}


def player_answer(video: FakeVideo | None, now: datetime, *, web: bool) -> Json:
    """Answer a player request.

    Args:
        video: None for an id that never was.
        now: The site's time, for waiting premieres.
        web: Whether the web page asks: it gets the microformat (exact time, category) and no streams, the apps
            get streams and no microformat.
    """
    if video is None:
        return answer(playabilityStatus=refusal("ERROR", "This video is unavailable"))
    if video.channel.state != "ok":
        return answer(playabilityStatus=_orphan(video))
    if video.state in _BARE:
        return refused(video.state)
    parts: Json = {"playabilityStatus": _playability(video, now, web=web), "videoDetails": _details(video)}
    if web:
        parts["microformat"] = {"playerMicroformatRenderer": _microformat(video)}
    if video.state in _PLAYABLE:
        parts["captions"] = {"playerCaptionsTracklistRenderer": _captions(video)}
        if not web:
            parts["streamingData"] = _streams(video)
    return answer(**parts)


def _orphan(video: FakeVideo) -> Json:
    if video.channel.state == "terminated":
        why = "This video is no longer available because the YouTube account associated with it has been terminated."
        return refusal("ERROR", "Video unavailable", why)
    return refusal("ERROR", "Video unavailable", "This video is not available")


def _playability(video: FakeVideo, now: datetime, *, web: bool) -> Json:
    if video.state == "premiere" and video.scheduled_at is not None:
        return premiere_soon(video.scheduled_at - now)
    if video.state == "geo_blocked" and not web:
        # The apps put the explanation where the web page says "Video unavailable".
        return refusal("UNPLAYABLE", _NO_COUNTRY)
    if video.state == "age_restricted":
        return {**refusal(*_REFUSALS[video.state]), "desktopLegacyAgeGateReason": 1}
    if video.state in _REFUSALS:
        return refusal(*_REFUSALS[video.state])
    return {"status": "OK", "playableInEmbed": True}


def _details(video: FakeVideo) -> Json:
    details: Json = {
        "videoId": video.id,
        "title": video.title,
        "lengthSeconds": str(video.duration_seconds or 0),
        "keywords": list(video.tags),
        "channelId": video.channel.id,
        "shortDescription": video.description,
        "thumbnail": {"thumbnails": still_images(video.id)},
        "viewCount": str(video.views),
        "author": video.channel.title,
        "isPrivate": False,
        "isLiveContent": video.kind == "stream",
    }
    if video.state == "live":
        details["isLive"] = True
    if video.state == "premiere":
        details["isUpcoming"] = True
    return details


def _microformat(video: FakeVideo) -> Json:
    uploaded = video.published_at.astimezone(_OFFICE).isoformat(timespec="seconds")
    microformat: Json = {
        "title": text(video.title),
        "description": text(video.description),
        "lengthSeconds": str(video.duration_seconds or 0),
        "ownerProfileUrl": f"http://www.youtube.com/{video.channel.handle}",
        "externalChannelId": video.channel.id,
        "ownerChannelName": video.channel.title,
        "isFamilySafe": video.state != "age_restricted",
        "availableCountries": _COUNTRIES,
        "isUnlisted": video.state == "unlisted",
        "isShortsEligible": video.kind == "short",
        "viewCount": str(video.views),
        "category": video.category,
        "publishDate": uploaded,
        "uploadDate": uploaded,
        "thumbnail": {"thumbnails": still_images(video.id)[-1:]},
    }
    if (live := _broadcast(video)) is not None:
        microformat["liveBroadcastDetails"] = live
    return microformat


def _broadcast(video: FakeVideo) -> Json | None:
    start = video.scheduled_at or (video.published_at if video.kind == "stream" else None)
    if start is None:
        return None
    details: Json = {"isLiveNow": video.state == "live", "startTimestamp": start.isoformat(timespec="seconds")}
    if video.live_status == "was_live" and video.duration_seconds is not None:
        end = start + timedelta(seconds=video.duration_seconds)
        details["endTimestamp"] = end.isoformat(timespec="seconds")
    return details


def _streams(video: FakeVideo) -> Json:
    manifest = f"https://manifest.googlevideo.com/api/manifest/hls_variant/id/{video.id}/file/index.m3u8"
    if video.state == "live":
        return {"hlsManifestUrl": manifest}
    query = urlencode({"id": video.id, "itag": 18})
    stream = {
        "itag": 18,
        "url": f"https://rr1---sn-fake.googlevideo.com/videoplayback?{query}",
        "mimeType": 'video/mp4; codecs="avc1.42001E, mp4a.40.2"',
        "bitrate": 500_000,
        "width": 640,
        "height": 360,
        "quality": "medium",
        "qualityLabel": "360p",
        "approxDurationMs": str((video.duration_seconds or 0) * 1000),
    }
    return {"formats": [stream], "hlsManifestUrl": manifest}


def _captions(video: FakeVideo) -> Json:
    spoken = _LANGUAGES.get(video.language, video.language)
    tracks: list[Json] = [
        {
            "baseUrl": _caption_url(video.id, "en"),
            "name": text("English"),
            "vssId": ".en",
            "languageCode": "en",
            "isTranslatable": True,
        },
        {
            "baseUrl": _caption_url(video.id, video.language, kind="asr"),
            "name": text(f"{spoken} (auto-generated)"),
            "vssId": f"a.{video.language}",
            "languageCode": video.language,
            "kind": "asr",
            "isTranslatable": True,
        },
    ]
    known = [{"languageCode": code, "languageName": text(name)} for code, name in _LANGUAGES.items()]
    return {"captionTracks": tracks, "translationLanguages": known}


def _caption_url(video_id: str, language: str, **extra: str) -> str:
    return f"https://www.youtube.com/api/timedtext?{urlencode({'v': video_id, 'lang': language, **extra})}"
