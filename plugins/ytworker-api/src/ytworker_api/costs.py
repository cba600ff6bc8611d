"""What a task costs, before anybody is asked: pure figures.

Since 1 June 2026 YouTube keeps three quotas for a project, each for a day that ends at midnight Pacific
(developers.google.com/youtube/v3/determine_quota_cost): ``search.list`` 100 calls, ``videos.batchGetStats`` 10,000
calls, and 10,000 units for everything else that ytworker asks.
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from ytworker_api.parameters import ApiParameters

PAGE = 50
"""The most that one call gives: ids of videos, entries of a list."""

Bucket = Literal["units", "search", "statistics"]
ZONE = "America/Los_Angeles"

PRICES: dict[str, tuple[Bucket, int]] = {
    "channels.list": ("units", 1),
    "playlistItems.list": ("units", 1),
    "videos.list": ("units", 1),
    "search.list": ("search", 1),
    "videos.batchGetStats": ("statistics", 1),
}
"""Of each method that is called: which quota pays, and how much for a call. A call that is refused costs as much."""


@dataclass(frozen=True, slots=True)
class Cost:
    """How much of each quota."""

    units: int = 0
    search: int = 0
    statistics: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            units=self.units + other.units,
            search=self.search + other.search,
            statistics=self.statistics + other.statistics,
        )

    def __str__(self) -> str:
        names = {"units": "unit", "search": "search call", "statistics": "statistics call"}
        costs = {name: getattr(self, name) for name in names if getattr(self, name)}
        return " and ".join(f"{cost} {names[name]}{'s' if cost > 1 else ''}" for name, cost in costs.items())


def plan(params: ApiParameters) -> Cost:
    """Say what a task costs at the most.

    ==========  ==========================================================================================
    resource    cost, with n for the number of videos
    ==========  ==========================================================================================
    videos      ⌈n / 50⌉ units; with statistics and contentDetails alone as many statistics calls instead
    channel     2 ⌈n / 50⌉ units, and 1 more from a handle
    search      ⌈n / 50⌉ search calls and as many units
    chart       ⌈n / 50⌉ units
    ==========  ==========================================================================================

    Less where there are fewer videos; more where YouTube's pages are short, where a list is missing (1 unit to learn
    why), and where a call has to be made again.
    """
    calls = ceil(params.count / PAGE)
    if params.resource == "search":
        return Cost(search=calls, units=calls)
    if params.resource == "channel":
        return Cost(units=2 * calls + (params.channel or "").startswith("@"))
    return Cost(statistics=calls) if params.statistics_only else Cost(units=calls)
