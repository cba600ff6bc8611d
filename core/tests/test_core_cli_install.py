"""``ytworker install`` and ``uninstall``: pip in this very environment, or the line to type."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import Program, Zoo, worker_module
from ytworker.cli import environment
from ytworker.cli.environment import Environment, here, problem_of

pytest_plugins = ["plugin_fixtures"]


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What pip is told; it succeeds and does nothing."""
    told: list[list[str]] = []

    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[bytes]:
        told.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(environment.subprocess, "run", run)
    owned(monkeypatch, "pip")
    return told


def owned(monkeypatch: pytest.MonkeyPatch, owner: str, *, has_pip: bool = True) -> None:
    for command in ("install", "uninstall"):
        monkeypatch.setattr(f"ytworker.cli.{command}.here", lambda: Environment(owner, has_pip))


def test_pip_is_told_to_change_this_very_environment(program: Program, pip: list[list[str]]) -> None:
    done = program("install", "--upgrade", "ytworker-channel", "./a-folder-of-mine>=1", "x>=1; python_version>'3'")
    assert (done.code, pip) == (2, [])  # the folder is not there, and all is checked before pip runs
    assert program("install", "--upgrade", "ytworker-channel", "x>=1").code == 0
    common = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    assert pip == [[*common, "--upgrade", "--", "ytworker-channel", "x>=1"]]


def test_what_came_with_it_is_told(program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_action: str, _names: Any, **_options: Any) -> int:
        zoo.worker("fresh")
        zoo.worker("old", requires=["ytworker<0.1"])
        return 0

    owned(monkeypatch, "pip")
    monkeypatch.setattr("ytworker.cli.install.run_pip", run)
    done = program("install", "fresh-dist")
    assert "worker fresh (fresh-dist 1.0)" in done.err
    assert "old-dist 1.0) is incompatible: it needs ytworker<0.1" in done.err
    monkeypatch.setattr("ytworker.cli.install.run_pip", lambda *_a, **_o: 0)
    assert "no plugin came with that" in program("install", "fresh-dist").err
    monkeypatch.setattr("ytworker.cli.install.run_pip", lambda *_a, **_o: 1)
    assert program("install", "fresh-dist").code == 1


@pytest.mark.parametrize("word", ["--index-url=http://evil.test", "-r", "a b", "", "@x", "name;rm"])
def test_u7_a_word_never_becomes_an_option_of_pip(program: Program, pip: list[list[str]], word: str) -> None:
    assert problem_of(word) is not None
    assert program("install", "--", word).code == 2
    assert pip == []


def test_a_wheel_is_taken_by_its_path(tmp_path: Path) -> None:
    wheel = tmp_path / "x-1.0-py3-none-any.whl"
    assert problem_of(str(wheel)) is not None
    wheel.touch()
    assert problem_of(str(wheel)) is None


def test_only_plugins_are_removed(program: Program, zoo: Zoo, pip: list[list[str]]) -> None:
    zoo.worker("found")
    for owner in ("alpha", "beta"):
        source = worker_module("twice")
        zoo.install(owner, entry_points={"ytworker.workers": {"twice": f"{owner}_m"}}, modules={f"{owner}_m": source})
    done = program("uninstall", "found", "pip", "ytworker")
    assert (done.code, pip) == (2, [])
    assert "pip: no plugin of that name" in done.err
    assert "ytworker: no plugin of that name" in done.err
    common = [sys.executable, "-m", "pip", "uninstall", "--disable-pip-version-check", "--yes", "--"]
    assert program("uninstall", "found", "Beta").code == 0
    assert program("uninstall", "twice").code == 0
    assert pip == [[*common, "beta", "found-dist"], [*common, "alpha", "beta"]]


LINES = {
    "pipx": ("pipx inject ytworker new", "pipx uninject ytworker found-dist"),
    "uv tool": (
        "uv tool install ytworker --with found-dist --with other-dist --with new",
        "uv tool install ytworker --with other-dist",
    ),
    "system": ("pipx install ytworker && pipx inject ytworker new", None),
}


@pytest.mark.parametrize("owner", LINES)
def test_in_an_environment_that_is_not_ours_the_line_to_type_is_shown(
    program: Program, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    owned(monkeypatch, owner)
    installed = {"found-dist", "other-dist"}
    for command in ("install", "uninstall"):
        monkeypatch.setattr(f"ytworker.cli.{command}.plugin_distributions", lambda *_: installed)
    done = program("install", "new")
    assert done.code == 1
    assert f"\n  {LINES[owner][0]}\n" in done.err
    if LINES[owner][1]:
        assert f"\n  {LINES[owner][1]}\n" in program("uninstall", "found-dist").err


def test_without_pip_uv_is_named(program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    owned(monkeypatch, "pip", has_pip=False)
    zoo.worker("found")
    assert f"uv pip install --python {sys.executable} new --upgrade" in program("install", "-U", "new").err
    assert f"uv pip uninstall --python {sys.executable} found-dist" in program("uninstall", "found").err


def test_who_owns_an_environment_is_seen_by_what_its_maker_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert here().owner == "pip"
    (tmp_path / "uv-receipt.toml").touch()
    assert here().owner == "uv tool"
    (tmp_path / "pipx_metadata.json").touch()
    assert here().owner == "pipx"
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sys, "prefix", str(bare))
    monkeypatch.setattr(sys, "base_prefix", str(bare))
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(bare))
    assert here().owner == "system"
