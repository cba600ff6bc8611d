"""The worker plugin ``api_scrape``."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from ytworker import Context, Item, PluginBase
from ytworker_api.client import Client, close, utc_now
from ytworker_api.lists import Lister
from ytworker_api.parameters import ApiParameters
from ytworker_api.plan import PAGE, plan
from ytworker_api.settings import SECTION, ApiSettings
from ytworker_api.videos import Videos

TASK_TYPE = "api_scrape"


class YouTubeAPIWorker(PluginBase):
    """Videos, uploads of channels, searches and charts from YouTube's Data API v3.

    What a task costs is known beforehand (:func:`ytworker_api.plan.plan`); each call is paid from the quota of the key
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
        settings = context.settings.get(SECTION)
        client = Client(settings if isinstance(settings, ApiSettings) else ApiSettings(), context, self.clock)
        context.progress(0, params.count, f"costs at most {plan(params)}")
        if params.resource == "videos":
            yield from _by_ids(Videos(client, params), params, context)
        else:
            yield from Lister(client, params, context).items()


def _by_ids(videos: Videos, params: ApiParameters, context: Context) -> Iterator[Item]:
    """Give the videos of the ids, 50 at a time; what was given before the checkpoint is not asked for again."""
    ids = params.ids or []
    for start in range(_done(context.checkpoint.value), len(ids), PAGE):
        if context.cancelled:
            return
        batch = ids[start : start + PAGE]
        yield from videos.by_ids(batch)
        done = start + len(batch)
        context.progress(done, len(ids))
        if done < len(ids):
            context.checkpoint.save({"done": done})


def _done(checkpoint: Any) -> int:
    """Read an earlier attempt's checkpoint; anything else than ours counts as none."""
    done = checkpoint.get("done") if isinstance(checkpoint, Mapping) else None
    return done if isinstance(done, int) and done > 0 and done % PAGE == 0 else 0
