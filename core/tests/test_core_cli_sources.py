"""``sources`` and ``workers``: who must not be asked, and who works."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from plugin_helpers import Program, Zoo
from ytworker.pacing import PACES
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
        "requests": 0,
        "requests_last_hour": 0,
        "requests_per_hour": None,
        "in_flight": 0,
        "places": None,
        "quotas": [],
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


def test_s1_a_secret_in_the_name_of_a_source_is_not_stored(program: Program) -> None:
    name = "https://me:c4n4ry@proxy.example:8080"
    program("sources", "pause", name)
    (source,) = shown(program, "sources", "list")
    assert source["name"].startswith("https://********@proxy.example:8080#")
    done = program("sources", "resume", name)
    assert done.code == 0
    assert "c4n4ry" not in done.err
    assert shown(program, "sources", "list")[0]["state"] == "free"


def test_what_never_rested_cannot_be_resumed(program: Program) -> None:
    assert "no source was asked yet, and none had to rest" in program("sources", "list").err
    done = program("sources", "resume", "site")
    assert done.code == 1
    assert "no source 'site' ever had to rest" in done.err


ASKS = """
budget = context.budget('site')
for n in range(3):
    with budget.request():
        pass
budget.reserve('search', 37, limit=100, zone='America/Los_Angeles')
return []
"""


def test_it_is_told_how_much_a_source_is_asked_and_what_is_used_of_its_quotas(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", ASKS.strip())
    assert program("scrape", "demo", "--pace", "careful").code == 0
    (source,) = shown(program, "sources", "list")
    assert (source["name"], source["state"], source["requests"]) == ("site", "free", 3)
    assert (source["requests_last_hour"], source["requests_per_hour"]) == (3, 300)
    assert (source["in_flight"], source["places"]) == (0, 1)
    (quota,) = source["quotas"]
    assert (quota["bucket"], quota["used"], quota["limit"]) == ("search", 37, 100)
    assert datetime.fromisoformat(quota["resets_at"]).astimezone(ZoneInfo("America/Los_Angeles")).hour == 0
    told = program("sources", "list").out
    assert "3 of 300" in told
    assert "search" in told
    assert shown(program, "status")["sources"] == []  # nobody rests


@pytest.mark.parametrize("command", [["run"], ["scrape", "demo"]])
def test_the_pace_is_chosen_in_words_and_the_help_says_the_numbers(
    program: Program, zoo: Zoo, command: list[str]
) -> None:
    zoo.worker("demo")
    told = program(*command, "--help").out
    assert all(f"{PACES[word].per_hour}" in told and word in told for word in ("careful", "normal", "fast"))
    assert program(*command, "--pace", "brisk").code == 2


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
