"""The canary of ``ytworker doctor --online``: does YouTube still answer in a way that is understood?"""

from collections.abc import Mapping
from importlib.metadata import version

from pydantic import BaseModel

from ytworker import Context, Item, SuspectError
from ytworker_ytdlp.session import Session, close
from ytworker_ytdlp.settings import SECTION, YtdlpSettings
from ytworker_ytdlp.video import read_video

VIDEO, CHANNEL = "jNQXAC9IVRw", "UC4QobU6STFB0P71PMvOGN5A"
"""The first video of YouTube, of 2005. It has everything that a record can have."""


def get_settings() -> Mapping[str, type[BaseModel]]:
    """Read the section that all yt-dlp plugins share."""
    return {SECTION: YtdlpSettings}


def check(context: Context) -> str:
    """Ask for one known video, two requests, and say what was seen.

    Raises:
        SuspectError: The record lacks something, or is another video's.
        TaskError: In the class of what else happened.
    """
    session = Session(context)
    try:
        item = read_video(session, VIDEO)
    finally:
        close()
    missing = [name for name, value in _expected(item).items() if value is None]
    if item.author.id != CHANNEL:
        missing.append("its channel")
    if missing:
        msg = (
            f"the record of {item.url} lacks {', '.join(missing)}. YouTube has changed: upgrade yt-dlp (pip install -U "
        )
        raise SuspectError(msg + f"yt-dlp, here is {version('yt-dlp')}) and look again", source=session.source)
    seen = f"{item.title!r} by {item.author.name}, {item.metrics.views:,} views, {item.metrics.likes:,} likes"
    return f"{session.source} answers: {seen}; yt-dlp {version('yt-dlp')} understands it"


def _expected(item: Item) -> dict[str, object]:
    return {
        "title": item.title,
        "description": item.description,
        "views": item.metrics.views,
        "likes": item.metrics.likes,
        "published_at": item.published_at,
        "duration_seconds": item.duration_seconds,
    }
