"""The worker plugin ``keyword_search``."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from ytworker import Context, Item, PluginBase
from ytworker_keyword.parameters import KeywordParameters

TASK_TYPE = "keyword_search"


def utc_now() -> datetime:
    """Tell the time; replaced in tests."""
    return datetime.now(UTC)


class YouTubeKeywordWorker(PluginBase):
    """The hits of a query on YouTube, filtered, sorted and ranked.

    Every item says how it was found: ``context.query`` and ``context.rank`` (its place in the order that was asked
    for), ``extra.position`` (its place among YouTube's results), ``extra.page``, and ``extra.score`` for ``rank_by``
    (:func:`ytworker_keyword.ranking.in_order` has the formulas).

    Attributes:
        clock: Tells the time for ages.
    """

    clock: Callable[[], datetime] = staticmethod(utc_now)

    def get_task_type(self) -> str:
        """Name the task type."""
        return TASK_TYPE

    def get_parameters(self) -> type[BaseModel]:
        """Give the model of the parameters."""
        return KeywordParameters

    def get_settings(self) -> Mapping[str, type[BaseModel]]:
        """Read the section that all yt-dlp plugins share."""
        from ytworker_ytdlp import SECTION, YtdlpSettings  # noqa: PLC0415 - loaded when it is asked for

        return {SECTION: YtdlpSettings}

    def close(self) -> None:
        """Let go of yt-dlp."""
        from ytworker_ytdlp import close  # noqa: PLC0415 - loaded with the first task

        close()

    def scrape(self, params: KeywordParameters | Mapping[str, Any], context: Context) -> Iterator[Item]:
        """Search.

        Args:
            params: What to search for.
            context: The task's context. With whole records a checkpoint after every tenth keeps ``{"given": [ids]}``,
                or ``{"read": [items]}`` where all must be there before the first is given; a later attempt searches
                again but does not read these again.

        Yields:
            Items in the order that was asked for.
        """
        if not isinstance(params, KeywordParameters):
            params = KeywordParameters.model_validate(dict(params))
        from ytworker_keyword.scraping import scrape_search  # noqa: PLC0415 - loaded with the first task

        yield from scrape_search(params, context, self.clock())
