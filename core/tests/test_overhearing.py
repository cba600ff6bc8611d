"""What plugins and their libraries say past ``context.logger``: it is logged as a record a line, without secrets."""

import json
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import ONE_ITEM, PROGRAM, Done, Program, Zoo
from ytworker.engine.child import Wire
from ytworker.logs import Printed, as_text

pytest_plugins = ["plugin_fixtures"]

CANARY = "c4n4ry-key"
SHAPED = "AIza" + "SyC4n4ryC4n4ryC4n4ryC4n4ryC4n4ry123"
EXTRA = """
import pydantic

class Settings(pydantic.BaseModel):
    api_key: str

@hookimpl
def get_settings():
    return {"demo": Settings}
"""
LOUD = """
import logging, sys, threading, warnings
key = context.settings["demo"].api_key
logging.getLogger("urllib3").warning("library %s", key)
logging.warning("root %s", key)
warnings.warn(f"warned {key}")
print("printed", key)
print("to stderr", key, file=sys.stderr)
sys.stdout.buffer.write(f"bytes {key}\\n".encode())
def fails():
    raise ValueError(f"thread {key}")
thread = threading.Thread(target=fails, name="helper")
thread.start()
thread.join()
class Dying:
    def __del__(self):
        raise ValueError(f"unraisable {key}")
Dying()
try:
    raise ValueError(f"told {key}")
except ValueError:
    import traceback
    traceback.print_exc()
print("without an end", key, end="")
"""
WORDS = ("library", "root", "warned", "printed", "to stderr", "bytes", "thread", "unraisable", "told", "without an end")


def records(done: Done) -> list[dict[str, Any]]:
    """Read every line; one that is no JSON fails."""
    assert CANARY not in done.err
    assert SHAPED not in done.err
    return [json.loads(line) for line in done.err.splitlines()]


def said(found: list[dict[str, Any]], word: str) -> dict[str, Any]:
    """Find the record with a word."""
    return next(each for each in found if word in each["message"])


@pytest.fixture
def loud(program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program with a plugin that tells its key past ``context.logger``, and a task of it."""
    zoo.worker("demo", f"{LOUD}\n{ONE_ITEM}", extra=EXTRA)
    monkeypatch.setenv("THE_KEY", CANARY)
    program.environment["YTWORKER_PLUGINS__DEMO__API_KEY"] = "env:THE_KEY"  # only who runs the plugin knows it
    program("enqueue", "demo")
    return program


@pytest.mark.parametrize("where", [(), ("--inline",)], ids=["child", "inline"])
def test_s1_whatever_a_plugin_says_is_a_record_without_secrets(loud: Program, where: tuple[str, ...]) -> None:
    done = loud.apart("run", "--until-empty", *where)
    found = records(done)
    assert [word for word in WORDS if f"{word} ********" not in done.err] == []
    printed = said(found, "printed")
    assert (printed["event"], printed["logger"]) == ("plugin.message", "ytworker.plugin.stdout")
    assert [printed[key] for key in ("worker", "job_id", "attempt")] == ["demo", "1", 1]
    assert said(found, "without an end")["job_id"] == "1"
    assert said(found, "ok, 1 items")["outcome"] == "ok"


def test_s1_what_a_foreground_scrape_prints_holds_no_secret(loud: Program) -> None:
    done = loud.apart("scrape", "demo", "--jsonl")
    assert json.loads(done.stdout)["id"] == "1"
    assert CANARY not in done.err
    assert all(f"{word} ********" in done.err for word in WORDS)


def test_on_a_terminal_a_foreground_scrape_shows_prints_as_they_come(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", f"print('(Pdb) ', end='', flush=True)\n{ONE_ITEM}")
    master, slave = pty.openpty()
    done = subprocess.run(
        [PROGRAM, "scrape", "demo", "--jsonl"],
        env=program.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave, check=False, timeout=60,
    )  # fmt: skip
    os.close(slave)
    shown = os.read(master, 65_536)
    os.close(master)
    assert done.returncode == 0
    assert b"(Pdb) " in shown
    assert b"warning" not in shown


RAW = f"""
import os, subprocess, sys
from multiprocessing import get_context
key = context.settings["demo"].api_key
os.write(1, f"native {{key}} {SHAPED}\\n".encode())
subprocess.run([sys.executable, "-c", "import sys; print('program', *sys.argv[1:], file=sys.stderr)", key, "{SHAPED}"])
subprocess.run(["/bin/echo", "handed", key], stdout=sys.stdout)
if not (pid := os.fork()):
    print("forked", key)
    import logging
    logging.getLogger("yt_dlp").warning("forked log %s", key)
    os._exit(0)
os.waitpid(pid, 0)
os.write(2, b"x" * 500_000 + b"\\n\\nlast words")
"""


def test_s1_what_programs_and_native_code_write_is_a_record_without_secrets(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.worker("demo", f"{RAW}\n{ONE_ITEM}", extra=EXTRA)
    monkeypatch.setenv("YTWORKER_PLUGINS__DEMO__API_KEY", CANARY)
    program("enqueue", "demo")
    done = program.apart("run", "--until-empty")
    assert done.stdout == b""
    found = records(done)
    for word in ("native ********", "program ********", "handed ********", "forked ********", "forked log ********"):
        assert said(found, word)["logger"] == "ytworker.plugin.output"
    assert said(found, "last words")["level"] == "warning"
    assert sum("xxx" in each["message"] for each in found) == 1
    assert said(found, "ok, 1 items")


def test_the_last_words_of_a_process_that_crashes_are_seen(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "import ctypes, faulthandler\nfaulthandler.enable()\nctypes.string_at(0)")
    program("enqueue", "demo", "--max-attempts", "1")
    found = records(program.apart("run", "--until-empty"))
    assert said(found, "Fatal Python error: Segmentation fault")
    assert said(found, "demo_plugin.py")


LEVELS = """
import logging
for level in ("debug", "info", "warning"):
    getattr(logging.getLogger("urllib3"), level)(f"library {level}")
    getattr(context.logger, level)(f"plugin {level}")
logging.getLogger("chosen").setLevel(logging.DEBUG)
logging.getLogger("chosen").debug("chosen debug")
"""


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("debug", {"library info", "library warning", "plugin debug", "plugin info", "plugin warning", "chosen debug"}),
        ("info", {"library warning", "plugin info", "plugin warning"}),
        ("error", set()),
    ],
)
def test_libraries_are_heard_but_flood_no_log(program: Program, zoo: Zoo, level: str, heard: set[str]) -> None:
    zoo.worker("demo", f"{LEVELS}\n{ONE_ITEM}")
    program("enqueue", "demo")
    found = records(program.apart("--log-level", level, "run", "--until-empty"))
    words = ("library", "plugin ", "chosen")
    told = {each["message"] for each in found if each["logger"].startswith("ytworker.plugin.")}
    assert {text for text in told if text.startswith(words)} == heard


def test_nobody_speaks_for_the_worker_and_names_are_bounded(program: Program, zoo: Zoo) -> None:
    body = (
        "import logging\nfor name in ('ytworker.engine.worker', 'ytworker', 'a\\x1b[2J b\\n', 'n' * 500):\n"
        f"    logging.getLogger(name).warning('forged')\n{ONE_ITEM}"
    )
    zoo.worker("demo", body)
    program("enqueue", "demo")
    found = [each for each in records(program.apart("run", "--until-empty")) if each["message"] == "forged"]
    assert [each["logger"] for each in found] == [
        "ytworker.plugin.ytworker.engine.worker",
        "ytworker.plugin.ytworker",
        "ytworker.plugin.a_2J_b_",
        ("ytworker.plugin." + "n" * 500)[:120],
    ]
    assert {(each["event"], each["worker"]) for each in found} == {("plugin.message", "demo")}


def test_a_plugin_that_sets_up_logging_anew_silences_nobody(program: Program, zoo: Zoo) -> None:
    body = (
        "import logging\nlogging.basicConfig(force=True, level=logging.INFO)\n"
        f"logging.info('its own form')\ncontext.logger.warning('as ever')\n{ONE_ITEM}"
    )
    zoo.worker("demo", body)
    program("enqueue", "demo")
    found = records(program.apart("run", "--until-empty"))
    assert said(found, "INFO:root:its own form")["logger"] == "ytworker.plugin.stderr"
    assert said(found, "as ever")["logger"] == "ytworker.plugin.demo"


def test_the_workers_own_process_warns_in_records_too(program: Program, home: Path) -> None:
    script = (
        "import sys, threading, warnings\nfrom ytworker.cli import main\nfrom ytworker.cli import run\n"
        "tell = run._log\n"
        "def log(text):\n    warnings.warn('odd')\n    logging_thread = threading.Thread(target=lambda: 1 / 0)\n"
        "    logging_thread.start()\n    logging_thread.join()\n    tell(text)\n"
        "run._log = log\nsys.argv = ['ytworker', 'run', '--until-empty']\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=program.env(), capture_output=True, check=False, timeout=60
    )
    found = records(Done(done.returncode, done.stdout, done.stderr))
    assert "UserWarning: odd" in said(found, "odd")["message"]
    assert "ZeroDivisionError" in said(found, "the thread")["traceback"]


def test_lines_of_two_threads_do_not_mix_and_a_bar_is_its_last_state() -> None:
    lines: list[str] = []
    printed = Printed(lines.append, "stdout", 1)
    text = as_text(printed)
    print("10 %\r50 %\r100 %", end="\r\n", file=text)
    print("\n\n  \n", end="", file=text)
    print("half", end=" ", file=text)
    print("and half \ud800", file=text)
    print("y" * 20_000, "key=hunter2" * 2_000, file=text)
    print("open", end="", file=text)
    printed.end()
    assert lines[:2] == ["100 %", "half and half \\ud800"]
    assert lines[2].startswith("yyy")
    assert len(lines[2]) == 15_002
    assert lines[3:] == ["open"]
    text.close()
    with pytest.raises(ValueError, match="closed"):
        printed.write(b"x")


def test_who_speaks_in_the_middle_of_a_message_waits_for_its_end() -> None:
    sent: list[bytes] = []

    class Interrupted:
        """A socket on which a signal arrives while it sends; the signal's handler prints."""

        def makefile(self, _mode: str) -> None:
            """Give nothing to read."""

        def sendall(self, data: bytes) -> None:
            if not sent:
                sent.append(b"<")
                wire.tell("from the handler")
            sent.append(data)

    wire: Any = Wire(Interrupted())  # type: ignore[arg-type]
    assert wire.tell("one", "two")
    assert sent == [b"<", b"one\ntwo\n", b"from the handler\n"]


def test_logging_is_as_it_was_after_the_program(program: Program, home: Path) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    program("--log-level", "debug", "status")
    assert (logging.getLogger().handlers[:], logging.getLogger().level) == before
