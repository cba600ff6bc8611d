"""Rows O1 and O2 of the abuse cases: texts from outside reach terminals, files and logs as text and as nothing else."""

import json
import os
import pty
import select
import subprocess
import sys
import time
import unicodedata

import pytest

from plugin_helpers import PROGRAM, Done, Program, Zoo

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
        ("items", "list"),
        ("items", "list", "--json"),
        ("items", "export"),
        ("status",),
        ("status", "--json"),
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
    assert (record["level"], record["message"]) == ("error", f"log {text}")


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
