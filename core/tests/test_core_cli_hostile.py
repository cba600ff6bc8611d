"""Hostile texts and names on the command line.

Rows O1 and O2 of the abuse cases: texts from outside reach terminals, files and logs as text and as nothing else.
Row Q5: names of orders, types, keys and queues are compared and never obeyed.
"""

import json
import os
import pty
import select
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest

from plugin_helpers import PROGRAM, Done, Program, Zoo
from ytworker.redaction import printable

pytest_plugins = ["plugin_fixtures"]

ESCAPES = {
    "the window's title": "\x1b]0;pwn\x07",
    "a cleared screen": "\x1b[2J\x1b[H",
    "colours": "\x1b[31;1mred",
    "a link": "\x1b]8;;http://evil.test\x1b\\x\x1b]8;;\x1b\\",
    "the clipboard": "\x1b]52;c;cHdu\x07",
    "C1 controls": "\x9b31m\x9d0;pwn\x9c\x85\x90",
    "a carriage return": "100 %\rpwned",
    "backspaces": "safe\b\b\b\bpwnd",
    "delete and bell": "\x7f\x07\x00",
    "bidi overrides": "\u202egnp.exe\u2066x\u2069\u200f\u061c",
    "line breaks": "one\ntwo\u2028three\u2029four\x0bfive\x0csix",
    "a log line": 'x\n{"level": "critical", "message": "pwned"}',
}
MARKUP = ["[/red]", "[link=http://evil.test]x[/link]", "[bold", "[/]", "[red]x", r"\[bold]", ":smile:", "{0.__class__}"]
BIDI = set("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_inert(done: Done) -> None:
    """No control character but the newline, whatever the text was."""
    for text in (done.out, done.err):
        found = {char for char in text if char != "\n" and (unicodedata.category(char) in {"Cc", "Cs"} or char in BIDI)}
        assert not found, (found, text)
    assert "Traceback" not in done.err
    assert "MarkupError" not in done.err


def telling(zoo: Zoo, text: str) -> None:
    """Install plugins that say this text wherever they can."""
    item = (
        f"yield {{'source': 'test', 'kind': 'video', 'id': {'id ' + text!r}, 'title': {'before ' + text + ' after'!r}, "
        f"'author': {{'name': {text!r}}}, 'extra': {{{text!r}: {text!r}}}}}"
    )
    zoo.worker("good", f"context.progress(1, 2, {text!r})\ncontext.logger.error('log %s', {text!r})\n{item}")
    zoo.worker("gone", f"raise GoneError({'gone ' + text!r})")
    zoo.worker("odd", f"raise KeyError({'odd ' + text!r})")
    zoo.worker("late", f"raise ThrottledError({'late ' + text!r}, source={'site ' + text!r})")
    zoo.worker("waits", f"from datetime import *\ncontext.defer(datetime.now(UTC) + timedelta(1), {'waits ' + text!r})")
    zoo.worker("doubts", f"context.suspect({text!r})\n{item}")


def everything(program: Program, text: str) -> dict[str, Done]:
    """Run every command that could show the text."""
    param = "--param", "a=" + json.dumps("param " + text)
    runs = [
        ("scrape", "good", *param),
        ("scrape", "good", "--json"),
        ("scrape", "good", "--jsonl"),
        ("--log-format", "json", "scrape", "good"),
        *(("scrape", name) for name in ("gone", "odd", "late", "waits", "doubts")),
        ("enqueue", "good", *param),
        ("enqueue", "good", "--param", "a=1", "--key", text.replace("\0", "")),
        ("run", "--until-empty"),
        ("tasks", "list"),
        ("tasks", "list", "--json"),
        *(("tasks", "show", str(number)) for number in (1, 5, 6, 7, 8)),
        ("tasks", "show", "6", "--json"),
        ("dead", "list"),
        ("dead", "list", "--json"),
        ("dead", "list", "--flat"),
        ("dead", "list", "--flat", "--json"),
        ("dead", "show", "5"),
        ("dead", "requeue", "--all", "--dry-run"),
        ("items", "list"),
        ("items", "list", "--json"),
        ("items", "export"),
        ("status",),
        ("status", "--json"),
        ("sources", "list"),
        ("workers",),
        ("health",),
        ("doctor", "--json"),
        ("db", "check"),
        ("tasks", "cancel", "--all"),
        ("tasks", "retry", "5"),
    ]
    return {" ".join(run[:3]): program(*(part.replace("\0", "") for part in run)) for run in runs}


@pytest.fixture(autouse=True)
def _no_second_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTWORKER_MAX_ATTEMPTS", "1")


def test_o1_no_command_lets_a_control_character_through(program: Program, zoo: Zoo) -> None:
    text = " ".join(ESCAPES.values())
    telling(zoo, text)
    for done in everything(program, text).values():
        is_inert(done)


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_o1_control_characters_are_taken_out_of_the_text(program: Program, zoo: Zoo, text: str) -> None:
    telling(zoo, text)
    runs = [program("scrape", name) for name in ("good", "gone", "late", "waits")]
    runs += [program("items", "list"), program("tasks", "list")]
    for done in runs:
        is_inert(done)
    plain = "".join(char for char in text.replace("\n", " ") if char.isprintable())
    assert f"before {plain} after" in runs[0].out
    assert "log " in runs[0].err
    for done, word in zip(runs[1:4], ("gone", "late", "waits"), strict=True):
        assert f"{word} " in done.err


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_o1_json_is_escaped_and_exact(program: Program, zoo: Zoo, text: str) -> None:
    telling(zoo, text)
    item = json.loads(program("scrape", "good", "--jsonl").out)
    assert item["title"] == f"before {text} after"
    assert item["extra"] == {text: text}
    assert json.loads(program("items", "export").out)["id"] == f"id {text}"


def test_o1_logs_of_libraries_that_know_nothing_of_us_are_clean_too(program: Program, zoo: Zoo) -> None:
    text = " ".join(ESCAPES.values())
    zoo.worker(
        "good", f"logging.getLogger('somelib').warning('LIB %s', {text!r})\nreturn []", imported="import logging"
    )
    done = program.apart("scrape", "good")
    is_inert(done)
    assert "warning: LIB" in done.err


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_o6_a_log_record_is_one_line(program: Program, zoo: Zoo, text: str) -> None:
    telling(zoo, text)
    done = program("--log-format", "json", "scrape", "good")
    is_inert(done)
    (record,) = [json.loads(line) for line in done.err.split("\n") if line.startswith("{")]
    assert (record["level"], record["message"]) == ("error", printable(f"log {text}"))


def test_o2_no_command_reads_markup(program: Program, zoo: Zoo) -> None:
    text = " ".join(MARKUP)
    telling(zoo, text)
    for done in everything(program, text).values():
        is_inert(done)


@pytest.mark.parametrize("text", MARKUP)
def test_o2_markup_is_literal_text(program: Program, zoo: Zoo, text: str) -> None:
    telling(zoo, text)
    good = program("scrape", "good", "--param", "a=" + json.dumps("param " + text))
    assert f"before {text} after" in good.out
    assert f"log {text}" in good.err
    assert f"gone {text}" in program("scrape", "gone").err
    assert f"gone {text}" in program("dead", "list").out
    assert f"before {text} after" in program("items", "list").out
    assert f"param {text}" in program("tasks", "list").out


def on_a_terminal(program: Program, *arguments: str) -> bytes:
    """Run the console script with a terminal for all three streams, and give what the terminal saw."""
    master, slave = pty.openpty()
    environment = {**program.env(), "TERM": "xterm-256color", "COLUMNS": "200", "LINES": "50"}
    process = subprocess.Popen([PROGRAM, *arguments], env=environment, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen, deadline = b"", time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
    finally:
        process.kill()
        process.wait()
        os.close(master)
    return seen


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_o1_o2_a_terminal_sees_no_command_of_a_plugin(program: Program, zoo: Zoo) -> None:
    """The progress bar is drawn only on a terminal; what it shows is the text, stripped and literal."""
    hostile = "NOTE [/red] [bold {0.__class__} \x1b]0;pwn\x07\x1b[2J\x9b31m\u202e\b"
    body = f"""
        import time
        for n in range(4):
            context.progress(n, 4, {hostile!r})
            time.sleep(0.15)
        yield {{"source": "test", "kind": "video", "id": "1", "title": {hostile!r}}}
        context.logger.error("LOG %s", {hostile!r})
    """
    zoo.worker("good", body)
    zoo.worker("gone", f"raise GoneError({hostile!r})")
    for arguments in (("scrape", "good"), ("scrape", "gone"), ("items", "list")):
        seen = on_a_terminal(program, *arguments)
        for command in (b"\x1b]0;", b"\x07", b"\x1b[2J", "\x9b".encode(), "\u202e".encode(), b"\x08"):
            assert command not in seen, arguments
        assert b"NOTE [/red] [bold {0.__class__} ]0;pwn" in seen
        assert b"Traceback" not in seen


# -- row Q5: names that people and programs make up

NAMES = {
    "quotes": "x'; DROP TABLE task; --",
    "double quotes": 'x" OR "1"="1',
    "percents": "%s%n%(title)s%00%",
    "braces": "{0.__class__}{params}",
    "300 characters": "x" * 300,
    "unicode": "ünï\u202ecödé 🎬 \u0130",
    "control characters": "a\x1b]0;pwn\x07\r\nb",
    "a path": "../../etc/passwd",
    "an option": "--yes",
    "half a character": "cut \udc80",
    "nothing": "",
}


def is_refused(done: Done) -> None:
    is_inert(done)
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_q5_an_order_is_one_of_ours_or_refused(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    zoo.worker("good")
    program("enqueue", "good")
    if name:
        is_refused(program("run", "--until-empty", f"--strategy={name}"))
    is_refused(program("run", "--until-empty", f"--aging={name}"))
    for variable in ("STRATEGY", "AGING_SECONDS") if name else ():
        with monkeypatch.context() as patch:
            patch.setenv(f"YTWORKER_{variable}", name)
            done = program("run", "--until-empty")
            is_refused(done)
            assert f"YTWORKER_{variable}" in done.err
    with monkeypatch.context() as patch:
        patch.setenv("YTWORKER_ORDERS", name)
        assert program("run", "--until-empty").code == (2 if name else 0)
    assert program("db", "check").code == 0


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_q5_a_task_type_that_nobody_answers_is_refused(program: Program, zoo: Zoo, name: str) -> None:
    zoo.worker("good")
    for command in (("run", "--until-empty", f"--type={name}"), ("enqueue", "--", name), ("scrape", "--", name)):
        is_refused(program(*command))
    line = json.dumps({"type": name})
    done = program("enqueue", "good", "--from-file", "-", stdin=line)
    is_refused(done)
    assert json.loads(program("tasks", "list", "--json").out) == []


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_q5_a_filter_is_compared_and_nothing_else(program: Program, zoo: Zoo, name: str) -> None:
    zoo.worker("good")
    zoo.worker("gone", "raise GoneError('x')")
    program("scrape", "gone")
    program("enqueue", "good")
    for command in ("tasks list", "dead list", "dead requeue", "dead purge", "tasks cancel", "items list"):
        done = program(*command.split(), f"--type={name}")
        is_inert(done)
        assert (done.code, done.out) == (0, ""), command
    for command in ("tasks list", "dead list", "dead requeue", "dead purge"):
        done = program(*command.split(), f"--fingerprint={name}")
        is_inert(done)
        assert (done.code, done.out) == (0, ""), command
        is_refused(program(*command.split(), f"--class={name}"))
        is_refused(program(*command.split(), f"--since={name}"))
        is_refused(program(*command.split(), f"--id={name}"))
    states = [task["state"] for task in json.loads(program("tasks", "list", "--json").out)]
    assert states == ["queued", "dead"]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_q5_a_key_is_stored_as_it_is_or_refused(program: Program, zoo: Zoo, name: str) -> None:
    zoo.worker("good")
    done = program("enqueue", "good", f"--key={name}")
    if 0 < len(name) <= 200 and name.isprintable():
        assert program("enqueue", "good", f"--key={name}").out == done.out == "1\n"
        (task,) = json.loads(program("tasks", "list", "--json").out)
        assert task["key"] == name
        is_inert(program("tasks", "show", "1"))
    else:
        is_refused(done)
    for option in ("--unique", "--on-conflict"):
        is_refused(program("enqueue", "good", "--key=k", f"{option}={name}"))


DEEP = "[" * 100_000


def test_a_parameter_that_is_nested_too_deeply_is_a_text(program: Program, zoo: Zoo) -> None:
    model = "class Parameters(pydantic.BaseModel):\n    table: dict[str, str] = {}\n"
    hook = "@hookimpl\ndef get_parameters():\n    return Parameters\n"
    zoo.worker("good", extra=f"import pydantic\n\n{model}\n{hook}")
    zoo.worker("free")
    done = program("enqueue", "good", f"--table={DEEP}")
    is_refused(done)
    assert "--table: Input should be a valid dictionary" in done.err
    assert program("enqueue", "free", "--param", f"text={DEEP}").code == 0


def test_a_setting_that_is_nested_too_deeply_is_refused_or_a_name(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.worker("good")
    monkeypatch.setenv("YTWORKER_BLOCK", DEEP)
    is_inert(program("status"))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_q5_a_queue_is_a_file_of_that_name_or_refused(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "queues" / "a" / "b" / "c" / "d"  # deep enough for every ../..
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for queue in (f"{folder}/{name}.db", f"sqlite://{folder}/{name}.db", f"{name}.db"):
        done = program("--queue", queue, "status", "--json")
        is_inert(done)
        assert done.code in {0, 1}, queue
        if done.code:
            assert done.out == ""
            assert done.err.startswith("error: ")
    made = [path.name for path in (tmp_path / "queues").rglob("*") if path.is_file()]
    assert all(file.endswith((".db", ".db-line", ".db-wal", ".db-shm")) for file in made), made


def test_a_queue_beside_a_folder_that_is_gone_is_refused(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    done = program("--queue", "mine.db", "status")
    is_refused(done)
    assert "the current folder is gone" in done.err
    assert program("status").code == 0


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_q5_what_looks_like_a_url_makes_no_file(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "queues" / "a" / "b" / "c" / "d"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for queue in (f"{name}://x", f"{name}://user:pass@{name}/{name}"):
        done = program("--queue", queue, "status")
        is_inert(done)
        assert (done.code, done.out) == (1, ""), queue
        assert done.err.startswith("error: ")
        assert "pass@" not in done.err
    assert [path for path in (tmp_path / "queues").rglob("*") if path.is_file()] == []


def test_a_closed_stdin_is_an_empty_one(program: Program, zoo: Zoo) -> None:
    zoo.worker("good")
    closed = f"exec {PROGRAM} enqueue good --from-file - <&-"
    done = subprocess.run(["/bin/sh", "-c", closed], env=program.env(), capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_too_few_open_files_are_a_sentence(program: Program) -> None:
    program("status")
    low = f"ulimit -n 10; exec {PROGRAM} run --until-empty"
    done = subprocess.run(["/bin/sh", "-c", low], env=program.env(), capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    assert b"Too many open files" in done.stderr
    assert b"ulimit -n" in done.stderr
    assert b"Traceback" not in done.stderr


# -- names that lead nowhere


@pytest.mark.parametrize("name", ["", " ", "\t"])
@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_q5_an_empty_name_of_a_queue_is_no_queue(
    program: Program, home: Path, monkeypatch: pytest.MonkeyPatch, how: str, name: str
) -> None:
    monkeypatch.chdir(program.folder)
    flags: tuple[str, ...] = ()
    if how == "flag":
        flags = ("--queue", name)
    elif how == "variable":
        monkeypatch.setenv("YTWORKER_QUEUE", name)
    else:
        file = home / "config" / "ytworker" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f"queue = {json.dumps(name)}\n", "utf-8")
    done = program(*flags, "status")
    named = {"flag": "--queue: ", "variable": "YTWORKER_QUEUE: ", "file": "queue in "}[how]
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert named in done.err
    assert "it is empty; name a file or a URL, or leave it out for the queue in your data folder" in done.err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no such file system")
@pytest.mark.parametrize("path", ["/proc/q.db", "/proc/nowhere/q.db", "link"])
def test_q5_a_place_that_takes_no_file_says_what_to_do(program: Program, home: Path, path: str) -> None:
    if path == "link":
        path = str(home / "link")
        Path(path).symlink_to(home / "gone" / "q.db")
    done = program("--queue", path, "status")
    assert (done.code, len(done.err.splitlines())) == (1, 1), done.err
    assert f"{path}: no file can be made here" in done.err
    assert "Name another place with --queue" in done.err


@pytest.mark.parametrize("name", ["ytworker", "YTWorker", "ytworker-ytworker", "ytworker_ytworker"])
def test_q5_a_new_plugin_cannot_be_called_like_the_core(
    program: Program, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(program.folder)
    done = program("plugins", "new", name)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert "is ytworker itself; name what your plugin asks, such as ytworker-feeds" in done.err
    assert list(program.folder.glob("ytworker*")) == []
