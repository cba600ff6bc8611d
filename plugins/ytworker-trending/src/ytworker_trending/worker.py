"""The worker plugin ``trending_scrape``."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from ytworker import Context, Item, PluginBase
from ytworker_trending.parameters import TrendingParameters
from ytworker_trending.settings import SECTION, TrendingSettings

TASK_TYPE = "trending_scrape"


def utc_now() -> datetime:
    """Tell the time; replaced in tests."""
    return datetime.now(UTC)


class YouTubeTrendingWorker(PluginBase):
    """What is trending on YouTube, from the lists that are left since the Trending page is gone.

    Every item says where it stood: ``context.list`` (such as ``chart:music`` or ``hub:gaming``), ``context.category``,
    ``context.rank`` and ``context.country``, which is null for hubs: they follow the address that asks. A video of
    several lists has all its places in ``extra.sources``; :func:`ytworker_trending.lists.merge` has the rule.

    Attributes:
        clock: Tells the time.
    """

    clock: Callable[[], datetime] = staticmethod(utc_now)

    def get_task_type(self) -> str:
        """Name the task type."""
        return TASK_TYPE

    def get_parameters(self) -> type[BaseModel]:
        """Give the model of the parameters."""
        return TrendingParameters

    def get_settings(self) -> Mapping[str, type[BaseModel]]:
        """Read the own section and the one that all yt-dlp plugins share."""
        from ytworker_ytdlp import SECTION as YTDLP  # noqa: PLC0415 - loaded when it is asked for
        from ytworker_ytdlp import YtdlpSettings  # noqa: PLC0415

        return {SECTION: TrendingSettings, YTDLP: YtdlpSettings}

    def close(self) -> None:
        """Let go of yt-dlp."""
        from ytworker_ytdlp import close  # noqa: PLC0415 - loaded with the first task

        close()

    def scrape(self, params: TrendingParameters | Mapping[str, Any], context: Context) -> Iterator[Item]:
        """Give what is trending.

        Args:
            params: What and where.
            context: The task's context. With ``depth=full`` a checkpoint after every tenth video keeps
                ``{"given": [ids]}``; a later attempt does not ask for these again.

        Yields:
            Items in the order of the merged lists.
        """
        if not isinstance(params, TrendingParameters):
            params = TrendingParameters.model_validate(dict(params))
        from ytworker_trending.scraping import scrape_trending  # noqa: PLC0415 - loaded with the first task

        yield from scrape_trending(params, context, self.clock)
