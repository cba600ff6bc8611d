"""Workers that really run: what they did is told afterwards, by whichever of them it was done."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

PLUGIN = """
from ytworker import GoneError, hookimpl

@hookimpl
def get_task_type():
    return "demo"

@hookimpl
def scrape(params, context):
    if params.get("gone"):
        raise GoneError("no such channel")
    if not params.get("child"):
        context.enqueue("demo", {"child": 1})
    context.budget("site").acquire()
    yield {"source": "s", "kind": "video", "id": "1", "title": "t", "metrics": {"views": 1}}
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker plugin, as pip would have put it there."""
    site = tmp_path / "site"
    info = site / "metrics_demo-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "metrics_demo.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: metrics-demo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ytworker.workers]\ndemo = metrics_demo\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("metrics_demo", None)


@pytest.mark.usefixtures("plugin")
def test_what_two_workers_did_is_told(program: Any) -> None:
    program("enqueue", "demo")
    program("enqueue", "demo", "--param", "gone=1")
    assert program("run", "--until-empty").code == 0  # with children
    program("enqueue", "demo", "--param", "child=1")
    assert program("run", "--until-empty", "--inline").code == 0
    text = program("metrics").out
    told = {
        (sample.name, *(value for name, value in sample.labels.items() if name != "queue")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert told["ytworker_enqueued_total", "cli", "demo"] == 3
    assert told["ytworker_enqueued_total", "parent", "demo"] == 1
    assert told["ytworker_jobs_total", "ok", "demo"] == 3
    assert told["ytworker_jobs_total", "dead", "demo"] == told["ytworker_dead_letters", "demo"] == 1
    assert told["ytworker_items_total", "new", "demo"] == 1
    assert told["ytworker_items_total", "same", "demo"] == 2
    assert told["ytworker_job_wait_seconds_count",] == 4
    assert told["ytworker_job_wait_seconds_bucket", "+Inf"] == 4
    assert told["ytworker_field_null_ratio_items", "demo"] == 3
    assert told["ytworker_field_null_ratio", "metrics.views", "demo"] == 0
    assert told["ytworker_field_null_ratio", "metrics.likes", "demo"] == 1
    assert told["ytworker_last_success_timestamp_seconds", "demo"] > 1_700_000_000
    assert told["ytworker_source_requests_total", "site"] == 3
