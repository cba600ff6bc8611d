"""Signals that end ``ytworker scrape``: the task goes back to the queue as if nobody had touched it."""

import json
import signal
from pathlib import Path

import pytest

from plugin_helpers import ONE_ITEM, Program, Until, Zoo

pytest_plugins = ["plugin_fixtures"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_in_a_scrape_gives_the_task_back(
    program: Program, zoo: Zoo, until: Until, home: Path, number: signal.Signals
) -> None:
    started = "import os, pathlib\npathlib.Path(os.environ['HOME'], 'started').touch()\n"
    zoo.worker("demo", f"{started}{ONE_ITEM}\ncontext.sleep(60)")
    process = program.start("scrape", "demo")
    try:
        until((home / "started").exists)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out) == (130, b"")
    assert b"queued again" in err
    assert b"Traceback" not in err
    (task,) = json.loads(program("tasks", "list", "--json").out)
    assert (task["state"], task["attempt"]) == ("queued", 0)
    assert json.loads(program("items", "list", "--json").out) == []


def test_a_worker_under_nohup_outlives_its_terminal(program: Program, zoo: Zoo, until: Until, home: Path) -> None:
    started = "import os, pathlib\npathlib.Path(os.environ['HOME'], 'started').touch()\n"
    body = f"{started}while not pathlib.Path(os.environ['HOME'], 'go').exists(): context.sleep(0.01)\n{ONE_ITEM}"
    zoo.worker("demo", body)
    program("enqueue", "demo")
    program("enqueue", "demo")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = program.start("run", "--until-empty")
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        until((home / "started").exists)
        process.send_signal(signal.SIGHUP)
        (home / "go").touch()
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert [task["state"] for task in json.loads(program("tasks", "list", "--json").out)] == ["completed"] * 2
