"""Figures computed from an item: by ytworker, not by the site it came from, and never stored beside what the site said.

Each function is pure and gives None where it has nothing to compute from: a count that is unknown or hidden (which is
not 0), no views at all, no time of publication, or one that lies ahead. A figure is as precise as the least precise
count in it; :func:`precision` tells.
"""

from datetime import datetime, timedelta
from typing import Literal

from ytworker.model import Item

Metric = Literal["views", "likes", "comments"]

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def engagement_rate(item: Item) -> float | None:
    """Compute ``(likes + comments) / views``: reactions for each view, usually between 0 and 0.2.

    None unless all three counts are known. Note that one person may like, comment and view several times.
    """
    metrics = item.metrics
    if metrics.likes is None or metrics.comments is None:
        return None
    return _share(metrics.likes + metrics.comments, metrics.views)


def like_ratio(item: Item) -> float | None:
    """Compute ``likes / views``; dislikes, with which likes were compared once, are not public any more."""
    return _share(item.metrics.likes, item.metrics.views)


def views_per_hour(item: Item, now: datetime) -> float | None:
    """Compute ``views / hours since publication``, over the item's whole life and by its real age, not by full days.

    Args:
        item: Whose views.
        now: When these were counted; aware.
    """
    return _rate(item, now, HOUR)


def views_per_day(item: Item, now: datetime) -> float | None:
    """Compute ``views / days since publication``: 24 times :func:`views_per_hour`, also within the first day."""
    return _rate(item, now, DAY)


def precision(item: Item, *metrics: Metric) -> Literal["exact", "rounded"] | None:
    """Tell how far a figure made of these counts can be trusted.

    Returns:
        ``exact`` where all of them are, ``rounded`` where one is, None where nobody said so of one.
    """
    found = {getattr(item.metrics.precision, name) for name in metrics}
    if "rounded" in found:
        return "rounded"
    return "exact" if found == {"exact"} else None


def _share(part: int | None, views: int | None) -> float | None:
    return part / views if part is not None and views else None


def _rate(item: Item, now: datetime, unit: timedelta) -> float | None:
    if item.metrics.views is None or item.published_at is None:
        return None
    age = now - item.published_at
    return item.metrics.views / (age / unit) if age > timedelta(0) else None
