"""The worker plugin ``channel_scrape``."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from ytworker import Context, Item, PluginBase
from ytworker_channel.parameters import ChannelParameters

TASK_TYPE = "channel_scrape"


def utc_now() -> datetime:
    """Tell the time; replaced in tests."""
    return datetime.now(UTC)


class YouTubeChannelWorker(PluginBase):
    """The newest videos, shorts and streams of a YouTube channel, newest first.

    The route by which the list comes is chosen by :func:`ytworker_channel.plan.choose_route`. With ``depth=full`` each
    video's whole record follows, two requests for each; a video that is private, gone, for members only or not out yet
    is given all the same, and ``availability`` or ``live_status`` says so. So is one whose own page cannot be read
    while those of others can: with what the list tells of it, and the reason as ``extra.unavailable``.

    Attributes:
        clock: Tells the time for ``max_age_days``.
    """

    clock: Callable[[], datetime] = staticmethod(utc_now)

    def get_task_type(self) -> str:
        """Name the task type."""
        return TASK_TYPE

    def get_parameters(self) -> type[BaseModel]:
        """Give the model of the parameters."""
        return ChannelParameters

    def get_settings(self) -> Mapping[str, type[BaseModel]]:
        """Read the section that all yt-dlp plugins share."""
        from ytworker_ytdlp import SECTION, YtdlpSettings  # noqa: PLC0415 - see scrape

        return {SECTION: YtdlpSettings}

    def close(self) -> None:
        """Let go of yt-dlp."""
        from ytworker_ytdlp import close  # noqa: PLC0415 - see scrape

        close()

    def scrape(self, params: ChannelParameters | Mapping[str, Any], context: Context) -> Iterator[Item]:
        """Give the channel's newest videos.

        Args:
            params: What to scrape.
            context: The task's context. A checkpoint after every tenth video in full, or every thirtieth of a list,
                keeps ``{"seen": [ids]}``; a later attempt turns the pages again, because the list may have grown
                meanwhile, but gives none of these twice and asks for none of them.

        Yields:
            Items, newest first; ``item.context`` names the list and the position in it.
        """
        from ytworker_channel.scraping import scrape_channel  # noqa: PLC0415 - whoever checks parameters needs none of it

        if not isinstance(params, ChannelParameters):
            params = ChannelParameters.model_validate(dict(params))
        context.expect(required=("title",), where=_is_there)
        yield from scrape_channel(params, context, self._cutoff(params))

    def _cutoff(self, params: ChannelParameters) -> datetime | None:
        return None if params.max_age_days is None else self.clock() - timedelta(days=params.max_age_days)


def _is_there(item: Item) -> bool:
    """Tell whether a video can be seen, so that its list must name it."""
    return "unavailable" not in item.extra and item.availability in {None, "public"}
