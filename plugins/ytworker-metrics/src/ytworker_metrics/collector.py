"""What can be told of a queue from outside, at the moment when somebody asks.

Nothing is counted here: gauges are looked up, and counters are the queue's own, so they outlive every process. Labels
come from small sets; no task, video, channel, address or message is ever one.
"""

import platform
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ytworker import Service, TaskStatus, __version__
from ytworker.queue import SECOND, QueueFacts, TaskQueue, queue_name
from ytworker_metrics.counted import counted

_SIZES = {
    "bytes": ("ytworker_store_bytes", "Size of the queue's file."),
    "log_bytes": ("ytworker_wal_bytes", "Size of the write-ahead log beside it."),
    "free_bytes": ("ytworker_disk_free_bytes", "Free space beside the queue."),
}


class QueueCollector(Collector):
    """Gives the metrics of one queue; register it with a ``CollectorRegistry``.

    Args:
        service: The queue.
        clock: Integer UTC microseconds.
        keep_seconds: For how long an answer is given again, so that many who ask do not keep the queue busy.
    """

    def __init__(
        self,
        service: Service,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
        keep_seconds: float = 0.0,
    ) -> None:
        self._service = service
        self._clock = clock
        self._keep = round(keep_seconds * SECOND)
        self._kept: list[Metric] = []
        self._kept_at: int | None = None

    def collect(self) -> Iterable[Metric]:
        """Look at the queue.

        Raises:
            ytworker.YtworkerError: The queue cannot be read.
        """
        now = self._clock()
        if self._kept_at is None or not 0 <= now - self._kept_at < self._keep:
            self._kept, self._kept_at = list(self._look(now)), now
        return self._kept

    def describe(self) -> Iterable[Metric]:
        """Give nothing: registering must not look at the queue."""
        return []

    def _look(self, now: int) -> Iterator[Metric]:
        queue = self._service.queue
        name = queue_name(queue.url)
        yield from _tasks(self._service, name)
        yield from _workers(queue, now)
        yield _circuits(queue, now)
        yield from _uses(queue)
        yield from counted(queue, name)
        yield from _sizes(queue, name)
        yield _build()


def _tasks(service: Service, name: str) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "ytworker_queue_oldest_ready_age_seconds",
        "For how long the oldest ready task has waited, 0 where none is ready. Alert on this.",
        labels=["queue"],
    )
    age.add_metric([name], service.oldest_ready_age() or 0.0)
    yield age
    jobs = GaugeMetricFamily("ytworker_queue_jobs", "Tasks by their state.", labels=["queue", "state"])
    for state, count in service.queue.counts().items():
        jobs.add_metric([name, state.value], count)
    yield jobs
    dead = GaugeMetricFamily("ytworker_dead_letters", "Dead letters by task type.", labels=["worker"])
    for task_type, counts in sorted(service.queue.counts_by_type().items()):
        dead.add_metric([task_type], counts[TaskStatus.DEAD])
    yield dead
    stuck = GaugeMetricFamily(
        "ytworker_jobs_without_plugin",
        "Tasks that wait because the plugin of their type cannot be used here.",
        labels=["queue", "worker"],
    )
    waiting = service.queue.waiting()
    for task_type in service.waiting_for_plugins():
        stuck.add_metric([name, task_type], waiting.get(task_type, 0))
    yield stuck


def _workers(queue: TaskQueue, now: int) -> Iterator[Metric]:
    found = queue.workers()
    alive = sum(worker.lease_until >= now for worker in found)
    states = GaugeMetricFamily("ytworker_workers", "Workers by whether their lease holds.", labels=["state"])
    states.add_metric(["alive"], alive)
    states.add_metric(["lapsed"], len(found) - alive)
    yield states
    ages = GaugeMetricFamily(
        "ytworker_worker_heartbeat_age_seconds", "How long ago a worker renewed its lease.", labels=["instance"]
    )
    for worker in found:
        ages.add_metric([f"{worker.host}:{worker.pid}"], max(0, now - worker.seen_at) / SECOND)
    yield ages


def _circuits(queue: TaskQueue, now: int) -> Metric:
    circuits = GaugeMetricFamily(
        "ytworker_source_circuit_open",
        "1 while nobody asks a source, with the class of the reason; by_hand where somebody paused it.",
        labels=["source", "reason"],
    )
    for source in queue.sources():
        if (source.paused_until or 0) > now:
            circuits.add_metric([source.name, "config" if source.paused_by else "by_hand"], 1)
        elif (source.cooling_until or 0) > now:
            circuits.add_metric([source.name, source.error_class.value if source.error_class else "unknown"], 1)
    return circuits


def _uses(queue: TaskQueue) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "ytworker_source_requests", "Requests that the budget of a source let go.", labels=["source"]
    )
    labels = ["source", "bucket"]
    used = GaugeMetricFamily("ytworker_quota_used_units", "Used units of a daily quota.", labels=labels)
    limit = GaugeMetricFamily("ytworker_quota_limit_units", "Units of a daily quota.", labels=labels)
    for use in queue.usage():
        if use.per_hour is not None:
            requests.add_metric([use.name], use.requests)
        for quota in use.quotas:
            used.add_metric([use.name, quota.bucket], quota.used)
            limit.add_metric([use.name, quota.bucket], quota.limit)
    yield from (requests, used, limit)


def _sizes(queue: TaskQueue, name: str) -> Iterator[Metric]:
    facts = queue.facts() if isinstance(queue, QueueFacts) else {}
    for fact, (metric, text) in _SIZES.items():
        if isinstance(facts.get(fact), int):
            family = GaugeMetricFamily(metric, text, labels=["queue"])
            family.add_metric([name], int(facts[fact]))
            yield family


def _build() -> Metric:
    names = ["version", "ytdlp", "python"]
    build = GaugeMetricFamily("ytworker_build_info", "1, with the versions that are installed here.", labels=names)
    build.add_metric([__version__, _version_of("yt-dlp"), platform.python_version()], 1)
    return build


def _version_of(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
