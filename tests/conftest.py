"""What the tests across distributions share."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from running import Program

if TYPE_CHECKING:
    from ytworker_ytdlp.testing import FakeYouTube


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Give the program with an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    return Program(home)


@pytest.fixture
def youtube() -> Iterator["FakeYouTube"]:
    """Serve a YouTube with the channel @NASA."""
    from ytworker_ytdlp.testing import FakeYouTube  # tests/packaging runs where nothing of ours is installed

    with FakeYouTube() as server:
        server.add_channel("@NASA", title="NASA", videos=40, shorts=50, streams=35)
        yield server


@pytest.fixture
def online(program: Program, youtube: "FakeYouTube") -> Program:
    """Give the program with its proxy setting pointing at the fake YouTube."""
    for name, value in youtube.settings().items():
        program.environment[f"YTWORKER_PLUGINS__YTDLP__{name.upper()}"] = value
    return program
