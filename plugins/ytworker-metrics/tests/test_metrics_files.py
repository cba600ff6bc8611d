"""The dashboard and the alert rules: they name what the collector tells, and nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ytworker import Service
from ytworker.queue import Ask, Pace, Quota
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock
from ytworker_metrics import QueueCollector
from ytworker_metrics.files import ALERTS, DASHBOARD, read_file

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
C5 = {
    "ytworker_queue_oldest_ready_age_seconds", "ytworker_queue_jobs", "ytworker_job_wait_seconds",
    "ytworker_job_duration_seconds", "ytworker_jobs_total", "ytworker_enqueued_total", "ytworker_errors_total",
    "ytworker_dead_letters", "ytworker_leases_expired_total", "ytworker_fenced_writes_total",
    "ytworker_claim_conflicts_total", "ytworker_workers", "ytworker_worker_heartbeat_age_seconds",
    "ytworker_source_requests_total", "ytworker_source_wait_seconds_total", "ytworker_source_circuit_open",
    "ytworker_quota_used_units", "ytworker_quota_limit_units", "ytworker_items_total", "ytworker_field_null_ratio",
    "ytworker_last_success_timestamp_seconds", "ytworker_store_bytes", "ytworker_wal_bytes", "ytworker_db_busy_total",
    "ytworker_build_info",
}  # fmt: skip
"""Every name of the contract but the lag of schedules, which there are none of."""

# A line of the alert rules: we write no more of YAML than this, and no reader of it is needed.
RULE = re.compile(
    r"      - alert: (?P<alert>[A-Z]\w+)\n"
    r"        expr: (?P<expr>[^\n#]+)\n"
    r"(?:        for: \d+[mh]\n)?"
    r"        annotations:\n"
    r"          summary: \"(?P<summary>[^\"\n]+)\"\n"
)
HEAD = re.compile(r"(?:# [^\n]*\n)*groups:\n  - name: ytworker\n    rules:\n")


@pytest.fixture
def labels(service: Service, history: SQLiteQueue, clock: FakeClock) -> dict[str, set[str]]:
    """The labels of each metric that the collector tells, by the name that a query says."""
    words = {"jobs|demo|ok": 1, "errors|demo|bug": 1, "duration|demo|ok|0.1": 1, "items|demo|new": 1, "paced|site": 1}
    history.count({**words, "fields|demo|0|": 1}, latest={"success|demo": 1})
    history.reserve("api", Quota("search", 100, "America/Los_Angeles"), 37)
    history.admit(Ask(source="free", pace=Pace()))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(QueueCollector(service, clock=clock))
    text = generate_latest(registry).decode()
    found = {name: set() for name in re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def rules() -> list[re.Match[str]]:
    return list(RULE.finditer(read_file(ALERTS)))


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(read_file(DASHBOARD))["panels"]
    return found


def queries() -> list[tuple[str, str]]:
    """Give each expression with the text that shows its labels."""
    shown = [(rule["expr"], rule["summary"]) for rule in rules()]
    return shown + [(each["expr"], each["legendFormat"]) for panel in panels() for each in panel["targets"]]


def test_every_name_of_the_contract_is_told(labels: dict[str, set[str]]) -> None:
    assert set(labels) >= C5
    assert "ytworker_schedule_lag_seconds" not in labels


def test_the_rules_are_well_formed() -> None:
    text = read_file(ALERTS)
    assert RULE.sub("", HEAD.sub("", text, count=1)) == ""
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 9
    assert [rule["expr"] for rule in rules() if rule["expr"].strip() != rule["expr"] or ": " in rule["expr"]] == []


def test_every_rule_that_was_promised_is_there() -> None:
    text = read_file(ALERTS)
    for what in (
        "ytworker_queue_oldest_ready_age_seconds > 600",
        "time() - ytworker_last_success_timestamp_seconds >",
        "[6h])) > 0.05",
        "ytworker_source_circuit_open == 1\n        for: 1h",
        "delta(ytworker_dead_letters",
        "increase(ytworker_fenced_writes_total[1h]) > 0",
        "ytworker_quota_limit_units > 0.9",
        "ytworker_field_null_ratio offset 1d >",
    ):
        assert what in text
    assert [rule["alert"] for rule in rules() if f"`{rule['alert']}`" not in README] == []


def test_queries_name_only_what_is_told(labels: dict[str, set[str]]) -> None:
    named = {name for expr, _ in queries() for name in re.findall(r"ytworker_\w+", expr)}
    assert len(named) > 25
    assert named - set(labels) == set()


def test_queries_name_only_labels_that_their_metrics_have(labels: dict[str, set[str]]) -> None:
    for expr, shown in queries():
        has = set.union(*(labels[name] for name in re.findall(r"ytworker_\w+", expr)))
        asked = {each.strip() for inside in re.findall(r"(?:by|on) \(([^)]*)\)", expr) for each in inside.split(",")}
        asked |= set(re.findall(r"[{,](\w+)=", expr)) | set(re.findall(r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}", shown))
        assert asked <= has, expr


def test_brackets_of_queries_are_closed() -> None:
    for expr, _ in queries():
        for opens, closes in ("()", "[]", "{}"):
            assert expr.count(opens) == expr.count(closes), expr


def test_every_name_of_the_contract_is_on_the_dashboard_or_in_a_rule() -> None:
    text = read_file(DASHBOARD) + read_file(ALERTS)
    assert [name for name in C5 if name not in text] == []


def test_panels_do_not_cover_each_other_and_name_their_source() -> None:
    places: set[tuple[int, int]] = set()
    for panel in panels():
        grid = panel["gridPos"]
        here = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert not places & here, panel["title"]
        assert max(x for x, _ in here) < 24
        assert panel["datasource"]["uid"] == "${datasource}"
        places |= here
    assert len({panel["id"] for panel in panels()}) == len(panels())


# -- the command


def test_the_dashboard_and_the_rules_are_printed_without_a_queue(program: Any, home: Path) -> None:
    assert json.loads(program("metrics", "--dashboard").out)["title"] == "ytworker"
    assert program("metrics", "--alerts").out == read_file(ALERTS)
    assert not list(home.rglob("*.db"))


def test_only_one_thing_is_printed(program: Any) -> None:
    done = program("metrics", "--dashboard", "--alerts")
    assert (done.code, done.out) == (2, "")
