"""Cookies live in memory only: no copy of their file is ever on a disk, also when the process dies in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from ytworker_ytdlp.testing import FakeYouTube

CANARY = "canary-of-the-cookie-jar-4711"
JAR = f"# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t2000000000\tPREF\t{CANARY}\n"
SCRIPT = """
import json, os, signal, sys
from ytworker.testing import FakePort, make_context
from ytworker_ytdlp import Session, YtdlpSettings, open_tab, parse_channel

left = int(sys.argv[2])

class Port(FakePort):
    def acquire(self, source, cost, *, hold):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

def watch(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        print(arguments[0], flush=True)

sys.dont_write_bytecode = True
sys.addaudithook(watch)
settings = YtdlpSettings(**json.loads(sys.argv[1]))
session = Session(make_context(settings={"ytdlp": settings}, port=Port()))
assert [cookie.value for cookie in session.client.cookiejar] == [settings.cookie_file.read_text().split()[-1]]
list(open_tab(session, parse_channel("@Cookies"), "videos").entries)
session.client.close()
"""


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    """A cookie file of a person, in a home folder that holds nothing else."""
    file = tmp_path / "home" / "cookies.txt"
    file.parent.mkdir()
    file.write_text(JAR, encoding="utf-8")
    return file


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize(
    ("requests", "code"),
    [(0, -signal.SIGKILL), (1, -signal.SIGKILL), (2, -signal.SIGKILL), (1_000, 0)],
    ids=["killed before the first request", "before the second", "before the third", "to the end"],
)
def test_s3_no_copy_of_the_cookies_is_ever_on_disk(
    youtube: FakeYouTube, jar: Path, tmp_path: Path, requests: int, code: int
) -> None:
    youtube.add_channel("@Cookies", videos=65)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    settings: dict[str, Any] = {**youtube.settings(), "cookie_file": str(jar)}
    places = {"HOME": str(jar.parent), "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(settings), str(requests)],
        env={**os.environ, **places, "COVERAGE_PROCESS_CONFIG": ""},  # it would write its own file
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert set(done.stdout.split()) <= {os.devnull}
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in files if CANARY.encode() in file.read_bytes()] == [jar]
    assert jar.read_text(encoding="utf-8") == JAR
