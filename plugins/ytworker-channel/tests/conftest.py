"""A fake YouTube for all tests, and the recordings where they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ytworker import Item
from ytworker.testing import FakePort, make_context
from ytworker_channel import ChannelParameters, YouTubeChannelWorker
from ytworker_ytdlp import YtdlpSettings
from ytworker_ytdlp.testing import DEFAULT_NOW
from ytworker_ytdlp.testing.fixtures import (  # noqa: F401 - pytest finds them here
    port_fixture,
    settings_fixture,
    site_fixture,
    youtube_fixture,
)

BESIDE = Path(__file__).resolve().parents[3].parent / "shared" / "youtube-recordings"
RECORDINGS = Path(os.environ.get("YOUTUBE_RECORDINGS") or BESIDE)


Scrape = Callable[..., list[Item]]


@pytest.fixture
def worker() -> YouTubeChannelWorker:
    made = YouTubeChannelWorker()
    made.clock = lambda: DEFAULT_NOW
    return made


@pytest.fixture
def scrape(worker: YouTubeChannelWorker, settings: YtdlpSettings, port: FakePort) -> Scrape:
    """Scrape with these parameters, behind the fake YouTube unless told otherwise."""

    def run(*, checkpoint: Any = None, behind: YtdlpSettings | None = None, **params: Any) -> list[Item]:
        context = make_context(settings={"ytdlp": behind or settings}, port=port, checkpoint=checkpoint)
        return list(worker.scrape(ChannelParameters(**params), context))

    return run


class Replay:
    """The replay proxy of the recordings, as a process of its own."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.ca_file = scratch / "ca.pem"
        self._log = scratch / "log.jsonl"
        command = [sys.executable, str(folder / "replay.py"), "--ca-file", str(self.ca_file), "--log", str(self._log)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        self.proxy_url: str = json.loads(self._process.stdout.readline())["proxy"]
        self._skip = 0

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        return [json.loads(line) for line in lines][self._skip :]

    def reset(self) -> None:
        self._skip += len(self.log)

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate()


@pytest.fixture(scope="session")
def _replay(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    server = Replay(recordings, tmp_path_factory.mktemp("replay"))
    yield server
    server.stop()


@pytest.fixture
def replay(_replay: Replay) -> Iterator[Replay]:
    _replay.reset()
    yield _replay
    assert not [line for line in _replay.log if line["kind"] == "miss"]


@pytest.fixture(scope="session")
def recordings() -> Path:
    if not (RECORDINGS / "replay.py").exists():
        pytest.skip("the recordings of YouTube are not beside this clone")
    return RECORDINGS
