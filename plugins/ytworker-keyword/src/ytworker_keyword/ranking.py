"""Orders and scores of hits: pure functions; :mod:`ytworker.derived` has the formulas.

Scores are computed by ytworker, not by YouTube. A score is None where a count that it needs is hidden or unknown; hits
without one come last. Ties keep the order in which YouTube gave the hits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ytworker import Item, engagement_rate, like_ratio, views_per_hour
from ytworker_keyword.parameters import KeywordParameters, RankBy, SortBy

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit.

    Attributes:
        item: What is known of the video.
        position: Its place among YouTube's results, from 1.
        page: The page of results that it stood on, from 1.
        corrected: What YouTube searched for in place of the query, where it said so.
    """

    item: Item
    position: int
    page: int
    corrected: str | None = None


def age_hours(item: Item, now: datetime) -> float | None:
    """Hours since publication; None where the time is unknown or still to come."""
    if item.published_at is None or item.published_at > now:
        return None
    return (now - item.published_at).total_seconds() / HOUR


Score = Callable[[Item, datetime], float | None]

SCORES: dict[RankBy, Score] = {
    "views_per_hour": views_per_hour,
    "engagement": lambda item, _: engagement_rate(item),
    "age": age_hours,
}
SORTS: dict[SortBy, Score] = {
    "date": lambda item, _: item.published_at.timestamp() if item.published_at else None,
    "views": lambda item, _: item.metrics.views,
    "rating": lambda item, _: like_ratio(item),
}
ASCENDING = frozenset({"age"})


def in_order(hits: Sequence[Hit], params: KeywordParameters, now: datetime) -> list[tuple[Hit, float | None]]:
    """Sort hits as ``sort_by`` says, then rank them as ``rank_by`` says; each comes with its score, if it has one.

    ==============  ============================================================
    rank_by         score, best first
    ==============  ============================================================
    position        none: the order after ``sort_by``
    views_per_hour  views / hours since publication, the highest first
    engagement      (likes + comments) / views, the highest first
    age             hours since publication, the lowest (newest) first
    ==============  ============================================================

    ``sort_by`` date sorts by the time of publication, views by their number, rating by likes / views, which is what is
    left of it since dislikes are hidden; each the highest first.
    """
    ordered = list(hits)
    if sort := SORTS.get(params.sort_by):
        ordered = [hit for hit, _ in _by(ordered, sort, now, ascending=False)]
    if score := SCORES.get(params.rank_by):
        return _by(ordered, score, now, ascending=params.rank_by in ASCENDING)
    return [(hit, None) for hit in ordered]


def _by(hits: Sequence[Hit], score: Score, now: datetime, *, ascending: bool) -> list[tuple[Hit, float | None]]:
    scored = [(hit, score(hit.item, now)) for hit in hits]
    sign = 1.0 if ascending else -1.0
    return sorted(scored, key=lambda pair: (pair[1] is None, sign * (pair[1] or 0.0)))
