"""Opening the lists, and merging them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from ytworker import Item
from ytworker_trending.sources import Source
from ytworker_ytdlp import Session, listed_item, merged, open_hub, read_chart
from ytworker_ytdlp.charts import Chart
from ytworker_ytdlp.hubs import Hub


@dataclass(frozen=True, slots=True)
class Label:
    """Where a video stood: as JSON, one of ``extra.sources``."""

    source: str
    category: str
    rank: int | None
    country: str | None

    def to_json(self) -> dict[str, Any]:
        """Give the label as JSON."""
        return {"source": self.source, "category": self.category, "rank": self.rank, "country": self.country}


@dataclass(slots=True)
class Trending:
    """A video with every label that was met; the first is that of its context."""

    item: Item
    labels: list[Label] = field(default_factory=list)

    def labelled(self) -> Item:
        """Give the item with its labels."""
        first = self.labels[0]
        context = self.item.context.model_copy(
            update={"list": first.source, "category": first.category, "rank": first.rank, "country": first.country}
        )
        extra = {**self.item.extra, "sources": [label.to_json() for label in self.labels]}
        return self.item.model_copy(update={"context": context, "extra": extra})


def open_source(session: Session, source: Source, country: str) -> Iterator[Item]:
    """Open a chart or a hub; a hub's further pages are asked for while its items are taken."""
    chart, hub = _as_chart(source), _as_hub(source)
    if chart is not None:
        return iter(read_chart(session, chart, country))
    if hub is None:
        msg = f"{source.name} is neither a chart nor a hub"
        raise ValueError(msg)
    listing = open_hub(session, hub)
    return (listed_item(entry, listing, rank) for rank, entry in enumerate(listing.entries, 1))


def _as_chart(source: Source) -> Chart | None:
    return next((chart for chart in get_args(Chart) if source.name == f"chart:{chart}"), None)


def _as_hub(source: Source) -> Hub | None:
    return next((hub for hub in get_args(Hub) if source.name == f"hub:{hub}"), None)


def merge(lists: Sequence[tuple[Source, Iterator[Item]]], top_n: int, country: str) -> list[Trending]:
    """Merge lists by taking turns: every list's first, then every list's second, and so on.

    A video that stands in several lists is given once, at its first place, with the context of that place; what only
    the other lists know of it is added, and all labels that were met are kept. Whole rounds are taken until there are
    enough videos.

    Args:
        lists: The lists, in the order in which they take turns.
        top_n: How many videos are wanted.
        country: What the lists by country were asked for; the others have none.
    """
    found: dict[str, Trending] = {}
    waiting = list(lists)
    while waiting and len(found) < top_n:
        for turn in list(waiting):
            source, items = turn
            item = next(items, None)
            if item is None:
                waiting.remove(turn)
                continue
            known = found.get(item.id)
            entry = found[item.id] = known or Trending(item)
            entry.item = merged(item, entry.item) if known else item
            entry.labels.append(_label(source, item, country))
    return list(found.values())[:top_n]


def _label(source: Source, item: Item, country: str) -> Label:
    category = source.category if source.category != "all" else item.context.category or "all"
    return Label(source.name, category, item.context.rank, country if source.by_country else None)
