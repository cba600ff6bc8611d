"""The worker plugin ``api_scrape``."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from ytworker import Context, Item, PluginBase
from ytworker_api.costs import plan
from ytworker_api.parameters import ApiParameters
from ytworker_api.settings import SECTION, ApiSettings

TASK_TYPE = "api_scrape"


def utc_now() -> datetime:
    """Tell the time; replaced in tests."""
    return datetime.now(UTC)


class YouTubeAPIWorker(PluginBase):
    """Videos, uploads of channels, searches and charts from YouTube's Data API v3.

    What a task costs is known beforehand (:func:`ytworker_api.costs.plan`); each call is paid from the quota of the key
    before it is made, for all processes together. Where a quota is used up, its tasks wait for midnight Pacific and go
    on from their checkpoint.

    Attributes:
        clock: Tells the time.
    """

    clock: Callable[[], datetime] = staticmethod(utc_now)

    def get_task_type(self) -> str:
        """Name the task type."""
        return TASK_TYPE

    def get_parameters(self) -> type[BaseModel]:
        """Give the model of the parameters."""
        return ApiParameters

    def get_settings(self) -> Mapping[str, type[BaseModel]]:
        """Read the own section."""
        return {SECTION: ApiSettings}

    def close(self) -> None:
        """Let go of google's client."""
        from ytworker_api.client import close  # noqa: PLC0415 - see scrape

        close()

    def scrape(self, params: ApiParameters | Mapping[str, Any], context: Context) -> Iterator[Item]:
        """Give videos in the order of the list, or of the ids.

        Args:
            params: What to ask for.
            context: The task's context. A checkpoint after each page of up to 50 keeps where to go on.

        Yields:
            Items; ``item.context`` names the list, the rank in it, and what was asked.
        """
        if not isinstance(params, ApiParameters):
            params = ApiParameters.model_validate(dict(params))
        # What speaks HTTP is imported by whoever runs a task, and not by whoever checks one.
        from ytworker_api.client import Client  # noqa: PLC0415
        from ytworker_api.lists import Lister  # noqa: PLC0415
        from ytworker_api.videos import batches  # noqa: PLC0415

        settings = context.settings.get(SECTION)
        client = Client(settings if isinstance(settings, ApiSettings) else ApiSettings(), context, self.clock)
        context.progress(0, params.count, f"costs at most {plan(params)}")
        if params.resource == "videos":
            yield from batches(client, params, context)
        else:
            yield from Lister(client, params, context).items()
