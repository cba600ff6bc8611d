"""What is told of a queue."""

import re
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ytworker import Service
from ytworker.engine.tally import DURATIONS
from ytworker.errors import StoreError
from ytworker.queue import Ask, Pace, Quota
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock, MemoryQueue
from ytworker_metrics import QueueCollector
from ytworker_metrics.collector import BOUNDS


def collect(service: Service, clock: FakeClock, **options: Any) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(QueueCollector(service, clock=clock, **options))
    return registry


def samples(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """Give each sample by its name and the values of its labels, as a scraper reads it."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_everything_is_told(service: Service, history: SQLiteQueue, clock: FakeClock) -> None:
    told = samples(collect(service, clock))
    assert told["ytworker_queue_oldest_ready_age_seconds", "work.db"] == 65.0
    assert {name[2]: value for name, value in told.items() if name[0] == "ytworker_queue_jobs"} == {
        "queued": 2.0,
        "claimed": 0.0,
        "scheduled": 1.0,
        "completed": 1.0,
        "dead": 1.0,
        "cancelled": 0.0,
    }
    assert told["ytworker_jobs_without_plugin", "work.db", "demo"] == 3.0
    assert (told["ytworker_workers", "alive"], told["ytworker_workers", "lapsed"]) == (1.0, 1.0)
    assert told["ytworker_source_circuit_open", "quota", "site"] == 1.0
    assert told["ytworker_source_circuit_open", "by_hand", "other"] == 1.0
    assert told["ytworker_fenced_writes_total", "work.db"] == 1.0
    assert told["ytworker_jobs_rescued_total", "work.db"] == 1.0
    assert told["ytworker_jobs_parked_total", "work.db"] == 0.0
    for name in ("ytworker_store_bytes", "ytworker_disk_free_bytes"):
        assert told[name, "work.db"] > 0
    assert told["ytworker_wal_bytes", "work.db"] >= 0
    (heartbeat,) = {value for name, value in told.items() if name[0] == "ytworker_worker_heartbeat_age_seconds"}
    assert heartbeat == 5.0
    (build,) = [name for name in told if name[0] == "ytworker_build_info"]
    assert "0.1.0" in build


def test_a_source_that_is_free_again_is_not_told(service: Service, history: SQLiteQueue, clock: FakeClock) -> None:
    clock.advance(901)
    assert not [name for name in samples(collect(service, clock)) if name[0] == "ytworker_source_circuit_open"]


def test_it_is_told_how_much_a_source_is_asked(service: Service, clock: FakeClock) -> None:
    quota = Quota("search", 100, "America/Los_Angeles")
    service.queue.admit(Ask(source="site", pace=Pace(), cost=3))
    service.queue.reserve("api", quota, 37)
    told = samples(collect(service, clock))
    assert told["ytworker_source_requests_total", "site"] == 3.0
    assert ("ytworker_source_requests_total", "api") not in told
    assert told["ytworker_quota_used_units", "search", "api"] == 37.0
    assert told["ytworker_quota_limit_units", "search", "api"] == 100.0


def test_an_empty_queue_waits_for_nothing(service: Service, clock: FakeClock) -> None:
    assert samples(collect(service, clock))["ytworker_queue_oldest_ready_age_seconds", "work.db"] == 0.0


def test_a_queue_without_a_file_has_no_size(service: Service, clock: FakeClock) -> None:
    service.queue = MemoryQueue("cheese://me:secret@host/brie", clock=clock)
    told = samples(collect(service, clock))
    assert told["ytworker_jobs_parked_total", "brie"] == 0.0
    assert not [name for name in told if "bytes" in name[0]]
    assert "secret" not in str(told)


def test_an_answer_is_kept_for_a_while(service: Service, history: SQLiteQueue, clock: FakeClock) -> None:
    registry = collect(service, clock, keep_seconds=5)
    age = "ytworker_queue_oldest_ready_age_seconds", "work.db"
    seen = []
    for seconds in (0, 4.9, 0.2, -60):
        clock.advance(seconds)
        seen.append(samples(registry)[age])
    assert seen == [65.0, 65.0, pytest.approx(70.1), pytest.approx(10.1)]


def test_registering_does_not_look_and_a_failure_passes(
    service: Service, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_queue: object) -> Any:
        msg = "the disk is gone"
        raise StoreError(msg)

    monkeypatch.setattr(SQLiteQueue, "counts", fails)
    registry = collect(service, clock)
    with pytest.raises(StoreError, match="the disk is gone"):
        generate_latest(registry)


def test_names_follow_the_rules(service: Service, history: SQLiteQueue, clock: FakeClock) -> None:
    text = generate_latest(collect(service, clock)).decode()
    names = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    assert all(name.startswith("ytworker_") for name in names)
    assert all(name.endswith("_total") for name in re.findall(r"^# TYPE (\S+) counter", text, re.MULTILINE))
    assert not [name for name in names if re.search(r"_(ms|kb|mb|minutes)(_|$)", name)]


def test_the_readme_names_every_metric(service: Service, history: SQLiteQueue, clock: FakeClock) -> None:
    from pathlib import Path

    text = generate_latest(collect(service, clock)).decode()
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    assert [name for name in re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE) if f"`{name}`" not in readme] == []


def test_what_workers_counted_is_told(service: Service, clock: FakeClock) -> None:
    service.queue.count(
        {
            "jobs|demo|ok": 3,
            "jobs|demo|dead": 1,
            "errors|demo|gone": 1,
            "duration|demo|ok|0.5": 2,
            "duration|demo|ok|+Inf": 1,
            "duration_sum|demo|ok": 1_001_500_000,
        }
    )
    told = samples(collect(service, clock))
    assert told["ytworker_jobs_total", "ok", "demo"] == 3
    assert told["ytworker_jobs_total", "dead", "demo"] == 1
    assert told["ytworker_errors_total", "gone", "demo"] == 1
    name = "ytworker_job_duration_seconds"
    buckets = [told[f"{name}_bucket", bound, "ok", "demo"] for bound in ("0.1", "0.5", "900", "+Inf")]
    assert buckets == [0, 2, 2, 3]
    assert (told[f"{name}_count", "ok", "demo"], told[f"{name}_sum", "ok", "demo"]) == (3, 1001.5)


def test_the_bounds_are_those_that_workers_count_by() -> None:
    assert (*(f"{each:g}" for each in DURATIONS), "+Inf") == BOUNDS
