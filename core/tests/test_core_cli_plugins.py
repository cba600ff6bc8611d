"""``ytworker plugins``, the global switches, and commands that plugins bring."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import PROGRAM, Program, Zoo, worker_module
from ytworker.plugins import apart
from ytworker.settings import default_config

pytest_plugins = ["plugin_fixtures"]

OURS = {"api-plan", "api_scrape", "channel_scrape", "keyword_search", "metrics", "trending_scrape", "ytdlp"}
"""What other distributions of this repository bring, where they are installed beside the core."""

TATTLE = "import pathlib; pathlib.Path(__file__).with_suffix('.imported').touch()"
COMMAND = (
    TATTLE
    + """
import typer
app = typer.Typer(add_completion=False, rich_markup_mode=None)
@app.command()
def hello(name: str = "you"):
    typer.echo(f"hello {name}")
"""
)


def imported(zoo: Zoo) -> list[str]:
    return sorted(file.stem for file in zoo.folder.glob("*.imported"))


def listed(program: Program, *switches: str) -> dict[str, dict[str, Any]]:
    done = program(*switches, "plugins", "list", "--json")
    assert done.code == 0, done.err
    return {each["name"]: each for each in json.loads(done.out)}


def full_house(zoo: Zoo) -> None:
    """Install a plugin of every state that shows without an import."""
    zoo.worker("found", imported=TATTLE, summary="Finds [red]things[/red]")
    zoo.worker("old", imported=TATTLE, requires=["ytworker<0.1"])
    for name in ("alpha", "beta"):
        source = worker_module("twice", imported=TATTLE)
        zoo.install(name, entry_points={"ytworker.workers": {"twice": f"{name}_m"}}, modules={f"{name}_m": source})
    zoo.extension("wraps", TATTLE)
    zoo.worker("broken", imported=TATTLE + "\nraise ImportError('a part')")


def test_the_list_shows_every_state_and_imports_nothing(program: Program, zoo: Zoo) -> None:
    full_house(zoo)
    found = listed(program, "--block", "wraps", "--block", "nowhere")
    states = {name: each["status"] for name, each in found.items() if name not in OURS}
    assert states == {
        "found": "found",
        "old": "incompatible",
        "twice": "conflict",
        "wraps": "blocked",
        "broken": "found",  # nobody has tried it yet
        "sqlite": "found",
        "nowhere": "missing",
    }
    assert list(found["found"]) == ["name", "kind", "distribution", "version", "status", "summary", "reason"]
    assert imported(zoo) == []
    table = program("plugins", "list").out
    assert "Finds [red]things[/red]" in table
    assert "alpha and beta both provide" in table
    assert imported(zoo) == []


def test_without_worker_plugins_the_list_names_a_first_step(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ytworker.plugins.discovery._declared", lambda kinds: {kind: [] for kind in kinds})
    done = program("plugins", "list")
    assert done.code == 0
    assert f"{sys.executable} -m pip install ytworker-channel" in done.err


@pytest.mark.parametrize(
    ("switches", "state"),
    [
        (["--no-plugins"], "blocked"),
        (["--only", "other"], "blocked"),
        (["--only", "found"], "found"),
        (["--only", "found-dist"], "found"),
        (["--block", "found"], "blocked"),
        (["--block", "Found_Dist"], "blocked"),
        (["--block", "other", "--block", "found"], "blocked"),
    ],
)
def test_the_switches_decide_before_any_import(program: Program, zoo: Zoo, switches: list[str], state: str) -> None:
    zoo.worker("found", TATTLE + "\nreturn []", imported=TATTLE)
    assert listed(program, *switches)["found"]["status"] == state
    done = program(*switches, "scrape", "found")
    assert done.code == (2 if state == "blocked" else 0), done.err
    assert imported(zoo) == ([] if state == "blocked" else ["found_plugin"])


def test_p4_an_allow_list_keeps_a_new_distribution_out(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YTWORKER_ONLY", "found, b")
    zoo.worker("found", imported=TATTLE)
    zoo.worker("newcomer", imported=TATTLE)
    zoo.extension("wrapper", TATTLE)
    found = listed(program)
    assert [found[name]["status"] for name in ("found", "newcomer", "wrapper", "b")] == [
        "found",
        "blocked",
        "blocked",
        "missing",
    ]
    assert "YTWORKER_ONLY" in found["newcomer"]["reason"]
    assert program("scrape", "found").code == 0
    assert program("scrape", "newcomer").code == 2
    assert imported(zoo) == ["found_plugin"]


def test_a_block_lasts_until_it_is_lifted(program: Program, zoo: Zoo) -> None:
    zoo.worker("found", imported=TATTLE)
    assert "found is blocked" in program("plugins", "block", "found").err
    assert listed(program)["found"]["status"] == "blocked"
    assert "plugins unblock found" in listed(program)["found"]["reason"]
    done = program("scrape", "found")
    assert (done.code, imported(zoo)) == (2, [])
    assert "not blocked any more" in program("plugins", "unblock", "found").err
    assert program("scrape", "found").code == 0
    assert imported(zoo) == ["found_plugin"]


def test_a_distribution_may_be_blocked_and_blocking_twice_is_one_block(program: Program, zoo: Zoo) -> None:
    zoo.worker("found")
    for _ in range(2):
        program("plugins", "block", "found-dist")
    assert listed(program)["found"]["status"] == "blocked"
    program("plugins", "unblock", "found-dist")
    assert listed(program)["found"]["status"] == "found"


def test_blocking_what_is_not_there_says_so(program: Program) -> None:
    done = program("plugins", "block", "nowhere")
    assert done.code == 0
    assert "nothing of that name is installed" in done.err


@pytest.mark.parametrize("command", ["block", "prefer"])
def test_a_config_folder_that_cannot_be_written_is_named(program: Program, command: str) -> None:
    folder = default_config().parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.touch()
    done = program("plugins", command, "nowhere")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {folder}/")
    assert "cannot be written" in done.err


def test_lifting_what_is_not_blocked_says_what_is(program: Program) -> None:
    program("plugins", "block", "one")
    done = program("plugins", "unblock", "two")
    assert done.code == 1
    assert "two is not blocked; blocked are: one" in done.err


# -- show

PARAMETERS = """
from pydantic import BaseModel, Field
class P(BaseModel):
    url: str = Field(description="Where to look.")
    n: int = 3
@hookimpl
def get_parameters():
    return P
"""


def test_show_loads_a_plugin_apart(program: Program, zoo: Zoo) -> None:
    module = zoo.worker("found", extra=PARAMETERS)
    shown = json.loads(program("plugins", "show", "found", "--json").out)
    assert (shown["status"], shown["parameters"]["required"]) == ("loaded", ["url"])
    assert module not in sys.modules
    told = " ".join(program("plugins", "show", "found-dist").out.split())
    assert "parameter url (required): Where to look." in told
    assert "parameter n:" in told


HARMFUL = {
    "an exception": ("raise ImportError('a part')", "a part"),
    "a hard exit": ("import os; os._exit(0)", "ended the process"),
    "a crash": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended the process"),
}


@pytest.mark.parametrize(("source", "reason"), HARMFUL.values(), ids=HARMFUL)
def test_show_survives_what_a_plugin_does(program: Program, zoo: Zoo, source: str, reason: str) -> None:
    zoo.worker("found", imported=source)
    done = program("plugins", "show", "found", "--json")
    shown = json.loads(done.out)
    assert (done.code, shown["status"]) == (0, "broken")
    assert reason in shown["reason"]


def test_show_does_not_wait_for_ever(program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "LOAD_SECONDS", 0.2)
    zoo.worker("found", imported="import time; time.sleep(60)")
    shown = json.loads(program("plugins", "show", "found", "--json").out)
    assert shown["status"] == "broken"
    assert "within 0.2 s" in shown["reason"]


def test_show_is_not_confused_by_what_a_plugin_prints(program: Program, zoo: Zoo) -> None:
    zoo.worker("found", imported="import os; os.write(2, b'\\xff\\xfe'); print('{}')")
    assert json.loads(program("plugins", "show", "found", "--json").out)["status"] == "loaded"


def test_show_of_one_of_two_rivals_after_the_other_was_blocked(program: Program, zoo: Zoo) -> None:
    full_house(zoo)
    program("plugins", "block", "beta")
    shown = json.loads(program("plugins", "show", "twice", "--json").out)
    assert (shown["status"], shown["distribution"]) == ("loaded", "alpha")
    assert imported(zoo) == ["alpha_m"]


def test_show_of_a_blocked_one_imports_nothing(program: Program, zoo: Zoo) -> None:
    zoo.worker("found", imported=TATTLE)
    done = program("--block", "found", "plugins", "show", "found")
    assert done.code == 0
    assert "blocked" in done.out
    assert imported(zoo) == []


def test_show_of_a_missing_one_exits_1(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ytworker.plugins.discovery.FIRST_PARTY", {"far_scrape": "ytworker-far"})
    done = program("plugins", "show", "far_scrape", "--json")
    assert done.code == 1
    assert "pip install ytworker-far" in json.loads(done.out)["reason"]


# -- commands of plugins


def install_command(zoo: Zoo, name: str = "hello", source: str = COMMAND, dist: str = "greeter") -> None:
    module = f"{dist}_command"
    zoo.install(
        dist,
        entry_points={"ytworker.commands": {name: f"{module}:app"}},
        modules={module: source},
        summary="Greets \x1b[2Jpeople",
    )


def test_a_plugin_command_is_listed_from_metadata_and_runs(program: Program, zoo: Zoo) -> None:
    install_command(zoo)
    done = program("--help")
    assert "hello" in done.out
    assert "Greets [2Jpeople" in done.out
    assert b"\x1b" not in done.stdout
    assert imported(zoo) == []
    assert program("hello", "--name", "me").out == "hello me\n"
    assert "--name" in program("hello", "--help").out


BROKEN_COMMANDS = {
    "an import that fails": "raise ImportError('a part is missing')",
    "no Typer": "app = 5",
    "nothing there": "x = 1",
    "a program that leaves": "raise SystemExit(0)",
    "an empty Typer": "import typer; app = typer.Typer()",
}


@pytest.mark.parametrize("source", BROKEN_COMMANDS.values(), ids=BROKEN_COMMANDS)
def test_a_broken_command_costs_one_line(program: Program, zoo: Zoo, source: str) -> None:
    install_command(zoo, source=source)
    assert program("--help").code == 0
    done = program("hello")
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert "hello is broken" in done.err
    assert "plugins block hello" in done.err


@pytest.mark.parametrize("switches", [["--block", "hello"], ["--block", "greeter"], ["--no-plugins"], ["--only", "x"]])
def test_a_blocked_command_is_never_imported(program: Program, zoo: Zoo, switches: list[str]) -> None:
    install_command(zoo)
    done = program(*switches, "hello")
    assert (done.code, done.out, imported(zoo)) == (2, "", [])
    assert "hello is blocked: " in done.err


def test_a_command_for_another_core_says_so_instead_of_guessing(program: Program, zoo: Zoo) -> None:
    modules = {"old_command": COMMAND}
    zoo.install(
        "old",
        entry_points={"ytworker.commands": {"old": "old_command:app"}},
        modules=modules,
        requires=["ytworker<0.1"],
    )
    done = program("old")
    assert (done.code, "old is incompatible: it needs ytworker<0.1" in done.err, imported(zoo)) == (2, True, [])


def test_a_command_that_is_blocked_for_good_is_never_imported(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_command(zoo)
    program("plugins", "block", "greeter")
    done = program("hello")
    assert (done.code, done.out, imported(zoo)) == (2, "", [])
    assert "block" in done.err
    program("plugins", "unblock", "greeter")
    monkeypatch.setenv("YTWORKER_ONLY", "other")
    assert (program("hello").code, imported(zoo)) == (2, [])


def test_one_of_two_rival_commands_runs_when_the_other_is_blocked(program: Program, zoo: Zoo) -> None:
    install_command(zoo)
    install_command(zoo, dist="rival")
    assert program("hello").code == 2
    assert program("--block", "rival", "hello").out == "hello you\n"
    assert imported(zoo) == ["greeter_command"]


def test_a_built_in_command_wins(program: Program, zoo: Zoo) -> None:
    install_command(zoo, name="status")
    assert "completed" in program("status").out
    assert imported(zoo) == []


def test_an_unknown_command_guesses(program: Program) -> None:
    done = program("scarpe")
    assert done.code == 2
    assert "Did you mean scrape?" in done.err


def test_the_console_script_runs_with_broken_plugins(program: Program, zoo: Zoo) -> None:
    full_house(zoo)
    (zoo.install("torn", entry_points={"ytworker.workers": {"torn": "x"}}) / "METADATA").write_bytes(b"Name: \xff\n")
    done = program.apart("plugins", "list")
    assert done.code == 0
    assert "found" in done.out


# -- the start

STARTS = {
    "version": (["--version"], {"typer", "pydantic", "pluggy", "rich"}),
    "help": (["--help"], {"pydantic_settings"}),
    "plugins list": (["plugins", "list"], set()),
    "scrape help": (["scrape", "--help"], set()),
    "tasks list": (["tasks", "list"], set()),
}


@pytest.mark.parametrize(("arguments", "heavy"), STARTS.values(), ids=STARTS)
def test_starting_imports_no_plugin(
    program: Program, zoo: Zoo, arguments: list[str], heavy: set[str], tmp_path: Path
) -> None:
    zoo.worker("found", imported=TATTLE)
    zoo.extension("wraps", TATTLE)
    install_command(zoo)
    report = tmp_path / "modules"
    code = (
        "import sys, pathlib\nfrom ytworker.cli import main\n"
        f"sys.argv = ['ytworker', *{arguments!r}]\n"
        "try: main()\nexcept SystemExit as left: assert not left.code\n"
        f"pathlib.Path({str(report)!r}).write_text('\\n'.join(sys.modules))\n"
    )
    subprocess.run([sys.executable, "-c", code], env=program.env(), check=True, capture_output=True, cwd=tmp_path)
    loaded = set(report.read_text().split("\n"))
    assert imported(zoo) == []
    assert not loaded & ({"yt_dlp", "ytworker_ytdlp", "ytworker_channel", "found_plugin"} | heavy)


def test_the_version(program: Program) -> None:
    from ytworker import __version__

    assert program("--version").out == program("--no-plugins", "--version").out == f"ytworker {__version__}\n"


def test_the_version_that_cannot_be_written_is_no_traceback(program: Program) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [PROGRAM, "--version"], env=program.env(), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_without_arguments_the_help_is_shown(program: Program) -> None:
    assert "plugins" in program().out + program().err


# -- check, prefer, and what hooks are called


def test_check_tells_of_every_kind(program: Program, zoo: Zoo) -> None:
    zoo.worker("found", extra=PARAMETERS)
    zoo.extension("wraps", "@hookimpl(wrapper=True)\ndef scrape(params, context):\n    return (yield)")
    zoo.extension("answers", "@hookimpl\ndef scrape(params, context): return []")
    install_command(zoo)
    done = program("plugins", "check", "found", "wraps", "answers", "hello", "--json")
    assert done.code == 1
    checked = {each["name"]: each for each in json.loads(done.out)}
    assert {name: each["status"] for name, each in checked.items()} == {
        "found": "loaded",
        "wraps": "loaded",
        "answers": "broken",
        "hello": "loaded",
    }
    assert checked["found"]["hooks"] == ["get_parameters", "get_task_type", "scrape"]
    assert checked["wraps"]["hooks"] == ["scrape (wrapper)"]
    assert checked["found"]["load_seconds"] >= 0
    told = program("plugins", "check", "found-dist")
    assert (told.code, "loaded" in told.out, " ms" in told.out) == (0, True, True)


NOT_USABLE = {
    "a command": ("commands", "app = 5", "(int) is no typer.Typer"),
    "an empty command": ("commands", "import typer; app = typer.Typer()", "(Typer) is no typer.Typer with a command"),
    "a queue": ("queues", "app = 'a queue'", "(str) cannot be called"),
    "a check": ("checks", "import sys as app", "(the module sys) has no function check(context)"),
}


@pytest.mark.parametrize(("group", "source", "reason"), NOT_USABLE.values(), ids=NOT_USABLE)
def test_check_refuses_what_can_never_be_used_as_its_kind(
    program: Program, zoo: Zoo, group: str, source: str, reason: str
) -> None:
    zoo.install("odd", entry_points={f"ytworker.{group}": {"odd": "odd_m:app"}}, modules={"odd_m": source})
    done = program("plugins", "check", "odd", "--json")
    (checked,) = json.loads(done.out)
    assert (done.code, checked["status"], reason in checked["reason"]) == (1, "broken", True), checked
    assert "plugins block odd" in checked["reason"]


def test_an_import_that_raises_what_is_no_exception_is_broken_too(program: Program, zoo: Zoo) -> None:
    zoo.worker("found", imported="import pytest; pytest.importorskip('nowhere.to.be.found')")
    zoo.worker("async_one", imported="import asyncio; raise asyncio.CancelledError('gone')")
    for name, reason in (("found", "Skipped"), ("async_one", "CancelledError: gone")):
        done = program("scrape", name)
        assert (done.code, f"{name} is broken: {reason}" in done.err) == (2, True), done.err


HELPS = [[], *([name] for name in ("scrape", "tasks", "dead", "items", "db", "plugins", "sources", "config"))]


@pytest.mark.parametrize("group", HELPS, ids=lambda group: " ".join(group) or "ytworker")
def test_no_line_of_a_help_is_cut_off(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, group: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    zoo.worker("found", summary=f"It finds {'many and many ' * 8}things")
    install_command(zoo)
    listed = program(*group, "--help").out.partition("Commands:")[2]
    assert listed
    assert "..." not in listed


def test_our_own_commands_stand_before_those_of_plugins(program: Program, zoo: Zoo) -> None:
    install_command(zoo)
    told = program("--help").out
    assert told.index("  config ") < told.index("  hello ")


def test_pages_are_shown_one_a_line(program: Program, zoo: Zoo) -> None:
    zoo.worker("found")
    (metadata,) = zoo.folder.glob("found_dist-*/METADATA")
    pages = ("Homepage, https://example.org/", "Changelog, https://example.org/changes")
    metadata.write_text(metadata.read_text("utf-8") + "".join(f"Project-URL: {page}\n" for page in pages), "utf-8")
    assert json.loads(program("plugins", "show", "found", "--json").out)["pages"] == list(pages)
    lines = [line.split() for line in program("plugins", "show", "found").out.splitlines()]
    assert ["page", "Homepage:", "https://example.org/"] in lines
    assert ["page", "Changelog:", "https://example.org/changes"] in lines


def test_check_shows_no_secret_of_ours_to_a_plugin(program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTWORKER_PLUGINS__OTHER__API_KEY", "canary")
    spy = "import os, pathlib; pathlib.Path(__file__).with_suffix('.env').write_text(repr(dict(os.environ)))"
    zoo.worker("spy", imported=spy)
    assert program("plugins", "check", "spy").code == 0
    assert "canary" not in (zoo.folder / "spy_plugin.env").read_text()


def test_a_distribution_is_preferred_until_that_is_undone(program: Program, zoo: Zoo) -> None:
    full_house(zoo)
    assert listed(program)["twice"]["status"] == "conflict"
    assert program("plugins", "prefer", "beta").code == 0
    assert (listed(program)["twice"]["status"], listed(program)["twice"]["distribution"]) == ("found", "beta")
    assert program("plugins", "prefer", "--undo", "beta").code == 0
    assert listed(program)["twice"]["status"] == "conflict"
    done = program("plugins", "prefer", "--undo", "beta")
    assert (done.code, "preferred are: none" in done.err) == (1, True)
    assert "nothing of that name" in program("plugins", "prefer", "gamma").err
    assert program("plugins", "prefer", " ").code == 2


def test_hooks_are_traced_here_and_in_children(program: Program, zoo: Zoo) -> None:
    zoo.worker("found")
    zoo.extension("wraps", "@hookimpl(wrapper=True)\ndef scrape(params, context):\n    return (yield)")
    zoo.worker("fails", "1 / 0")
    done = program("--trace-hooks", "scrape", "found", "--jsonl")
    assert "asks extension:wraps (wrapper), worker:found" in done.err
    assert "get_task_type gave 'found'" in done.err
    program("enqueue", "found")
    done = program.apart("--trace-hooks", "run", "--until-empty")
    assert "asks extension:wraps (wrapper), worker:found" in done.err
    assert "asks" not in program("scrape", "found").err


def test_strict_plugins_refuse_before_anything_is_written(program: Program, zoo: Zoo) -> None:
    zoo.worker("found")
    zoo.worker("broken", imported="raise ImportError('a part')")
    done = program("--strict-plugins", "enqueue", "found")
    assert done.code == 2
    assert "broken is broken: ImportError: a part" in done.err
    assert program("--strict-plugins", "--block", "broken", "enqueue", "found").code == 0
    assert len(json.loads(program("tasks", "list", "--json").out)) == 1
