"""``ytworker scrape`` and the options that come from a plugin's model."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import ONE_ITEM, Program, Until, Zoo
from ytworker.plugins.discovery import FIRST_PARTY

pytest_plugins = ["plugin_fixtures"]

MODEL = """
from enum import StrEnum
from typing import Annotated, Literal
from pydantic import BaseModel, Field
class Order(StrEnum):
    NEW = "new"
    OLD = "old"
class P(BaseModel):
    url: str = Field(description="Where to look.")
    top_n: int = Field(default=10, ge=1, le=500, description="How many.")
    low: float | None = Field(default=None, ge=0.5)
    high: Annotated[int, Field(le=9)] = 9
    content: Literal["videos", "shorts"] = "videos"
    order: Order = Order.NEW
    tags: list[str] = []
    numbers: tuple[int, ...] = ()
    fast: bool = False
    maybe: bool | None = None
    filters: dict[str, int] = {}
    json_: str | None = Field(default=None, alias="json")
    max_attempts: int = 3
    priority: int = 4
    key: str | None = None
@hookimpl
def get_parameters():
    return P
"""
ECHO = "seen.append(params.model_dump(exclude_unset=True))\nreturn []"


@pytest.fixture
def demo(zoo: Zoo) -> str:
    return zoo.worker("demo", ECHO, extra=MODEL)


def count(program: Program) -> int:
    return len(json.loads(program("tasks", "list", "--json").out))


OPTIONS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "nothing": ([], {}),
    "an integer": (["--top-n", "25"], {"top_n": 25}),
    "with an equals sign": (["--top-n=25"], {"top_n": 25}),
    "a number": (["--low", "0.5"], {"low": 0.5}),
    "a choice": (["--content", "shorts"], {"content": "shorts"}),
    "an enum": (["--order", "old"], {"order": "old"}),
    "a list": (["--tags", "a", "--tags", "b,c"], {"tags": ["a", "b,c"]}),
    "a list of numbers": (["--numbers", "1", "--numbers", "2"], {"numbers": (1, 2)}),
    "a flag": (["--fast"], {"fast": True}),
    "no flag": (["--no-fast"], {"fast": False}),
    "an optional flag": (["--no-maybe"], {"maybe": False}),
    "a table": (["--filters", '{"a": 1}'], {"filters": {"a": 1}}),
    "a name of ours": (
        ["--param-json", "x", "--param-max-attempts", "7", "--max-attempts", "2"],
        {"json_": "x", "max_attempts": 7},
    ),
    "no name of ours here": (["--priority", "6", "--key", "k"], {"priority": 6, "key": "k"}),
    "a text that looks like an option": (["--key=--x"], {"key": "--x"}),
}


@pytest.mark.parametrize(("arguments", "params"), OPTIONS.values(), ids=OPTIONS)
def test_fields_are_options(
    program: Program, zoo: Zoo, demo: str, arguments: list[str], params: dict[str, Any]
) -> None:
    done = program("scrape", "demo", "--url", "@a", *arguments)
    assert done.code == 0, done.err
    assert zoo.seen(demo) == [{"url": "@a", **params}]


def test_the_help_tells_what_the_model_says(program: Program, demo: str) -> None:
    told = " ".join(program("scrape", "demo", "--help").out.split())
    assert "--url TEXT Where to look. [required]" in told
    assert "--top-n INTEGER How many. [default: 10; 1 to 500]" in told
    assert "at most 9" in told
    assert "--content videos|shorts" in told
    assert "--order new|old" in told
    assert "--fast / --no-fast" in told
    assert "--filters JSON" in told
    assert "--param-json" in told
    assert "A plugin of the tests" in told


BAD: dict[str, tuple[list[str], list[str]]] = {
    "everything at once": (
        ["--top-n", "0", "--content", "cheese", "--filters", "{", "--nonsense", "1", "--numbers", "x"],
        ["--url", "--top-n", "--content", "--filters", "--nonsense", "numbers"],
    ),
    "a missing parameter": ([], ["--url: is required"]),
    "an unknown option": (["--url", "@a", "--top-m", "5"], ["--top-m: unknown parameter; did you mean top_n?"]),
    "an unknown flag": (["--url", "@a", "--quick"], ["--quick"]),
    "an unknown option with a value": (["--url", "@a", "--quick=5"], ["--quick"]),
    "a word too much": (["--url", "@a", "word"], ["word"]),
    "our own option": (["--url", "@a", "--max-attempts", "0"], ["--max-attempts: a whole number from 1 to 100"]),
    "a field named like our own option": (
        ["--url", "@a", "--param-max-attempts", "x"],
        ["--param-max-attempts: Input should be a valid integer"],
    ),
}


@pytest.mark.parametrize(("arguments", "problems"), BAD.values(), ids=BAD)
def test_bad_parameters_are_all_told_and_nothing_is_enqueued(
    program: Program, zoo: Zoo, demo: str, arguments: list[str], problems: list[str]
) -> None:
    done = program("scrape", "demo", *arguments)
    assert (done.code, done.out) == (2, "")
    for problem in problems:
        assert problem in done.err
    assert "nothing was enqueued" in done.err
    assert count(program) == 0
    assert zoo.seen(demo) == []


@pytest.mark.parametrize("arguments", [["--top-n"], ["--max-attempts", "many"]])
def test_what_the_parser_cannot_read_is_a_usage_error(program: Program, demo: str, arguments: list[str]) -> None:
    done = program("scrape", "demo", "--url", "@a", *arguments)
    assert (done.code, done.out) == (2, "")
    assert arguments[0] in done.err
    assert count(program) == 0


def test_our_own_options_need_no_prefix_where_the_model_has_none_of_that_name(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo")
    assert "--max-attempts: a whole number" in program("scrape", "demo", "--max-attempts", "0").err


# -- plugins without a model


def test_a_plugin_without_a_model_takes_pairs(program: Program, zoo: Zoo) -> None:
    zoo.worker("free", "seen.append(params)\nreturn []")
    pairs = ["a=1", "b=text", "c=[1, 2]", "d=", "e=x=y", 'f="5"', "g=null"]
    done = program("scrape", "free", *(part for pair in pairs for part in ("--param", pair)))
    assert done.code == 0, done.err
    assert zoo.seen("free_plugin") == [{"a": 1, "b": "text", "c": [1, 2], "d": "", "e": "x=y", "f": "5", "g": None}]


@pytest.mark.parametrize("arguments", [["--param", "nothing"], ["--param", "=5"], ["word"], ["--jsnol"], ["--a", "5"]])
def test_what_is_no_pair_is_a_usage_error(program: Program, zoo: Zoo, arguments: list[str]) -> None:
    zoo.worker("free")
    done = program("scrape", "free", *arguments)
    assert (done.code, done.out) == (2, "")
    assert "--param" in done.err
    assert count(program) == 0


# -- what it prints

ITEMS = """
for n in (1, 2):
    yield {
        "source": "test", "kind": "video", "id": f"v{n}", "title": f"Video {n}", "duration_seconds": 3599.0 * n,
        "published_at": "2026-01-02T03:04:05Z",
        "metrics": {"views": 1234 * n, "precision": {"views": "rounded"}},
        "context": {"rank": n},
    }
"""


def test_items_are_a_table_on_stdout_and_talk_is_on_stderr(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", ITEMS)
    done = program("scrape", "demo")
    assert done.code == 0
    head, first, second = done.out.splitlines()
    assert head.split() == ["#", "ID", "PUBLISHED", "VIEWS", "LIKES", "LENGTH", "TITLE"]
    assert first.split() == ["1", "v1", "2026-01-02", "~1,234", "-", "59:59", "Video", "1"]
    assert second.split() == ["2", "v2", "2026-01-02", "~2,468", "-", "1:59:58", "Video", "2"]
    assert "2 items, stored by task 1" in done.err


def test_json_is_the_task_and_its_items(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", ITEMS)
    shown = json.loads(program("scrape", "demo", "--json").out)
    assert list(shown) == ["task", "items"]
    assert (shown["task"]["id"], shown["task"]["state"], shown["task"]["outcome"]) == ("1", "completed", "ok")
    assert [(item["id"], item["context"]) for item in shown["items"]] == [("v1", {"rank": 1}), ("v2", {"rank": 2})]


def test_jsonl_is_an_item_a_line(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", ITEMS)
    done = program("scrape", "demo", "--jsonl")
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == ["v1", "v2"]


@pytest.mark.parametrize("form", [[], ["--jsonl"]])
def test_nothing_found_prints_nothing_and_is_fine(program: Program, zoo: Zoo, form: list[str]) -> None:
    zoo.worker("demo", "return []")
    done = program("scrape", "demo", *form)
    assert (done.code, done.out) == (0, "")
    assert "legal answer" in done.err


@pytest.mark.parametrize("form", [[], ["--jsonl"]])
def test_a_failure_prints_no_data_and_exits_1(program: Program, zoo: Zoo, form: list[str]) -> None:
    zoo.worker("demo", f"{ONE_ITEM}\nraise GoneError('the channel is gone')")
    done = program("scrape", "demo", *form)
    assert (done.code, done.out) == (1, "")
    assert "[gone] the channel is gone" in done.err
    assert "tasks show 1" in done.err


def test_a_failure_as_json_is_the_dead_task(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "raise GoneError('the channel is gone')")
    done = program("scrape", "demo", "--json")
    assert done.code == 1
    shown = json.loads(done.out)
    assert (shown["task"]["state"], shown["task"]["error_class"], shown["items"]) == ("dead", "gone", [])
    assert shown["task"]["fingerprint"]


def test_suspect_items_are_no_success(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", f"context.suspect('hollow')\n{ONE_ITEM}")
    done = program("scrape", "demo")
    assert (done.code, done.out) == (1, "")
    assert "kept apart" in done.err


def test_a_task_that_waits_says_until_when(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "raise ThrottledError('slow down', source='site')")
    done = program("scrape", "demo")
    assert (done.code, done.out) == (1, "")
    assert "[throttled] slow down" in done.err
    assert "ytworker run" in done.err


def test_without_a_network_one_line_says_so(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "raise OfflineError('there is no network')")
    done = program("scrape", "demo")
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    (task,) = json.loads(program("tasks", "list", "--json").out)
    assert (task["state"], task["attempt"]) == ("scheduled", 0)


def test_a_retry_is_announced(program: Program, zoo: Zoo) -> None:
    zoo.worker(
        "demo", "seen.append(1)\nif len(seen) < 2:\n    raise RetryableError('hiccup', retry_after=1)\nreturn []"
    )
    done = program("scrape", "demo")
    assert done.code == 0
    assert "attempt 1 of 5 failed: [transient] hiccup; trying again in " in done.err


def test_a_plugin_that_turns_out_broken_leaves_the_task_to_wait(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", imported="raise ImportError('libcheese is not there')")
    done = program("scrape", "demo")
    assert (done.code, done.out) == (2, "")
    assert "demo is broken" in done.err
    assert "libcheese is not there" in done.err
    assert "Traceback" not in done.err
    assert count(program) == 0


@pytest.mark.parametrize("command", ["scrape", "enqueue"])
def test_an_unknown_type_says_what_there_is(
    program: Program, zoo: Zoo, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FIRST_PARTY, "kept_apart", "ytworker-apart")  # a first-party type that is surely not installed
    zoo.worker("demo")
    done = program(command, "dmeo")
    assert done.code == 2
    assert "demo" in done.err.replace("dmeo", "")
    done = program(command, "kept_apart")
    assert done.code == 2
    assert "pip install ytworker-apart" in done.err


def test_what_a_plugin_prints_does_not_mix_with_the_data(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", f"print('in scrape')\n{ONE_ITEM}", imported="print('at import')")
    done = program("scrape", "demo", "--jsonl")
    assert json.loads(done.out)["id"] == "1"
    assert "at import" in done.err
    assert "in scrape" in done.err


# -- interruptions


def interrupted(program: Program, until: Until, number: int, home: Path) -> tuple[int, str]:
    process = program.start("scrape", "demo")
    try:
        until((home / "started").exists)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert out == b""
    return process.returncode, err.decode()


def test_ctrl_c_leaves_the_task_queued_with_its_attempt_taken_back(
    program: Program, zoo: Zoo, until: Until, home: Path
) -> None:
    zoo.worker(
        "demo",
        f"import os, pathlib\npathlib.Path(os.environ['HOME'], 'started').touch()\n{ONE_ITEM}\ncontext.sleep(60)",
    )
    code, err = interrupted(program, until, signal.SIGINT, home)
    assert code == 130
    assert "queued again" in err
    assert "Traceback" not in err
    (task,) = json.loads(program("tasks", "list", "--json").out)
    assert (task["state"], task["attempt"]) == ("queued", 0)


def test_ctrl_c_between_two_attempts_tells_the_truth(program: Program, zoo: Zoo, until: Until, home: Path) -> None:
    body = "import os, pathlib\npathlib.Path(os.environ['HOME'], 'started').touch()\n"
    zoo.worker("demo", body + "raise RetryableError('hiccup', retry_after=50)")
    process = program.start("scrape", "demo")
    try:
        assert process.stderr is not None
        assert b"hiccup" in process.stderr.readline()  # it says so before it waits
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    (task,) = json.loads(program("tasks", "list", "--json").out)
    assert (task["state"], task["attempt"]) == ("scheduled", 1)
    assert b"no attempt was counted" not in err
