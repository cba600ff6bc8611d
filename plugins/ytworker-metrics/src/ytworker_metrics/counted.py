"""What was counted elsewhere and is told here: by workers of their attempts, by the queue of what it stores.

The names of the counters are those of ytworker's engine/tally.py and of :class:`ytworker.queue.TaskQueue`.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ytworker.queue import (
    DURATIONS,
    ITEM_FIELDS,
    SECOND,
    WAITS,
    Change,
    Origin,
    TaskQueue,
    bucket_names,
    counter_name,
    labels_of,
)

QUEUE_COUNTERS = {
    "stale_writes": (
        "ytworker_fenced_writes",
        "Writes of workers that had lost their task; refused. Should hardly grow.",
    ),
    "lapsed_leases": (
        "ytworker_leases_expired",
        "Workers that stopped or hung and lost their lease. Should hardly grow.",
    ),
    "rescued": ("ytworker_jobs_rescued", "Tasks that were taken over from workers that died. Should hardly grow."),
    "parked": ("ytworker_jobs_parked", "Stored tasks that could not be read and were buried. Should stay 0."),
    "busy": ("ytworker_db_busy", "Statements that found the store locked by another process and had to wait."),
    "claim_conflicts": ("ytworker_claim_conflicts", "Claims among those that had to wait for another process."),
}
"""The queue's own counters by their metric and its help; Prometheus adds ``_total``."""


def counted(queue: TaskQueue, name: str) -> Iterator[Metric]:
    """Give everything that was counted.

    Args:
        queue: Whose counters.
        name: Its label.
    """
    for counter, (metric, text) in QUEUE_COUNTERS.items():
        family = CounterMetricFamily(metric, text, labels=["queue"])
        family.add_metric([name], queue.counter(counter))
        yield family
    yield _counter(queue, "jobs", "Attempts by how they ended.", ["worker", "outcome"])
    yield _counter(queue, "errors", "Failures by their class.", ["worker", "error_class"])
    yield _durations(queue)
    yield _waits(queue, name)
    yield _counter(queue, "enqueued", "New tasks by who put them in.", ["worker", "origin"], Origin)
    yield _counter(queue, "items", "Sights of items by what they changed.", ["worker", "change"], Change)
    yield _paced(queue)
    yield _successes(queue)
    yield from _fields(queue)


def _counter(
    queue: TaskQueue, kind: str, text: str, labels: list[str], words: Iterable[str] = ()
) -> CounterMetricFamily:
    """Give a counter; where all words of its last label are known, those that never counted are told as 0."""
    family = CounterMetricFamily(f"ytworker_{kind}", text, labels=labels)
    found = _found(queue, kind, len(labels))
    zeros = {(worker, str(word)) for worker, _ in found for word in words}
    for which in sorted(zeros | found.keys()):
        family.add_metric(which, found.get(which, 0))
    return family


def _durations(queue: TaskQueue) -> Metric:
    family = HistogramMetricFamily(
        "ytworker_job_duration_seconds", "How long attempts took, from claim to report.", labels=["worker", "outcome"]
    )
    found: dict[tuple[str, ...], dict[str, int]] = {}
    for (*labels, bound), count in _found(queue, "duration", 3).items():
        found.setdefault(tuple(labels), {})[bound] = count
    sums = _found(queue, "duration_sum", 2)
    for which, counts in sorted(found.items()):
        family.add_metric(which, _buckets(counts, DURATIONS), sum_value=sums.get(which, 0) / SECOND)
    return family


def _waits(queue: TaskQueue, name: str) -> Metric:
    family = HistogramMetricFamily(
        "ytworker_job_wait_seconds",
        "How long tasks were ready, or due, before a worker claimed them.",
        labels=["queue"],
    )
    counts = {bound: count for (bound,), count in _found(queue, "wait", 1).items()}
    family.add_metric([name], _buckets(counts, WAITS), sum_value=queue.counter("wait_sum") / SECOND)
    return family


def _paced(queue: TaskQueue) -> Metric:
    text = "Time that attempts waited for their turn with a source."
    return _in_seconds(queue, "paced", CounterMetricFamily("ytworker_source_wait_seconds", text, labels=["source"]))


def _successes(queue: TaskQueue) -> Metric:
    name, text = "ytworker_last_success_timestamp_seconds", "When an attempt ended well last, as Unix time."
    return _in_seconds(queue, "success", GaugeMetricFamily(name, text, labels=["worker"]))


def _in_seconds(queue: TaskQueue, kind: str, family: CounterMetricFamily | GaugeMetricFamily) -> Metric:
    """Fill a family of one label with counters that are kept in microseconds."""
    for label, value in sorted(_found(queue, kind, 1).items()):
        family.add_metric(label, value / SECOND)
    return family


def _fields(queue: TaskQueue) -> Iterator[Metric]:
    """Give the share of items without a field, of the two windows that workers keep; a type has a line for each."""
    found: dict[str, dict[str, int]] = {}
    for (worker, _window, field), count in _found(queue, "fields", 3).items():
        fields = found.setdefault(worker, {})
        fields[field] = fields.get(field, 0) + count
    looked_at = GaugeMetricFamily(
        "ytworker_field_null_ratio_items", "Latest items that the null ratio is taken of.", labels=["worker"]
    )
    ratio = GaugeMetricFamily(
        "ytworker_field_null_ratio", "Share of the latest items that lack a field.", labels=["worker", "field"]
    )
    for worker, fields in sorted(found.items()):
        items = fields.get("", 0)
        looked_at.add_metric([worker], items)
        for field in ITEM_FIELDS if items else ():
            ratio.add_metric([worker, field], min(1.0, fields.get(field, 0) / items))
    yield from (ratio, looked_at)


def _buckets(counts: Mapping[str, int], bounds: Iterable[float]) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for bound in bucket_names(bounds):
        total += counts.get(bound, 0)
        buckets.append((bound, float(total)))
    return buckets


def _found(queue: TaskQueue, kind: str, labels: int) -> dict[tuple[str, ...], int]:
    return {labels_of(name, labels): count for name, count in queue.counters(counter_name(kind, "")).items()}
