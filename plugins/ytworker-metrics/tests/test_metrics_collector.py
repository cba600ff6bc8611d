"""What is told of a queue."""

import re
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ytworker import Service
from ytworker.engine.sighting import Lookout
from ytworker.engine.tally import WINDOW, Tally
from ytworker.errors import StoreError
from ytworker.model import Item, Metrics, NewTask, Origin, Outcome, Sights, TaskResult
from ytworker.queue import DURATIONS, ITEM_FIELDS, WAITS, Ask, FIFOStrategy, Pace, Quota, bucket_names, counter_name
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock, MemoryQueue
from ytworker_metrics import QueueCollector


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
    assert told["ytworker_leases_expired_total", "work.db"] == 1.0
    assert told["ytworker_db_busy_total", "work.db"] == told["ytworker_claim_conflicts_total", "work.db"] == 0.0
    assert told["ytworker_dead_letters", "demo"] == 1.0
    assert told["ytworker_enqueued_total", "api", "demo"] == 5.0
    assert told["ytworker_enqueued_total", "cli", "demo"] == told["ytworker_enqueued_total", "parent", "demo"] == 0.0
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


def test_waits_and_paces_are_told_in_seconds(service: Service, clock: FakeClock) -> None:
    service.queue.count({"wait|0.01": 2, "wait|600": 1, "wait_sum": 400_500_000, "paced|site": 1_500_000})
    service.queue.count({"paced|a|b": 1}, latest={"success|demo": clock() - 60 * 1_000_000})
    told = samples(collect(service, clock))
    name = "ytworker_job_wait_seconds"
    assert [told[f"{name}_bucket", bound, "work.db"] for bound in ("0.01", "300", "600", "+Inf")] == [2, 2, 3, 3]
    assert (told[f"{name}_count", "work.db"], told[f"{name}_sum", "work.db"]) == (3, 400.5)
    assert told["ytworker_source_wait_seconds_total", "site"] == 1.5
    assert told["ytworker_source_wait_seconds_total", "a|b"] == 0.000001
    assert told["ytworker_last_success_timestamp_seconds", "demo"] == clock() / 1_000_000 - 60


def test_every_change_of_a_worker_that_found_items_is_told(service: Service, clock: FakeClock) -> None:
    service.queue.count({"items|demo|new": 3, "items|a|b|tombstone": 2})
    told = samples(collect(service, clock))
    changes = {name[1:]: value for name, value in told.items() if name[0] == "ytworker_items_total"}
    assert len(changes) == 10
    assert {which: value for which, value in changes.items() if value} == {("new", "demo"): 3, ("tombstone", "a|b"): 2}


def test_the_null_ratio_is_that_of_the_latest_two_windows(service: Service, clock: FakeClock) -> None:
    service.queue.count({"fields|demo|6|": 500, "fields|demo|6|title": 0, "fields|demo|6|metrics.views": 100})
    service.queue.count({"fields|demo|7|": 100, "fields|demo|7|metrics.views": 50, "fields|demo|7|tags": 100})
    told = samples(collect(service, clock))
    ratios = {name[1]: value for name, value in told.items() if name[0] == "ytworker_field_null_ratio"}
    assert ratios.keys() == set(ITEM_FIELDS)
    assert (ratios["metrics.views"], ratios["title"], ratios["tags"]) == (0.25, 0.0, pytest.approx(1 / 6))
    assert told["ytworker_field_null_ratio_items", "demo"] == 600


def test_a_null_ratio_without_items_is_not_told(service: Service, clock: FakeClock) -> None:
    service.queue.count({"fields|demo|7|title": 1})
    told = samples(collect(service, clock))
    assert not [name for name in told if name[0] == "ytworker_field_null_ratio"]


def test_drift_of_a_field_is_seen_within_two_windows(service: Service, clock: FakeClock) -> None:
    def scrape(views: int | None) -> None:
        items = [Item(source="s", id=str(n), title="t", metrics=Metrics(views=views)) for n in range(WINDOW)]
        lookout = Lookout()
        for each in items:
            lookout.see(each)
        service.queue.enqueue([NewTask(type="demo", params={})])
        (claim,) = service.queue.claim(service.queue.add_worker(lease_seconds=60), FIFOStrategy, ["demo"])
        tally = Tally(service.queue)
        tally.take(claim, TaskResult(success=True, data=tuple(items), sights=lookout.tell()), None, clock())
        tally.add()

    seen = []
    for views in (1, 1, None, None):
        scrape(views)
        seen.append(samples(collect(service, clock))["ytworker_field_null_ratio", "metrics.views", "demo"])
    assert seen == [0.0, 0.0, 0.5, 1.0]  # a stored record would hide it: a value stays until a newer one comes


def test_what_two_workers_count_is_added(service: Service, clock: FakeClock) -> None:
    result = TaskResult(success=True, sights=Sights(2, {"title": 1}, {"site": 500_000}))
    for _ in range(2):
        queue = service.queue.connect()
        queue.enqueue([NewTask(type="demo", params={}, origin=Origin.CLI)])
        clock.advance(5)
        (claim,) = queue.claim(queue.add_worker(lease_seconds=60), FIFOStrategy, ["demo"])
        queue.finish(claim, [Item(source="s", id="1")], Outcome.OK)
        tally = Tally(queue)
        tally.take(claim, result, None, clock())
        tally.add()
        queue.close()
    told = samples(collect(service, clock))
    assert told["ytworker_enqueued_total", "cli", "demo"] == 2
    assert told["ytworker_items_total", "new", "demo"] == told["ytworker_items_total", "same", "demo"] == 1
    assert told["ytworker_source_wait_seconds_total", "site"] == 1.0
    assert told["ytworker_job_wait_seconds_sum", "work.db"] == 10.0
    assert told["ytworker_field_null_ratio", "title", "demo"] == 0.5
    assert told["ytworker_last_success_timestamp_seconds", "demo"] == clock() / 1_000_000


def test_a_task_type_may_have_any_name(service: Service, clock: FakeClock) -> None:
    kind = 'a|b"\n\\é'
    service.queue.enqueue([NewTask(type=kind, params={})])
    service.queue.count({f"jobs|{kind}|ok": 1, f"duration|{kind}|ok|0.1": 1, f"fields|{kind}|0|": 1})
    told = samples(collect(service, clock))
    assert told["ytworker_jobs_total", "ok", kind] == told["ytworker_enqueued_total", "api", kind] == 1
    assert told["ytworker_job_duration_seconds_count", "ok", kind] == 1
    assert told["ytworker_field_null_ratio", "tags", kind] == 0


def test_the_buckets_are_those_that_workers_count_by(service: Service, clock: FakeClock) -> None:
    durations, waits = bucket_names(DURATIONS), bucket_names(WAITS)
    service.queue.count({counter_name("duration", "demo", "ok", bound): 1 for bound in durations})
    service.queue.count({counter_name("wait", bound): 1 for bound in waits})
    told = samples(collect(service, clock))
    for number, bound in enumerate(durations, 1):
        assert told["ytworker_job_duration_seconds_bucket", bound, "ok", "demo"] == number
    for number, bound in enumerate(waits, 1):
        assert told["ytworker_job_wait_seconds_bucket", bound, "work.db"] == number
