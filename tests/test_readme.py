"""The README's two commands, as they stand, in a fresh clone with an empty home."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ytworker_ytdlp.testing import FakeYouTube

ROOT = Path(__file__).parent.parent
COMMANDS = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what git would give to somebody who clones, with the changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: there is nothing to clone")
    target = tmp_path_factory.mktemp("clone")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def environment(home: Path, **more: str) -> dict[str, str]:
    """Give a newcomer's environment: an empty home, and this very Python as ``python3``."""
    names = home / "bin"
    names.mkdir()
    (names / "python3").symlink_to(sys.executable)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("YTWORKER_", "XDG_", "COVERAGE_", "VIRTUAL_ENV", "PYTHON"))
    }
    return {**kept, "HOME": str(home), "PATH": f"{names}{os.pathsep}{os.environ['PATH']}", **more}


def test_there_are_the_two_commands_and_ci_runs_the_second() -> None:
    assert len(COMMANDS) == 2
    assert COMMANDS[1] in (ROOT / ".ci" / "run").read_text("utf-8")


def test_command_1_sets_up_and_shows_the_newest_videos(clone: Path, tmp_path: Path, youtube: FakeYouTube) -> None:
    proxy = {f"YTWORKER_PLUGINS__YTDLP__{name.upper()}": value for name, value in youtube.settings().items()}
    done = subprocess.run(
        ["/bin/sh", "-c", COMMANDS[0]],
        cwd=clone,
        env=environment(tmp_path, **proxy),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for video in youtube.channel("@NASA").uploads[:10]:
        assert video.id in done.stdout
    stored = subprocess.run(
        [".venv/bin/ytworker", "items", "list", "--json"],
        cwd=clone,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert youtube.channel("@NASA").uploads[0].id in stored.stdout
