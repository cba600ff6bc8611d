"""Orders and scores of hits: pure functions, with the formulas in words.

Scores are computed by ytworker, not by YouTube. A score is None where a count that it needs is hidden or unknown; hits
without one come last. Ties keep the order in which YouTube gave the hits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ytworker import Item
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


def views_per_hour(item: Item, now: datetime) -> float | None:
    """Views / hours since publication, a video of less than an hour counting as one hour old.

    It is the mean over the whole life of the video, not its present speed.
    """
    age = age_hours(item, now)
    return None if age is None or item.metrics.views is None else item.metrics.views / max(age, 1.0)


def engagement(item: Item, _now: datetime) -> float | None:
    """(Likes + comments) / views. Likes that are hidden give None; comments that are turned off count as none."""
    views, likes = item.metrics.views, item.metrics.likes
    return (likes + (item.metrics.comments or 0)) / views if views and likes is not None else None


def like_ratio(item: Item, _now: datetime) -> float | None:
    """Likes / views: what is left of "rating", since YouTube hides dislikes and dropped the order."""
    views, likes = item.metrics.views, item.metrics.likes
    return likes / views if views and likes is not None else None


Score = Callable[[Item, datetime], float | None]

SCORES: dict[RankBy, Score] = {"views_per_hour": views_per_hour, "engagement": engagement, "age": age_hours}
SORTS: dict[SortBy, Score] = {
    "date": lambda item, _: item.published_at.timestamp() if item.published_at else None,
    "views": lambda item, _: item.metrics.views,
    "rating": like_ratio,
}
ASCENDING = frozenset({"age"})


def in_order(hits: Sequence[Hit], params: KeywordParameters, now: datetime) -> list[tuple[Hit, float | None]]:
    """Sort hits as ``sort_by`` says, then rank them as ``rank_by`` says; each comes with its score, if it has one.

    ==============  =====================================================
    rank_by         score, best first
    ==============  =====================================================
    position        the place after ``sort_by``, the lowest first
    views_per_hour  :func:`views_per_hour`, the highest first
    engagement      :func:`engagement`, the highest first
    age             :func:`age_hours`, the lowest (newest) first
    ==============  =====================================================
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
