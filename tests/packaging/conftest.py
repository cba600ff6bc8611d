"""Every distribution built once, and fresh environments to install from what was built."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from packaging_helpers import FOLDERS, Fresh, uv


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist of every distribution, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    for source in FOLDERS.values():
        uv("build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, source)
    return folder


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], Fresh]:
    """Makes fresh environments."""

    def make() -> Fresh:
        number = len(list(tmp_path.iterdir()))
        folder, home = tmp_path / f"env{number}", tmp_path / f"home{number}"
        home.mkdir()
        uv("venv", "--python", sys.executable, folder)
        return Fresh(folder, home)

    return make
