"""Genuine answers of YouTube, replayed: exactly the recorded ids, in order, within the recorded number of requests.

The recordings are not part of the repository; where they are not there, the fake YouTube has to do.
"""

import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from running import Program

BESIDE = Path(__file__).parents[2] / "shared" / "youtube-recordings"
RECORDINGS = Path(os.environ.get("YOUTUBE_RECORDINGS") or BESIDE)
KINDS = {"channel", "channel_shorts", "channel_streams", "channel_error"}


def scenarios() -> Iterator[Any]:
    """Give every recorded listing of videos, shorts or streams."""
    index = RECORDINGS / "index.json"
    if not index.is_file():
        yield pytest.param("", {}, "", marks=pytest.mark.skip(reason="the recordings are not beside this checkout"))
        return
    for scenario in json.loads(index.read_text("utf-8"))["scenarios"]:
        if scenario["kind"] in KINDS:
            for url in scenario["urls"]:
                expected = scenario["expect"].get("listing", {}).get(url)
                yield pytest.param(
                    url, expected, scenario["kind"], id=f"{scenario['name']}-{url.rpartition('youtube.com/')[2]}"
                )


@dataclass
class Replay:
    """The replay proxy in a process of its own, and its controls."""

    proxy: str

    def control(self, what: str) -> Any:
        """Ask for ``log`` or ``reset``."""
        with urllib.request.urlopen(f"{self.proxy}/__replay__/{what}") as answer:  # noqa: S310 - a loopback server
            return json.load(answer)


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    """Start the replay proxy."""
    command = [sys.executable, str(RECORDINGS / "replay.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Replay(json.loads(process.stdout.readline())["proxy"])
        finally:
            process.terminate()


@pytest.mark.parametrize(("url", "expected", "kind"), list(scenarios()))
def test_the_program_prints_exactly_the_recorded_ids(
    program: Program, replay: Replay, url: str, expected: dict[str, Any] | None, kind: str
) -> None:
    replay.control("reset")
    program.environment["YTWORKER_PLUGINS__YTDLP__PROXY"] = replay.proxy
    program.environment["YTWORKER_PLUGINS__YTDLP__VERIFY_TLS"] = "false"
    wanted = expected["entries"] if expected else 0
    done = program(
        *("scrape", "channel_scrape", "--channel-url", url, "--depth", "list", "--route", "tab"),
        *("--top-n", str(wanted or 10), "--jsonl"),
    )
    log = replay.control("log")
    found = [json.loads(line)["id"] for line in done.stdout.splitlines()]
    assert [entry for entry in log if entry["kind"] == "miss"] == []
    assert len(found) == wanted
    assert done.returncode == (0 if wanted else 1)
    if not wanted:
        (dead,) = json.loads(program("tasks", "list", "--json").stdout)
        gone = kind == "channel_error"  # else there is neither a list nor a channel: asked again, ten minutes later
        assert (dead["state"], dead["error_class"], dead["attempt"]) == (
            ("dead", "gone", 1) if gone else ("scheduled", "suspect", 1)
        )
    if expected:
        assert hashlib.sha1(" ".join(found).encode()).hexdigest() == expected["sha1"]  # noqa: S324 - the recordings' own digest
        assert len(log) <= expected["requests"]
