"""A zoo of broken plugins, installed all at once: each is named with its cure, and everything else works on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import ONE_ITEM, make_distribution, worker_module
from running import Program

FOUND = "found"
HOOKS = "from ytworker import hookimpl\n"

# What an import does, and what `plugins check` says of it.
AT_IMPORT = {
    "raises_importerror": ("raise ImportError('needs a part that is not there')", "needs a part"),
    "raises_syntaxerror": ("this is no Python", "SyntaxError"),
    "raises_systemexit": ("raise SystemExit(3)", "SystemExit"),
    "raises_interrupt": ("raise KeyboardInterrupt", "ended the process"),
    "leaves_hard": ("import os; os._exit(0)", "ended the process"),
    "kills_itself": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended the process"),
    "recurses": ("def f(): f()\nf()", "RecursionError"),
}
# What is wrong with hooks that can be imported.
IN_HOOKS = {
    "unknown_argument": (
        worker_module("unknown_argument").replace("(params, context)", "(params, context, wishes)"),
        "wishes",
    ),
    "unknown_hook": (worker_module("unknown_hook", extra="@hookimpl\ndef do_magic(): ..."), "do_magic"),
    "another_name": (worker_module("quite_another"), "'quite_another'"),
    "undecorated": ("def get_task_type(): return 'undecorated'\ndef scrape(params, context): ...", "without @hookimpl"),
    "no_scrape": ("@hookimpl\ndef get_task_type(): return 'no_scrape'", "scrape is missing"),
    "bad_model": (worker_module("bad_model", extra="@hookimpl\ndef get_parameters(): return 5"), "no pydantic model"),
    "raising_model": (
        worker_module("raising_model", extra="@hookimpl\ndef get_parameters(): raise SystemExit(0)"),
        "get_parameters() raised SystemExit",
    ),
    "raising_type": ("@hookimpl\ndef get_task_type(): 1/0\n@hookimpl\ndef scrape(params, context): ...", "division"),
}
BROKEN = {**AT_IMPORT, **IN_HOOKS}
# What shows in the metadata: the state, and words of the reason.
BY_METADATA = {
    "another_core": ("incompatible", "it needs ytworker<0.1"),
    "taken_twice": ("conflict", "plugins prefer"),
}
# Of the other kinds: the group, what its module holds, and what `plugins check` says of it.
COMMAND = "import typer\napp = typer.Typer()\n@app.command()\ndef told(): print('told')\n"
OTHERS = {
    "ext_raises": ("extensions", "raise ImportError('a part of it')", "a part of it"),
    "ext_exits": ("extensions", "raise SystemExit(0)", "SystemExit"),
    "ext_skips": ("extensions", "import pytest; pytest.importorskip('nowhere_at_all')", "Skipped"),
    "ext_answers": ("extensions", f"{HOOKS}@hookimpl\ndef scrape(): return []", "may only wrap scrape"),
    "ext_argument": ("extensions", f"{HOOKS}@hookimpl(wrapper=True)\ndef scrape(wishes): return (yield)", "wishes"),
    "ext_settings": ("extensions", f"{HOOKS}@hookimpl\ndef get_settings(): return {{'x': 5}}", "no pydantic model"),
    "cmd-raises": ("commands", "raise ImportError('a part of it')", "a part of it"),
    "cmd-exits": ("commands", "import sys; sys.exit(0)", "SystemExit"),
    "cmd-leaves": ("commands", "import os; os._exit(0)", "ended the process"),
    "cmd-number": ("commands", "app = 5", "is no typer.Typer"),
    "zooq": ("queues", "app = 'a queue'", "cannot be called"),
    "zooraises": ("queues", "raise RecursionError('deep')", "deep"),
    "chk_raises": ("checks", "raise SyntaxError('odd')", "odd"),
    "chk_number": ("checks", "app = 5", "no function check"),
}
# These can be loaded, and still must do no harm.
HARMLESS = {
    "ext_prints": ("extensions", f"print('[' * 9)\n{HOOKS}@hookimpl(wrapper=True)\ndef scrape(): return (yield)"),
    "status": ("commands", COMMAND),  # the built-in one wins
    "cmd-prints": ("commands", f"print('[' * 9)\n{COMMAND}"),
    "chk_prints": ("checks", "class app:\n    def check(context): print('[' * 9); return 'fine'"),
}
# What a scrape may do to the process that it runs in.
PATCH = "import builtins, json, ytworker.model\nbuiltins.print = json.dumps = ytworker.model.Item = None"
VANDALS = {"patches": f"{PATCH}\n{ONE_ITEM}", "exits_in_a_hook": f"import sys; sys.exit(0)\n{ONE_ITEM}"}
SLOW = "sleeps"
LOUD = "prints"


def install(folder: Path, name: str, source: str, **options: Any) -> None:
    groups = {"ytworker.workers": {name: f"{name}_module"}}
    make_distribution(folder, f"{name}-dist", entry_points=groups, modules={f"{name}_module": source}, **options)


def install_other(folder: Path, name: str, group: str, source: str) -> None:
    module = f"{name.replace('-', '_')}_{group}"
    target = module if group == "extensions" else f"{module}:app"
    groups = {f"ytworker.{group}": {name: target}}
    make_distribution(folder, f"{name}-{group}-dist", entry_points=groups, modules={module: source})


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all of them are installed in, with two good ones."""
    folder = tmp_path_factory.mktemp("zoo")
    for name, (source, _reason) in BROKEN.items():
        install(folder, name, HOOKS + source)
    for name, (group, source, *_reason) in {**OTHERS, **HARMLESS}.items():
        install_other(folder, name, group, source)
    install_other(folder, "cmd-sleeps", "commands", f"import time; time.sleep(3600)\n{COMMAND}")
    install(folder, "another_core", "raise ImportError", requires=["ytworker<0.1"])
    for owner in ("one", "other"):
        source = worker_module("taken_twice")
        groups = {"ytworker.workers": {"taken_twice": f"{owner}_taken"}}
        make_distribution(folder, owner, entry_points=groups, modules={f"{owner}_taken": source})
    install(folder, SLOW, f"import time; time.sleep(3600)\n{worker_module(SLOW)}")
    install(folder, LOUD, f"print('[' * 9)\nimport os; os.write(1, b'\\xff')\n{worker_module(LOUD)}")
    for name, body in VANDALS.items():
        install(folder, name, worker_module(name, body))
    install(folder, "good", worker_module("good", f"print('noise')\n{ONE_ITEM}"))
    torn = make_distribution(folder, "torn", entry_points={"ytworker.workers": {"torn": "torn_module"}})
    (torn / "METADATA").write_bytes(b"Name: \xff\n")
    return folder


@pytest.fixture
def house(program: Program, zoo: Path) -> Iterator[Program]:
    """The program with the zoo on its path; nothing waits for the sleeper."""
    program.environment.update(PYTHONPATH=str(zoo), YTWORKER_DURABILITY="normal", PYTHONDONTWRITEBYTECODE="1")
    return program


def by_name(text: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(text)}


def test_p1_the_list_imports_none_of_them_and_says_what_metadata_tell(house: Program) -> None:
    done = house("plugins", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = by_name(done.stdout)
    names = (*BROKEN, *OTHERS, *HARMLESS, SLOW, LOUD, "cmd-sleeps", "good")
    assert {found[name]["status"] for name in names} == {FOUND}
    for name, (state, words) in BY_METADATA.items():
        assert found[name]["status"] == state
        assert words in found[name]["reason"]
    assert found["torn"]["status"] == "broken"
    assert len(BROKEN) + len(OTHERS) + len(BY_METADATA) >= 30


def test_p1_each_is_checked_apart_and_its_reason_names_a_cure(house: Program) -> None:
    wrong = {name: words for name, (*_, words) in {**BROKEN, **OTHERS}.items()}
    right = (*HARMLESS, LOUD, "good")
    done = house("plugins", "check", *wrong, *BY_METADATA, *right, "--json", timeout=300)
    assert done.returncode == 1
    checked = by_name(done.stdout)
    for name, words in wrong.items():
        assert (checked[name]["status"], words in checked[name]["reason"]) == ("broken", True), checked[name]
        assert any(cure in checked[name]["reason"] for cure in ("plugins block", "ask the authors"))
    assert {checked[name]["status"] for name in right} == {"loaded"}
    assert f"{len(wrong) + len(BY_METADATA)} plugins of {len(checked)} cannot be used" in done.stderr


COMMANDS = (
    ["--help"],
    ["--version"],
    ["plugins", "list"],
    ["plugins", "show", "raises_importerror"],
    ["plugins", "show", "leaves_hard"],
    ["plugins", "block", "recurses"],
    ["plugins", "prefer", "other"],
    ["scrape", "--help"],
    ["enqueue", "--help"],
    ["enqueue", "good"],
    ["status"],
    ["tasks", "list"],
    ["dead", "list"],
    ["items", "list"],
    ["sources", "list"],
    ["workers"],
    ["config", "show"],
    ["doctor"],
    ["plugins", "show", "ext_exits"],
    ["plugins", "show", "cmd-leaves"],
    ["cmd-prints"],
)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_p1_every_command_works_while_all_of_them_are_installed(house: Program, arguments: list[str]) -> None:
    done = house(*arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("name", ["cmd-raises", "cmd-exits", "cmd-number"])
def test_p1_a_broken_command_costs_one_line_that_names_the_cure(house: Program, name: str) -> None:
    done = house(name)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert f"plugins block {name}" in done.stderr


@pytest.mark.parametrize("name", [name for name, (group, *_) in OTHERS.items() if group == "queues"])
def test_p1_a_broken_queue_names_the_cure(house: Program, name: str) -> None:
    done = house("--queue", f"{name}://somewhere", "status")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert f"no backend for the queue {name}://" in done.stderr
    assert f"plugins block {name}" in done.stderr


def test_p1_broken_checks_spoil_no_other(house: Program) -> None:
    done = house("--block", "ytdlp", "doctor", "--online", "--json")
    checks = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
    assert checks["online chk_prints"]["message"] == "fine"
    assert {checks[f"online {name}"]["status"] for name in ("chk_raises", "chk_number")} == {"failed"}


def test_p1_the_built_in_command_wins(house: Program) -> None:
    assert "told" not in house("status").stdout


def test_p1_a_good_plugin_does_its_task_among_them(house: Program) -> None:
    done = house("scrape", "good", "--jsonl")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["title"] == "One"
    assert "[[[" not in done.stdout


def test_p1_tasks_of_broken_ones_wait_unburned_while_a_worker_does_the_others(house: Program) -> None:
    house("enqueue", "good")
    for name in ("raises_systemexit", "raises_importerror", "another_core", "taken_twice"):
        assert house("enqueue", name).returncode == 2  # nothing could check its parameters
    assert house("run", "--until-empty", "--type", "good").returncode == 0
    tasks = json.loads(house("tasks", "list", "--json").stdout)
    assert [(task["type"], task["state"]) for task in tasks] == [("good", "completed")]


def test_p1_who_patches_the_core_or_leaves_in_a_hook_ends_its_own_task_alone(house: Program) -> None:
    for name in ("patches", "good", "exits_in_a_hook", "good"):
        assert house("enqueue", name, "--max-attempts", "1").returncode == 0
    assert house("run", "--until-empty", "--concurrency", "1", "--strategy", "fifo").returncode in {0, 1}
    tasks = json.loads(house("tasks", "list", "--json").stdout)
    states = {(task["type"], task["state"]) for task in tasks}
    assert states == {("patches", "dead"), ("good", "completed"), ("exits_in_a_hook", "dead")}


def test_p1_strict_plugins_refuse_and_name_them_all(house: Program) -> None:
    house.environment["YTWORKER_BLOCK"] = f"{SLOW},cmd-sleeps"
    done = house("--strict-plugins", "enqueue", "good", timeout=300)
    assert done.returncode == 2
    assert all(f"{name} is broken" in done.stderr for name in (*BROKEN, *OTHERS))
    assert all(f"{name} is {state}" in done.stderr for name, (state, _) in BY_METADATA.items())
    bad = ",".join([*BROKEN, *OTHERS, *BY_METADATA, SLOW, "cmd-sleeps", "torn", "?"])
    house.environment["YTWORKER_BLOCK"] = bad
    assert house("--strict-plugins", "enqueue", "good", timeout=300).returncode == 0


def test_p1_a_conflict_is_settled_by_preferring_one(house: Program) -> None:
    before = house("plugins", "prefer", "taken_twice")
    assert before.returncode == 2
    assert "plugins prefer one" in before.stderr
    assert house("plugins", "prefer", "other").returncode == 0
    shown = json.loads(house("plugins", "show", "taken_twice", "--json").stdout)
    assert (shown["status"], shown["distribution"]) == ("loaded", "other")
    assert house("scrape", "taken_twice").returncode == 0
    assert house("plugins", "prefer", "--undo", "other").returncode == 0
    assert json.loads(house("plugins", "show", "taken_twice", "--json").stdout)["status"] == "conflict"
