"""``ytworker api-plan``, and what importing the plugin costs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import ytworker
from ytworker import Service
from ytworker.queue import Quota
from ytworker_api.command import app

Run = Callable[..., Result]


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return f"sqlite://{tmp_path}/queue.db"


@pytest.fixture
def run(queue: str) -> Run:
    """Run the command as the program does, with one queue."""

    class State:
        def service(self) -> Service:
            return ytworker.open(queue)

    return lambda *arguments: CliRunner().invoke(app, list(arguments), obj=State())


def test_the_cost_of_one_task(run: Run) -> None:
    done = run("resource=channel", "channel=@NASA", "top_n=5000")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "QUOTA        COST   A DAY",
        "units         201  10,000",
        "search          0     100",
        "statistics      0  10,000",
    ]


def test_the_cost_of_many_tasks_as_json(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    tasks = [
        {"type": "api_scrape", "params": {"resource": "search", "query": "deep sea", "top_n": 200}},
        {"type": "channel_scrape", "params": {"channel_url": "@NASA"}},
        {"params": {"resource": "videos", "ids": ["dQw4w9WgXcQ"], "parts": ["statistics"]}},
    ]
    file.write_text("".join(f"{json.dumps(task)}\n\n" for task in tasks))
    done = run("--from-file", str(file), "--json")
    told = json.loads(done.stdout)
    assert (told["tasks"], told["used"]) == (2, [])
    assert told["quotas"] == {
        "units": {"cost": 4, "per_day": 10_000},
        "search": {"cost": 4, "per_day": 100},
        "statistics": {"cost": 1, "per_day": 10_000},
    }


def test_a_value_is_text_or_a_list(run: Run) -> None:
    assert run("resource=videos", 'ids=["dQw4w9WgXcQ"]').exit_code == 0
    assert run("resource=videos", "ids=12345678901").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give the parameters of a task"),
        (("resource",), "is no NAME=VALUE"),
        (("resource=videos",), "videos needs ids"),
        (("resource=videos", "ids=x"), "ids: 'x': a video id"),
        (("--from-file", "/nowhere/tasks.jsonl"), "cannot be read"),
        (("--from-file", "/dev/zero"), "/dev/zero, line 1: write"),
    ],
)
def test_mistakes_are_usage_errors(run: Run, arguments: tuple[str, ...], told: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert told in done.stderr


@pytest.mark.parametrize("line", ["no json", "[]", '{"params": []}'])
def test_a_line_that_is_no_task(run: Run, tmp_path: Path, line: str) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(line)
    done = run("--from-file", str(file))
    assert done.exit_code == 2
    assert "line 1: write" in done.stderr


def test_the_limits_are_those_of_the_settings_and_what_is_used_is_told(
    run: Run, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YTWORKER_PLUGINS__API_SCRAPE__SEARCHES_PER_DAY", "500")
    source = "youtube data api with key 1a2b3c4d"
    with ytworker.open(queue) as service:
        service.queue.reserve(source, Quota("search", 500, "America/Los_Angeles"), 7)
        service.queue.reserve("somebody else", Quota("search", 500, "America/Los_Angeles"), 7)
    done = run("resource=search", "query=x")
    assert "search          1     500" in done.stdout
    assert done.stderr == f"{source} has used 7 of search today\n"
    monkeypatch.setenv("YTWORKER_PLUGINS__API_SCRAPE__SEARCHES_PER_DAY", "many")
    done = run("resource=search", "query=x")
    assert (done.exit_code, "plugins.api_scrape.searches_per_day" in done.stderr) == (2, True)


def test_importing_the_plugin_imports_no_client() -> None:
    clients = {"googleapiclient", "httplib2", "yt_dlp", "requests", "typer"}
    code = f"import sys, ytworker_api; ytworker_api.YouTubeAPIWorker; print({clients} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")
