"""Is this video a short? One rule, whoever found the video. Imports nothing, least of all yt-dlp."""

LONGEST_SHORT = 180.0
"""Seconds. Since 15 October 2024 YouTube shows square and vertical videos of up to three minutes as Shorts
(support.google.com/youtube/answer/15424877); before, it was one minute."""

_STREAMS = frozenset({"is_live", "was_live", "post_live"})


def is_short(
    *,
    page: bool | None = None,
    listed: bool | None = None,
    live_status: str | None = None,
    duration_seconds: float | None = None,
) -> bool | None:
    """Decide by all the evidence that there is.

    1. A stream, running or over, is none.
    2. It is one where the site says so: among its shorts (Shorts tab, list of Shorts, a ``/shorts/`` address) or on the
       watch page (``isShortsEligible``).
    3. It is none where the site says so: among its videos that are none (Videos tab, the list of these) or on
       the watch page.
    4. It is none where it is longer than three minutes.

    A shorter one may be either, so that None, unknown, is the answer where nothing else speaks: the Data API, for one,
    does not tell.

    Args:
        page: What the watch page says; None where it was not read.
        listed: True where it stands among shorts, False among videos that are none; None in mixed lists.
        live_status: As in :attr:`ytworker.Item.live_status`.
        duration_seconds: Its length, where known.
    """
    if live_status in _STREAMS:
        return False
    said = {page, listed}
    if True in said or False in said:
        return True in said
    return False if duration_seconds is not None and duration_seconds > LONGEST_SHORT else None
