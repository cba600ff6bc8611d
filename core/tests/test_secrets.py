"""Row S1: a secret of the settings is found nowhere, whatever a plugin and the program make of it."""

import json
import sys
import traceback
from pathlib import Path

import pytest

from plugin_helpers import Done, MakeService, Program, Zoo
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import load_settings

pytest_plugins = ["plugin_fixtures"]

KEY = "c4n4ry-key"
LOGIN = "c4n4ry-pass"
UNKNOWN = "AIza" + "SyC4n4ryC4n4ryC4n4ryC4n4ryC4n4ry123"
CANARIES = (KEY, LOGIN, UNKNOWN)

EXTRA = """
import pydantic

class Settings(pydantic.BaseModel):
    api_key: str
    proxy: str

@hookimpl
def get_settings():
    return {"leaky": Settings}
"""
LEAKY = f"""
settings = context.settings["leaky"] if "leaky" in context.settings else context.settings
text = f"{{settings!r}} https://h/?x={UNKNOWN}"
context.logger.debug("with %s", settings)
context.logger.warning(text)
context.progress(1, 2, text)
import logging, os, subprocess, sys, threading, warnings
logging.getLogger("urllib3").warning(text)
logging.error(text)
warnings.warn(text)
print(text)
print(text, file=sys.stderr, end="")
def fails():
    raise ValueError(text)
thread = threading.Thread(target=fails)
thread.start()
thread.join()
class Dying:
    def __del__(self):
        raise ValueError(text)
Dying()
if "ytworker.engine.child" in sys.modules:
    os.write(1, f"{{text}}\\n".encode())
    subprocess.run(["/bin/sh", "-c", f"echo '{{text}}' >&2"])
try:
    raise KeyError(settings.api_key)
except KeyError as error:
    context.logger.exception("oops")
    how = params["how"]
    if how == "gone":
        raise GoneError(text) from error
    if how == "throttled":
        context.budget(f"site {{settings.proxy}}").acquire()
        context.budget(f"site {{settings.api_key}}").reserve(settings.api_key, limit=9, zone="UTC")
        raise ThrottledError(text, source=f"key:{UNKNOWN}")
    if how == "defer":
        from datetime import datetime, timedelta, UTC
        context.defer(datetime.now(UTC) + timedelta(1), text)
    if how == "suspect":
        context.suspect(text)
        return
    raise RuntimeError(text)
"""


@pytest.fixture
def leaky(program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program with a plugin that tells its secrets wherever it can."""
    zoo.worker("leaky", LEAKY + "\nyield None", extra=EXTRA)
    monkeypatch.setenv("YTWORKER_PLUGINS__LEAKY__API_KEY", KEY)
    monkeypatch.setenv("YTWORKER_PLUGINS__LEAKY__PROXY", f"http://me:{LOGIN}@proxy.example:8080")
    monkeypatch.setenv("YTWORKER_MAX_ATTEMPTS", "1")
    return program


def innocent(done: Done) -> None:
    for canary in CANARIES:
        assert canary not in done.out + done.err


@pytest.mark.parametrize("form", ["json", "console"])
def test_s1_no_command_tells_a_secret(leaky: Program, home: Path, form: str) -> None:
    hows = ("gone", "bug", "throttled", "defer", "suspect")
    for how in hows:
        innocent(leaky("enqueue", "leaky", "--param", f"how={how}", "--param", f"api_key={KEY}"))
    worked = leaky("--log-level", "debug", "--log-format", form, "run", "--until-empty")
    innocent(worked)
    assert "with" in worked.err
    assert "oops" in worked.err
    for how in hows:
        innocent(leaky("--log-level", "debug", "--log-format", form, "scrape", "leaky", "--param", f"how={how}"))
    looks = [
        ("tasks", "list"), ("dead", "list"),
        ("dead", "list", "--flat"), ("status",), ("config", "show"),
        ("items", "list"),
        ("workers",),
        ("health",),
        ("doctor",),
        ("sources", "list"),
        *(("tasks", "show", str(number)) for number in range(1, 11)),
    ]  # fmt: skip
    for look in looks:
        innocent(leaky(*look))
        innocent(leaky(*look, "--json"))
    innocent(leaky("items", "export"))
    named = {each["name"].partition("#")[0] for each in json.loads(leaky("sources", "list", "--json").out)}
    assert named == {"site http://********@proxy.example:8080", "site ********", "key:********"}
    assert "********" in leaky("tasks", "show", "1").out


def test_s1_no_error_is_stored_with_a_secret(leaky: Program, home: Path) -> None:
    for how in ("gone", "bug", "throttled", "defer", "suspect"):
        leaky("enqueue", "leaky", "--param", f"how={how}")
    leaky("run", "--until-empty")
    stored = b"".join(file.read_bytes() for file in (home / "data" / "ytworker").iterdir())
    assert b"RuntimeError" in stored
    for canary in CANARIES:
        assert canary.encode() not in stored


def test_s1_no_repr_holds_a_secret(make_service: MakeService, leaky: Program) -> None:
    loaded = load_settings({"queue": f"cheese://me:{LOGIN}@host/q"})
    shown = [repr(loaded), str(loaded.values), repr(loaded.values)]
    shown.append(repr(make_service().worker_factory()))
    assert all("leaky" in text for text in shown[:3])
    for text in shown:
        for canary in CANARIES:
            assert canary not in text


def test_r14_a_traceback_of_the_program_holds_no_secret(leaky: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)

    def fails(_queue: object) -> None:
        msg = f"the driver says: {KEY} https://h/?key={UNKNOWN}"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr(SQLiteQueue, "counts", fails)
    with pytest.raises(ZeroDivisionError) as caught:
        leaky("status")
    told: list[str] = []
    monkeypatch.setattr(sys.stderr, "write", told.append)
    sys.excepthook(caught.type, caught.value, caught.tb)
    text = "".join(told)
    assert "ZeroDivisionError: the driver says: ********" in text
    assert KEY in "".join(traceback.format_exception(caught.value))
    assert KEY not in text
    assert UNKNOWN not in text
