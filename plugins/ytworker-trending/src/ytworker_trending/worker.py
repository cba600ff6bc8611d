"""The worker plugin ``trending_scrape``."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from ytworker import Context, Item, PermanentError, PluginBase
from ytworker_trending.api import read_api_chart
from ytworker_trending.lists import Trending, merge, open_source
from ytworker_trending.parameters import TrendingParameters
from ytworker_trending.settings import SECTION, TrendingSettings
from ytworker_trending.sources import Source, missing_chart, sources_of
from ytworker_ytdlp import CHART_COUNTRIES, Session, YtdlpSettings, close, merged, read_video_or_stub
from ytworker_ytdlp import SECTION as YTDLP

TASK_TYPE = "trending_scrape"
CHECKPOINT_EVERY = 10


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
        return {SECTION: TrendingSettings, YTDLP: YtdlpSettings}

    def close(self) -> None:
        """Let go of yt-dlp."""
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
        key = _key(context)
        sources = _sources(params, context, with_key=key is not None)
        session = Session(context)
        lists, left_out = self._open_all(session, sources, params, key)
        for item in _given(merge(lists, params.top_n, params.country), session, params):
            yield item.model_copy(update={"extra": {**item.extra, "left_out": left_out}}) if left_out else item

    def _open_all(
        self, session: Session, sources: list[Source], params: TrendingParameters, key: str | None
    ) -> tuple[list[tuple[Source, Iterator[Item]]], list[str]]:
        """Open the lists. Where several are merged, one that YouTube has given up is left out by name."""
        lists, left_out = [], []
        for source in sources:
            try:
                lists.append((source, self._open(session, source, params, key)))
            except PermanentError as error:
                if len(sources) == 1:
                    raise
                session.context.logger.warning("%s is left out: %s", source.name, error)
                left_out.append(source.name)
        if not lists:
            msg = f"none of the lists is there any more: {', '.join(left_out)}. Update ytworker-ytdlp and yt-dlp"
            raise PermanentError(msg, source=session.source)
        return lists, left_out

    def _open(self, session: Session, source: Source, params: TrendingParameters, key: str | None) -> Iterator[Item]:
        if source.kind == "api" and key is not None:
            return iter(read_api_chart(session, key, source.category, params.country, self.clock()))
        return open_source(session, source, params.country)


def _key(context: Context) -> str | None:
    section = context.settings.get(SECTION)
    key = section.api_key if isinstance(section, TrendingSettings) else None
    return key.get_secret_value() if key else None


def _sources(params: TrendingParameters, context: Context, *, with_key: bool) -> list[Source]:
    """Choose the lists, and say what they are not."""
    sources = sources_of(params.category, params.country, CHART_COUNTRIES, with_key=with_key)
    lacking = missing_chart(params.category, params.country, CHART_COUNTRIES)
    if not sources:
        msg = f"YouTube's charts do not cover {params.country}, only {len(CHART_COUNTRIES)} countries "
        msg += f"({' '.join(sorted(CHART_COUNTRIES))}). Choose one of them, or set plugins.trending_scrape.api_key: "
        raise PermanentError(msg + "the Data API has charts of more")
    notes = [f"{lacking} left out: YouTube's charts do not cover {params.country}"] if lacking else []
    hubs = [source.name for source in sources if not source.by_country]
    notes += [f"{', '.join(hubs)}: these follow the address that asks, not {params.country}"] if hubs else []
    for note in notes:
        context.logger.info(note)
    context.progress(0, params.top_n, "; ".join(notes) or None)
    return sources


def _given(found: list[Trending], session: Session, params: TrendingParameters) -> Iterator[Item]:
    """Give the items, with their whole records where these are asked for."""
    context = session.context
    given = _given_before(context.checkpoint.value)
    for done, trending in enumerate(found, 1):
        if context.cancelled:
            return
        item = trending.labelled()
        context.progress(done, len(found), item.title)
        if params.depth == "list":
            yield item
        elif item.id not in given:
            yield merged(item, read_video_or_stub(session, item.id))
            given[item.id] = None
            if done < len(found) and len(given) % CHECKPOINT_EVERY == 0:
                context.checkpoint.save({"given": list(given)})


def _given_before(checkpoint: Any) -> dict[str, None]:
    """Read an earlier attempt's checkpoint; anything else than ours counts as none."""
    held = checkpoint.get("given") if isinstance(checkpoint, Mapping) else None
    return dict.fromkeys(each for each in held if isinstance(each, str)) if isinstance(held, list) else {}
