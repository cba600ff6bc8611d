"""Where trending videos can still be found, since YouTube gave up its Trending page in July 2025."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

Category = Literal["all", "music", "gaming", "movies", "live", "podcasts", "news"]
Kind = Literal["chart", "hub", "api"]


@dataclass(frozen=True, slots=True)
class Source:
    """One list.

    Attributes:
        kind: A chart of charts.youtube.com, a hub of youtube.com, or the chart of the Data API.
        category: What it lists; ``all`` for the API's mixed chart.
    """

    kind: Kind
    category: Category

    @property
    def name(self) -> str:
        """How items call it, such as ``chart:music``."""
        return f"{self.kind}:{self.category}"

    @property
    def by_country(self) -> bool:
        """Whether it takes a country; the others follow the address that asks."""
        return self.kind != "hub"


CHARTS = (Source("chart", "music"), Source("chart", "movies"))
HUBS = (Source("hub", "gaming"), Source("hub", "live"), Source("hub", "podcasts"))
API_CATEGORIES: tuple[Category, ...] = ("all", "music", "gaming", "movies")
"""What the Data API's chart holds since July 2025: trending music, films and gaming."""
ORDER: tuple[Category, ...] = ("music", "gaming", "movies", "live", "podcasts", "all")

NEWS = (
    "no source lists trending news any more. What serves it: keyword_search with --query news --date-filter day "
    "--sort-by views (ytworker-keyword), or channel_scrape of the news channels that you choose (ytworker-channel)"
)


def sources_of(category: Category, country: str, chart_countries: Container[str], *, with_key: bool) -> list[Source]:
    """Choose the lists that a task reads, in the order in which they take turns.

    For ``all`` that is each category's list, in the order music, gaming, movies, live, podcasts, and after them, with a
    key, the API's mixed chart; for one category its chart or hub and after it, with a key, the API's chart of it. A
    country without charts has none of them.
    """
    charts = CHARTS if country in chart_countries else ()
    found = [source for source in (*charts, *HUBS) if category in {"all", source.category}]
    found.sort(key=lambda source: ORDER.index(source.category))
    return [*found, Source("api", category)] if with_key and category in API_CATEGORIES else found


def missing_chart(category: Category, country: str, chart_countries: Container[str]) -> str | None:
    """Name the charts that a country lacks and that were asked for, or None."""
    wanted = [source.name for source in CHARTS if category in {"all", source.category}]
    return " and ".join(wanted) if wanted and country not in chart_countries else None
