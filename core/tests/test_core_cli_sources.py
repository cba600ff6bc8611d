"""``sources`` and ``workers``: who must not be asked, and who works."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import Program, Zoo
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

pytest_plugins = ["plugin_fixtures"]


def shown(program: Program, *arguments: str) -> Any:
    done = program(*arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_a_source_is_paused_and_resumed_by_hand(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "context.budget('site').acquire()\nreturn []")
    done = program("sources", "pause", "site", "--reason", "the exhibition is on")
    assert (done.code, done.out) == (0, "")
    assert "site is paused until it is resumed" in done.err
    assert "nothing of that name ever had to rest" in done.err
    (source,) = shown(program, "sources", "list")
    assert source == {
        "name": "site",
        "state": "paused",
        "until": None,
        "class": None,
        "reason": "the exhibition is on",
        "strikes": 0,
    }
    assert "it is resumed" in program("sources", "list").out
    program("enqueue", "demo")
    program("run", "--until-empty")
    task = shown(program, "tasks", "show", "1")
    assert (task["state"], task["attempt"]) == ("scheduled", 0)
    assert "paused by hand: the exhibition is on; `ytworker sources resume 'site'`" in task["reason"]
    assert program("scrape", "demo").code == 1
    assert program("sources", "resume", "site").code == 0
    assert shown(program, "sources", "list")[0]["state"] == "free"
    program("run", "--until-empty")
    assert shown(program, "tasks", "show", "1")["state"] == "completed"


@pytest.mark.parametrize("end", [["--for", "2h"], ["--until", "2999-01-01"]])
def test_a_pause_may_end_by_itself(program: Program, end: list[str]) -> None:
    program("sources", "pause", "site", *end)
    (source,) = shown(program, "status")["sources"]
    assert source["state"] == "paused"
    assert source["until"] is not None
    assert source["reason"] == "no reason was given"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["site", "--for", "2h", "--until", "2999-01-01"], "not both"),
        (["site", "--for", "soon"], "is no span"),
        (["site", "--until", "2001-01-01"], "is over already"),
        (["site", "--for", "0s"], "is over already"),
        ([" "], "is not empty"),
        (["a\x1b[2J"], "control characters"),
    ],
)
def test_a_pause_that_makes_no_sense_changes_nothing(program: Program, arguments: list[str], words: str) -> None:
    done = program("sources", "pause", *arguments)
    assert done.code == 2
    assert words in " ".join(done.err.split())
    assert shown(program, "sources", "list") == []


def test_s1_a_secret_in_a_reason_is_not_stored(program: Program) -> None:
    program("sources", "pause", "site", "--reason", "it says password=c4n4ry")
    assert shown(program, "sources", "list")[0]["reason"] == "it says password=********"


def test_what_never_rested_cannot_be_resumed(program: Program) -> None:
    assert "no source ever had to rest" in program("sources", "list").err
    done = program("sources", "resume", "site")
    assert done.code == 1
    assert "no source 'site' ever had to rest" in done.err


def test_workers_are_listed_with_their_state(program: Program, home: Path) -> None:
    assert shown(program, "workers") == []
    assert "nobody works on the queue" in program("workers").err
    url = sqlite_url(home / "data" / "ytworker" / "queue.db")
    for clock in (None, FakeClock()):
        queue = SQLiteQueue(url, **({"clock": clock} if clock else {}))
        queue.add_worker(lease_seconds=60)
        queue.close()
    workers = shown(program, "workers")
    assert sorted(worker["state"] for worker in workers) == ["alive", "lapsed"]
    assert list(workers[0]) == ["id", "host", "pid", "version", "started_at", "seen_at", "lease_until", "state"]
    assert {worker["pid"] for worker in workers} == {os.getpid()}
    assert "ago" in program("workers").out
