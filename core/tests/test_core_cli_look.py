"""The commands that look: ``tasks``, ``dead``, ``items``, ``status`` and ``config``; and the exit codes of errors."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import ONE_ITEM, Program, Zoo
from ytworker import ErrorClass
from ytworker.cli.output import seconds_in_words
from ytworker.errors import StoreError
from ytworker.model import NewTask
from ytworker.queue import CoolDown, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

pytest_plugins = ["plugin_fixtures"]

ERROR = "ThrottledError('slow down', source='site')"
SHAPE = [
    "id",
    "type",
    "state",
    "priority",
    "attempt",
    "max_attempts",
    "timeout_seconds",
    "created_at",
    "run_at",
    "started_at",
    "finished_at",
    "key",
    "params",
    "outcome",
    "error_class",
    "error",
    "fingerprint",
    "reason",
]


@pytest.fixture
def some(program: Program, zoo: Zoo) -> Program:
    """The program with a task in each of four states."""
    zoo.worker("good", ONE_ITEM)
    zoo.worker("gone", "raise GoneError('it was removed')")
    zoo.worker("late", f"raise {ERROR}")
    for name in ("good", "gone", "late"):
        program("scrape", name)
    program("enqueue", "good", "--param", "a=[1]")
    return program


def shown(program: Program, *arguments: str) -> Any:
    done = program(*arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


EMPTY = {
    ("tasks", "list"): "ytworker enqueue TYPE",
    ("dead", "list"): "no dead letters",
    ("items", "list"): "no items yet",
    ("status",): "the queue is empty",
}


@pytest.mark.parametrize(("command", "hint"), EMPTY.items(), ids=map(" ".join, EMPTY))
def test_an_empty_queue_gives_a_hint_on_stderr(program: Program, command: tuple[str, ...], hint: str) -> None:
    done = program(*command)
    assert done.code == 0
    assert hint in done.err
    assert hint not in done.out


@pytest.mark.parametrize("command", [("tasks", "list"), ("dead", "list"), ("items", "list")])
def test_an_empty_list_is_an_empty_array(program: Program, command: tuple[str, ...]) -> None:
    assert shown(program, *command) == []


def test_tasks_have_a_stable_shape(some: Program) -> None:
    tasks = shown(some, "tasks", "list")
    assert [list(task) for task in tasks] == [SHAPE] * 4
    assert [(task["id"], task["type"], task["state"]) for task in tasks] == [
        ("4", "good", "queued"),
        ("3", "late", "scheduled"),
        ("2", "gone", "dead"),
        ("1", "good", "completed"),
    ]
    table = some("tasks", "list").out
    for words in ("completed (ok)", "it was removed", "slow down", "0/5", "a=[1]"):
        assert words in table


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (["--state", "queued"], ["4"]),
        (["--state", "queued", "--state", "dead"], ["4", "2"]),
        (["--type", "good"], ["4", "1"]),
        (["--type", "good", "--state", "completed"], ["1"]),
        (["--limit", "2"], ["4", "3"]),
        (["--type", "nothing"], []),
        (["--class", "gone"], ["2"]),
        (["--class", "gone", "--class", "throttled"], ["3", "2"]),
        (["--class", "bug"], []),
        (["--since", "1h"], ["2", "1"]),
        (["--since", "2030-01-01"], []),
        (["--before", "1h"], []),
        (["--before", "2130-01-01T00:00Z", "--state", "dead"], ["2"]),
        (["--id", "1", "--id", "4", "--id", "99"], ["4", "1"]),
        (["--fingerprint", "nothing"], []),
    ],
)
def test_tasks_are_filtered(some: Program, filters: list[str], ids: list[str]) -> None:
    assert [task["id"] for task in shown(some, "tasks", "list", *filters)] == ids


@pytest.mark.parametrize(
    "filters",
    [
        ["--state", "lost"],
        ["--limit", "0"],
        ["--limit", "x"],
        ["--class", "bad"],
        ["--since", "soon"],
        ["--since", "999999d"],
        ["--before", "5"],
        ["--id", "0"],
        ["--id", str(2**63)],
        ["--id", "x"],
    ],
)
def test_a_filter_that_does_not_fit_is_a_usage_error(program: Program, filters: list[str]) -> None:
    assert program("tasks", "list", *filters).code == 2


def test_one_task_is_shown_with_its_attempts(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "raise KeyError('views')", version="3.1")
    program("enqueue", "demo", "--max-attempts", "1")
    program("run", "--until-empty")
    task = shown(program, "tasks", "show", "1")
    assert list(task) == [*SHAPE, "items", "kept_apart", "attempts", "events"]
    (attempt,) = task["attempts"]
    assert (attempt["attempt"], attempt["error_class"], attempt["type"]) == (1, "bug", "builtins.KeyError")
    assert (attempt["plugin_version"], attempt["worker"].isdigit()) == ("3.1", True)
    told = program("tasks", "show", "1").out
    assert "Traceback (most recent call last)" in told
    assert "raise KeyError('views')" in told


def test_one_task_is_shown_with_who_did_what(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "raise GoneError('it was removed')")
    program("enqueue", "demo")
    program("run", "--until-empty")
    program("tasks", "retry", "1")
    events = shown(program, "tasks", "show", "1")["events"]
    assert [list(event) for event in events] == [["at", "event", "attempt", "worker", "note"]] * 4
    assert [(event["event"], event["attempt"], event["note"]) for event in events] == [
        ("enqueued", 0, None),
        ("claimed", 1, None),
        ("died", 1, "gone"),
        ("requeued", 0, None),
    ]
    assert [event["worker"] is not None for event in events] == [False, True, True, False]
    told = program("tasks", "show", "1").out
    assert "EVENT" in told
    assert "requeued" in told
    assert "1 time, last 20" in told


def test_without_events_only_what_the_task_itself_tells_is_known(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YTWORKER_EVENTS", "false")
    zoo.worker("demo", "raise ytworker.GoneError('no such channel')", imported="import ytworker")
    program("scrape", "demo")
    assert [event["event"] for event in shown(program, "tasks", "show", "1")["events"]] == ["enqueued"]


def test_a_task_that_is_not_there_is_an_error_of_the_work(program: Program) -> None:
    for number in ("7", str(2**70)):
        done = program("tasks", "show", number)
        assert (done.code, done.out) == (1, "")
        assert f"there is no task {number}" in done.err
    assert program("tasks", "show", "seven").code == 2


def test_the_status_has_a_stable_shape(some: Program) -> None:
    status = shown(some, "status")
    assert status["tasks"] == {"queued": 1, "claimed": 0, "scheduled": 1, "completed": 1, "dead": 1, "cancelled": 0}
    assert list(status) == ["tasks", "oldest_ready_age_seconds", "workers", "sources", "waiting_for_plugins"]
    assert status["oldest_ready_age_seconds"] >= 0
    assert status["workers"] == []
    (source,) = status["sources"]
    assert list(source) == ["name", "state", "until", "class", "reason"]
    assert (source["name"], source["state"], source["class"], source["reason"]) == (
        "site",
        "cooling",
        "throttled",
        "slow down",
    )
    told = some("status").out
    assert "oldest ready task waits for" in told
    assert "slow down" in told


def test_the_status_shows_workers_and_what_a_source_is_now(program: Program, home: Path) -> None:
    file = home / "data" / "ytworker" / "queue.db"
    past = FakeClock()
    queue = SQLiteQueue(sqlite_url(file), clock=past)
    worker = queue.add_worker(lease_seconds=60)
    for name, change in (("over", {"until": past() + 1}), ("paused", {"until": 2**52, "paused_by": "digest"})):
        queue.enqueue([NewTask(type="x", params={})])
        claim = queue.claim_task(worker, queue.tasks(TaskFilter())[0].id)
        assert claim is not None
        rest = CoolDown(source=name, error_class=ErrorClass.THROTTLED, reason="r", **change)  # type: ignore[arg-type]
        queue.defer(claim, past() + 1, "r", cool_down=rest)
    queue.close()
    status = shown(program, "status")
    assert {source["name"]: source["state"] for source in status["sources"]} == {"over": "free", "paused": "paused"}
    (seen,) = status["workers"]
    assert (seen["id"], seen["pid"]) == (str(worker), os.getpid())
    assert list(seen) == ["id", "host", "pid", "version", "started_at", "seen_at", "lease_until"]
    assert "workers" in program("status").out


# -- cancel and retry


def states(program: Program) -> dict[str, str]:
    return {task["id"]: task["state"] for task in shown(program, "tasks", "list")}


def test_tasks_are_cancelled_by_id(some: Program) -> None:
    done = some("tasks", "cancel", "3", "4", "4")
    assert (done.code, done.out) == (0, "")
    assert "2 tasks cancelled" in done.err
    assert states(some) == {"4": "cancelled", "3": "cancelled", "2": "dead", "1": "completed"}


@pytest.mark.parametrize(
    ("chosen", "cancelled"),
    [
        (["--all"], {"3", "4"}),
        (["--type", "late"], {"3"}),
        (["--state", "queued"], {"4"}),
        (["--type", "late", "--state", "queued"], set()),
        (["--type", "nothing"], set()),
    ],
)
def test_tasks_are_cancelled_by_filter(some: Program, chosen: list[str], cancelled: set[str]) -> None:
    done = some("tasks", "cancel", *chosen)
    assert done.code == 0
    assert {number for number, state in states(some).items() if state == "cancelled"} == cancelled


def test_what_cannot_be_cancelled_is_told_and_the_rest_is_done(some: Program) -> None:
    done = some("tasks", "cancel", "1", "99", "4", str(2**70))
    assert done.code == 1
    assert "task 1 is completed already" in done.err
    assert "there is no task 99" in done.err
    assert f"there is no task {2**70}" in done.err
    assert "1 task cancelled" in done.err
    assert states(some)["4"] == "cancelled"


UNCLEAR = {
    "nothing": (["tasks", "cancel"], "nothing is chosen"),
    "ids and a filter": (["tasks", "cancel", "4", "--type", "good"], "not both"),
    "ids and all": (["tasks", "cancel", "4", "--all"], "not both"),
    "all and a filter": (["tasks", "cancel", "--all", "--type", "good"], "--all is all of them"),
    "what has ended": (["tasks", "cancel", "--state", "dead"], "queued, claimed, scheduled"),
    "no id": (["tasks", "cancel", "four"], "valid integer"),
    "no task to retry": (["tasks", "retry"], "ID"),
    "nothing to requeue": (["dead", "requeue"], "nothing is chosen"),
    "nothing to purge": (["dead", "purge"], "nothing is chosen"),
    "all and a class": (["dead", "purge", "--all", "--class", "gone"], "--all is all of them"),
    "no class": (["dead", "requeue", "--class", "bad"], "bad"),
    "no moment": (["dead", "requeue", "--since", "yesterday"], "a span before now"),
}


@pytest.mark.parametrize(("command", "words"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_is_unclear_changes_nothing(some: Program, command: list[str], words: str) -> None:
    before = states(some)
    done = some(*command)
    assert (done.code, done.out) == (2, "")
    assert words in " ".join(done.err.split())
    assert states(some) == before


def test_dead_and_cancelled_tasks_are_tried_again(some: Program) -> None:
    some("tasks", "cancel", "4")
    done = some("tasks", "retry", "2", "4")
    assert (done.code, done.out) == (0, "")
    assert "2 tasks queued again" in done.err
    assert states(some) == {"4": "queued", "3": "scheduled", "2": "queued", "1": "completed"}
    assert shown(some, "tasks", "show", "2")["attempt"] == 0


def test_what_cannot_be_tried_again_says_what_to_do(some: Program) -> None:
    done = some("tasks", "retry", "1", "3", "4", "99")
    assert done.code == 1
    for words in (
        "task 1 is completed; enqueue a new one",
        "task 3 waits for its time, and making it due at once is not supported; cancel it and retry it",
        "task 4 is queued already",
        "there is no task 99",
        "0 tasks queued again",
    ):
        assert words in done.err
    assert states(some) == {"4": "queued", "3": "scheduled", "2": "dead", "1": "completed"}


def test_a_key_that_another_task_has_stays_with_it(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "raise GoneError('x')")
    program("enqueue", "demo", "--key", "k")
    program("run", "--until-empty")
    program("enqueue", "demo", "--key", "k")
    done = program("tasks", "retry", "1")
    assert done.code == 1
    assert "has the key 'k', which another live task has now" in done.err
    done = program("dead", "requeue", "--all")
    assert done.code == 0
    assert "0 dead letters queued again" in done.err
    assert "1 dead letter left: a live task has the key of each" in done.err


def test_a_cancelled_scrape_says_so(program: Program, zoo: Zoo, home: Path) -> None:
    url = sqlite_url(home / "data" / "ytworker" / "queue.db")
    imported = "from ytworker.queue import TaskFilter\nfrom ytworker.queue.sqlite import SQLiteQueue"
    zoo.worker("demo", f"SQLiteQueue({url!r}).cancel(TaskFilter())\n{ONE_ITEM}", imported=imported)
    done = program("scrape", "demo")
    assert (done.code, done.out) == (1, "")
    assert "task 1 was cancelled meanwhile; `ytworker tasks retry 1`" in done.err


# -- dead letters


@pytest.fixture
def outage(program: Program, zoo: Zoo) -> Program:
    """The program with dead letters of two types and three causes, which ended one after the other."""
    zoo.worker("gone", "raise GoneError(params['why'])")
    zoo.worker("odd", "raise KeyError('x')")
    for why in ("removed", "removed", "private"):
        program("enqueue", "gone", "--param", f"why={why}")
    program("enqueue", "odd", "--max-attempts", "1")
    program("run", "--until-empty", "--inline", "--strategy", "fifo")
    return program


def numbers(program: Program, *filters: str) -> list[str]:
    return [task["id"] for task in shown(program, "dead", "list", "--flat", *filters)]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (["--all"], ["4", "3", "2", "1"]),
        (["--class", "gone"], ["3", "2", "1"]),
        (["--type", "odd"], ["4"]),
        (["--since", "1h"], ["4", "3", "2", "1"]),
        (["--before", "1h"], []),
        (["--id", "1", "--id", "4"], ["4", "1"]),
        (["--type", "gone", "--id", "4"], []),
    ],
)
@pytest.mark.parametrize("command", ["requeue", "purge"])
def test_dead_letters_are_chosen(outage: Program, command: str, filters: list[str], ids: list[str]) -> None:
    dry = outage("dead", command, *filters, "--dry-run")
    assert dry.code == 0
    assert f"{len(ids)} dead letter{'' if len(ids) == 1 else 's'} would be" in dry.err
    assert [line.split()[0] for line in dry.out.splitlines()[1:]] == ids
    assert numbers(outage) == ["4", "3", "2", "1"]
    if filters != ["--all"]:
        assert numbers(outage, *filters) == ids
    done = outage("dead", command, *filters)
    assert done.out == ""
    assert done.code == (1 if filters == ["--type", "gone", "--id", "4"] else 0)
    assert sorted({*numbers(outage), *ids}) == ["1", "2", "3", "4"]
    assert not {*numbers(outage)} & {*ids}
    left = states(outage)
    assert [left.get(number) for number in ids] == [{"requeue": "queued"}.get(command)] * len(ids)


def test_a_thousand_failures_of_one_cause_are_one_fingerprint(outage: Program) -> None:
    letters = shown(outage, "dead", "list", "--flat", "--type", "gone")
    private, removed = letters[0]["fingerprint"], letters[1]["fingerprint"]
    assert removed != private
    assert numbers(outage, "--fingerprint", removed) == ["2", "1"]
    assert removed in outage("dead", "list").out
    outage("dead", "requeue", "--fingerprint", removed)
    assert numbers(outage) == ["4", "3"]


def test_dead_letters_are_grouped_by_their_cause(outage: Program) -> None:
    groups = shown(outage, "dead", "list")
    shape = ["fingerprint", "error_class", "count", "types", "first_seen", "last_seen", "sample"]
    assert [list(group) for group in groups] == [shape] * 3
    assert [(group["count"], group["error_class"], group["types"]) for group in groups] == [
        (2, "gone", ["gone"]),
        (1, "bug", ["odd"]),
        (1, "gone", ["gone"]),
    ]
    sample = groups[0]["sample"]  # the one that ended last
    assert (sample["id"], sample["error"]) == ("2", "removed")
    assert groups[0]["first_seen"] < groups[0]["last_seen"]
    assert [group["count"] for group in shown(outage, "dead", "list", "--limit", "1")] == [2]
    assert [group["types"] for group in shown(outage, "dead", "list", "--class", "bug")] == [["odd"]]
    done = outage("dead", "list", "--limit", "2")
    assert done.out.split()[0] == "COUNT"
    assert groups[0]["fingerprint"] in done.out
    assert "1 cause more" in done.err


def test_one_command_brings_back_a_group_and_its_history_stays(outage: Program) -> None:
    fingerprint = shown(outage, "dead", "list")[0]["fingerprint"]
    outage("dead", "requeue", "--fingerprint", fingerprint)
    outage("run", "--until-empty")
    assert [group["count"] for group in shown(outage, "dead", "list", "--fingerprint", fingerprint)] == [2]
    task = shown(outage, "dead", "show", "1")
    assert [attempt["error"] for attempt in task["attempts"]] == ["removed", "removed"]
    assert [event["event"] for event in task["events"]] == [
        "enqueued", "claimed", "died", "requeued", "claimed", "died",
    ]  # fmt: skip


def test_a_list_of_many_says_that_there_may_be_more(outage: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from ytworker import tending
    from ytworker.cli import dead

    for module in (tending, dead):
        monkeypatch.setattr(module, "MOST_COUNTED", 3)
    assert "these are the newest 3; there may be more" in outage("dead", "list").err


def test_a_dead_letter_is_shown_with_its_history(outage: Program) -> None:
    assert shown(outage, "dead", "show", "1") == shown(outage, "tasks", "show", "1")
    assert "EVENT" in outage("dead", "show", "1").out
    outage("tasks", "retry", "1")
    done = outage("dead", "show", "1")
    assert (done.code, done.out) == (1, "")
    assert "task 1 is queued, no dead letter; `ytworker tasks show 1`" in done.err
    assert "there is no task 9" in outage("dead", "show", "9").err


def test_named_ids_that_are_no_dead_letters_fail(outage: Program) -> None:
    for command in ("requeue", "purge"):
        done = outage("dead", command, "--id", "99")
        assert done.code == 1
        assert "1 of the ids could not be done" in done.err


def test_a_purge_leaves_the_items_and_the_other_tasks(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", f"{ONE_ITEM}\ncontext.checkpoint.save(1)\nraise GoneError('x')")
    zoo.worker("good")
    program("scrape", "demo")
    program("scrape", "good")
    assert program("dead", "purge", "--all").code == 0
    assert states(program) == {"2": "completed"}
    assert [item["id"] for item in shown(program, "items", "list")] == ["1"]
    assert program("tasks", "show", "1").code == 1


def test_a_list_that_finds_nothing_of_a_kind_says_so(outage: Program) -> None:
    assert "no such dead letter" in outage("dead", "list", "--class", "quota").err


# -- items


def test_items_are_listed_and_filtered(program: Program, zoo: Zoo) -> None:
    zoo.worker("one", "for n in range(3):\n    yield {'source': 't', 'kind': 'video', 'id': f'a{n}'}")
    zoo.worker("two", "yield {'source': 't', 'kind': 'video', 'id': 'b'}")
    for name in ("one", "two"):
        program("scrape", name)
    assert {item["id"] for item in shown(program, "items", "list")} == {"a0", "a1", "a2", "b"}
    assert [item["id"] for item in shown(program, "items", "list", "--task", "1")] == ["a0", "a1", "a2"]
    assert [item["id"] for item in shown(program, "items", "list", "--type", "two")] == ["b"]
    assert len(shown(program, "items", "list", "--limit", "2")) == 2
    assert program("items", "list").out.split()[0] == "ID"


def test_items_are_exported_as_lines(some: Program, tmp_path: Path) -> None:
    done = some("items", "export", "--format", "jsonl")
    (line,) = done.out.splitlines()
    assert (json.loads(line)["id"], json.loads(line)["schema"]) == ("1", "ytworker.item")
    assert "1 item exported" in done.err
    file = tmp_path / "out.jsonl"
    assert some("items", "export", "--output", str(file)).code == 0
    assert file.read_text("utf-8") == done.out
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith(".ytworker")) == []


def test_an_existing_file_is_kept_unless_forced(some: Program, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text("precious")
    done = some("items", "export", "--output", str(file))
    assert (done.code, file.read_text()) == (2, "precious")
    assert "--force" in done.err
    assert some("items", "export", "--output", str(file), "--force").code == 0
    assert json.loads(file.read_text())["id"] == "1"


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_links_and_folders_are_never_replaced(some: Program, tmp_path: Path, force: list[str]) -> None:
    target, link, dangling, folder = (tmp_path / name for name in ("target", "link", "dangling", "folder"))
    target.write_text("precious")
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "nowhere")
    folder.mkdir()
    for path in (link, dangling, folder):
        done = some("items", "export", "--output", str(path), *force)
        assert (done.code, done.out) == (2, "")
        assert "is there already" in done.err
    assert target.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_not_there_is_a_usage_error(some: Program, tmp_path: Path) -> None:
    done = some("items", "export", "--output", str(tmp_path / "no" / "out.jsonl"))
    assert done.code == 2
    assert "cannot be written" in done.err


def test_an_export_that_fails_leaves_the_old_file(
    some: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object) -> Any:
        yield {"id": "1"}
        msg = "the disk is gone"
        raise StoreError(msg)

    monkeypatch.setattr(SQLiteQueue, "items", fails)
    file = tmp_path / "out.jsonl"
    file.write_text("precious")
    done = some("items", "export", "--output", str(file), "--force")
    assert done.code == 1
    assert "the disk is gone" in done.err
    assert file.read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".ytworker")] == []


def test_only_known_formats(program: Program) -> None:
    assert program("items", "export", "--format", "xml").code == 2


# -- config

CANARY = "c4n4ry"


@pytest.mark.parametrize(
    "setting",
    [
        f'proxy = "http://user:{CANARY}@proxy.example:8080/path"',
        f'proxy = "user:{CANARY}@proxy.example:8080"',
        f'proxy = "http://user:{CANARY}@[::1"',
        f'proxy = "socks5://{CANARY}@proxy.example"',
        f'api_key = "{CANARY}"',
        f'url = "https://api.example/v3?part=x&api_key={CANARY}&n=1"',
        f'token = "{CANARY}"',
        f'Password = "{CANARY}"',
        f'cookies = "{CANARY}"',
        f'client_secret = ["{CANARY}"]',
        f'proxies = ["http://a:{CANARY}@b/", "http://plain/"]',
        f'accounts = [{{name = "me", key = "{CANARY}"}}]',
        f'accounts = \'[{{"name": "me", "key": "{CANARY}"}}]\'',
        f'keys = {{main = "{CANARY}"}}',
        f'deep = {{deeper = {{api_token = "{CANARY}"}}}}',
    ],
)
def test_secrets_are_masked(program: Program, tmp_path: Path, setting: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[plugins.demo]\nplain = 'visible'\n{setting}\n")
    for form in ([], ["--json"]):
        done = program("--config", str(file), "config", "show", *form)
        assert done.code == 0, done.err
        assert CANARY not in done.out + done.err
        assert "visible" in done.out
        assert "****" in done.out


def test_what_is_no_secret_is_shown(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        "[plugins.demo]\nchannel = '@NASA'\nproxy = 'http://proxy.example:8080'\ncookie_file = '/home/me/c.txt'\n"
        "mail = 'me@example.org'\nkeywords = 'cats'\nurl = 'https://www.youtube.com/@NASA'\nempty_key = ''\n"
        "list = ['a', 1]\ntext = '[not json'\n"
    )
    rows = {row["name"]: row["value"] for row in shown(program, "--config", str(file), "config", "show")}
    assert {name.removeprefix("plugins.demo."): value for name, value in rows.items() if "demo" in name} == {
        "channel": "@NASA",
        "proxy": "http://proxy.example:8080",
        "cookie_file": "/home/me/c.txt",
        "mail": "me@example.org",
        "keywords": "cats",
        "url": "https://www.youtube.com/@NASA",
        "empty_key": "",
        "list": ["a", 1],
        "text": "[not json",
    }


def test_the_origin_of_each_value_is_told(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text("max_attempts = 3\nstrategy = 'fifo'\n")
    monkeypatch.setenv("YTWORKER_MAX_ATTEMPTS", "4")
    monkeypatch.setenv("YTWORKER_PLUGINS__DEMO__API_KEY", CANARY)
    rows = {
        row["name"]: (row["value"], row["origin"])
        for row in shown(program, "--config", str(file), "--log-level", "error", "config", "show")
    }
    assert rows["max_attempts"] == (4, "YTWORKER_MAX_ATTEMPTS")
    assert rows["strategy"] == ("fifo", f"strategy in {file}")
    assert rows["log_level"] == ("error", "--log-level")
    assert rows["timeout_seconds"] == (900.0, "default")
    assert rows["plugins.demo.api_key"] == ("********", "YTWORKER_PLUGINS__DEMO__API_KEY")
    assert "config file:" in program("config", "show").err
    assert "(not there)" in program("config", "show").err


# -- errors


def test_settings_that_do_not_fit_are_a_usage_error_without_their_value(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YTWORKER_MAX_ATTEMPTS", CANARY)
    done = program("tasks", "list")
    assert (done.code, done.out) == (2, "")
    assert "YTWORKER_MAX_ATTEMPTS" in done.err
    assert CANARY not in done.err


def test_a_variable_that_nothing_reads_is_told(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTWORKER_MAX_ATEMPTS", "3")
    done = program("tasks", "list")
    assert done.code == 0
    assert "did you mean YTWORKER_MAX_ATTEMPTS?" in done.err
    assert done.err.count("warning") == 1


@pytest.mark.parametrize("command", [("tasks", "list"), ("status",), ("items", "export"), ("run", "--until-empty")])
def test_a_queue_that_cannot_be_opened_is_an_error_of_the_work(
    program: Program, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "not a queue").write_text("hello " * 1000)
    done = program("--queue", str(tmp_path / "not a queue"), *command)
    assert (done.code, done.out) == (1, "")
    assert "not a queue of ytworker" in done.err
    assert "Traceback" not in done.err


def test_an_unknown_kind_of_queue_is_told(program: Program) -> None:
    done = program("--queue", "cheese://brie", "status")
    assert done.code == 1
    assert "no backend for the queue cheese://" in done.err


def test_what_is_not_ours_keeps_its_traceback(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_queue: object) -> Any:
        msg = "not ours"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr(SQLiteQueue, "counts", fails)
    with pytest.raises(ZeroDivisionError):
        program("status")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_spans_are_said_in_words(seconds: float, words: str) -> None:
    assert seconds_in_words(seconds) == words


def test_a_traceback_is_a_field_of_a_json_record(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "try:\n    1 / 0\nexcept ZeroDivisionError:\n    context.logger.exception('oops')\nreturn []")
    done = program("--log-format", "json", "scrape", "demo")
    (record,) = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    assert record["message"] == "oops"
    assert "ZeroDivisionError" in record["traceback"]


def test_every_group_and_command_has_help(program: Program) -> None:
    from ytworker.cli.app import _BUILTIN

    for name in _BUILTIN:
        done = program(name, "--help")
        assert done.code == 0
        assert "Usage:" in done.out


def test_the_config_file_is_told_whether_or_not_it_is_there(
    program: Program, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program("config", "path").out == f"{home}/config/ytworker/config.toml\n"
    monkeypatch.setenv("YTWORKER_CONFIG", "/nowhere/mine.toml")
    assert program("config", "path").out == "/nowhere/mine.toml\n"
    assert program("--config", "other.toml", "config", "path").out == "other.toml\n"
