"""One scrape of what is trending; loaded with the first task, not with the plugin."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ytworker import Context, Deferred, Item, PermanentError, TaskError
from ytworker_trending.lists import Trending, merge, open_source
from ytworker_trending.parameters import TrendingParameters
from ytworker_trending.settings import SECTION, TrendingSettings
from ytworker_trending.sources import Source, missing_chart, sources_of
from ytworker_ytdlp import CHART_COUNTRIES, RecordReader, Session

CHECKPOINT_EVERY = 10

Opened = list[tuple[Source, Iterator[Item]]]


def scrape_trending(params: TrendingParameters, context: Context, clock: Callable[[], datetime]) -> Iterator[Item]:
    """Give what is trending; see :meth:`ytworker_trending.YouTubeTrendingWorker.scrape`."""
    settings = _with_key(context)
    sources = _sources(params, context, with_key=settings is not None)
    session = Session(context)
    lists, left_out = _open_all(session, sources, lambda source: _open(session, source, params, settings, clock))
    for item in _given(merge(lists, params.top_n, params.country), session, params):
        yield item.model_copy(update={"extra": {**item.extra, "left_out": left_out}}) if left_out else item


def _open_all(
    session: Session, sources: list[Source], opened: Callable[[Source], Iterator[Item]]
) -> tuple[Opened, list[str]]:
    """Open the lists. Where several are merged, one that YouTube has given up is left out by name."""
    lists: Opened = []
    left_out: list[str] = []
    for source in sources:
        try:
            lists.append((source, opened(source)))
        except PermanentError as error:
            if len(sources) == 1:
                raise
            session.context.logger.warning("%s is left out: %s", source.name, error)
            left_out.append(source.name)
    if not lists:
        msg = f"none of the lists is there any more: {', '.join(left_out)}. Update ytworker-ytdlp and yt-dlp"
        raise PermanentError(msg, source=session.source)
    return lists, left_out


def _open(
    session: Session,
    source: Source,
    params: TrendingParameters,
    settings: TrendingSettings | None,
    clock: Callable[[], datetime],
) -> Iterator[Item]:
    if source.kind != "api" or settings is None:
        return open_source(session, source, params.country)
    from ytworker_trending.api import ApiChart  # noqa: PLC0415 - only with a key

    return ApiChart(session, settings, clock).read(source.category, params.country)


def _with_key(context: Context) -> TrendingSettings | None:
    """Give the settings where they hold a key."""
    section = context.settings.get(SECTION)
    return section if isinstance(section, TrendingSettings) and section.api_key else None


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
    items = (trending.labelled() for trending in found)
    if params.depth == "full":
        yield from _filled(items, len(found), session)
        return
    for done, item in enumerate(items, 1):
        if session.context.cancelled:
            return
        session.context.progress(done, len(found), item.title)
        yield item


def _filled(items: Iterator[Item], total: int, session: Session) -> Iterator[Item]:
    """Fill items with their records; what is done when a failure ends the attempt is kept in a checkpoint."""
    context = session.context
    given = _given_before(context.checkpoint.value)
    records, saved = RecordReader(session, read_before=bool(given)), len(given)
    try:
        for done, item in enumerate(items, 1):
            if context.cancelled:
                break
            context.progress(done, total, item.title)
            if item.id not in given:
                yield records.fill(item)
                given[item.id] = None
            if records.sure and done < total and len(given) >= saved + CHECKPOINT_EVERY:
                context.checkpoint.save({"given": list(given)})
                saved = len(given)
    except (TaskError, Deferred):
        sure = list(given) if records.sure else list(given)[:-1]  # the last may be unread for everybody's reason
        if len(sure) > saved:
            context.checkpoint.save({"given": sure})
        raise
    records.settle()


def _given_before(checkpoint: Any) -> dict[str, None]:
    """Read an earlier attempt's checkpoint; anything else than ours counts as none."""
    held = checkpoint.get("given") if isinstance(checkpoint, Mapping) else None
    return dict.fromkeys(each for each in held if isinstance(each, str)) if isinstance(held, list) else {}
