"""A fake YouTube for all tests, and a listener that nobody may talk to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ytworker.testing import FakePort, make_context
from ytworker_ytdlp import Session, YtdlpSettings
from ytworker_ytdlp.testing.fixtures import (  # noqa: F401 - pytest finds them here
    port_fixture,
    settings_fixture,
    site_fixture,
    youtube_fixture,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ytworker import Context

BESIDE = Path(__file__).resolve().parents[3].parent / "shared" / "youtube-recordings"
RECORDINGS = Path(os.environ.get("YOUTUBE_RECORDINGS") or BESIDE)


@pytest.fixture
def context(settings: YtdlpSettings, port: FakePort) -> Context:
    return make_context(settings={"ytdlp": settings}, port=port)


@pytest.fixture
def session(context: Context) -> Session:
    return Session(context)


@pytest.fixture
def session_with(port: FakePort) -> Callable[..., Session]:
    def make(**values: Any) -> Session:
        return Session(make_context(settings={"ytdlp": YtdlpSettings(**values)}, port=port))

    return make


class Trap:
    """A listener on loopback that counts who connects."""

    def __init__(self) -> None:
        self.hits = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.hits += 1
            connection.close()

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    found = Trap()
    yield found
    found.close()


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
