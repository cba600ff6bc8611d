"""Fixtures for the tests that install plugins: ``pytest_plugins = ["plugin_fixtures"]`` switches them on."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import MakeService, Program, Until, Zoo, quiet_log
from ytworker.plugins.discovery import Policy
from ytworker.plugins.registry import PluginRegistry
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.service import Service
from ytworker.settings import load_settings
from ytworker.testing import FakeClock


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A folder for made-up distributions, on the import path of this test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # modules of equal names come and go within a second
    zoo = Zoo(folder)
    yield zoo
    zoo.forget()


@pytest.fixture
def program(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """The program, with the plugins of the zoo."""
    monkeypatch.setenv("PYTHONPATH", str(zoo.folder))
    monkeypatch.setenv("YTWORKER_DURABILITY", "normal")  # these tests are not about power cuts, and syncs are slow
    yield Program(zoo.folder)
    quiet_log()


@pytest.fixture
def make_service(queue: SQLiteQueue, clock: FakeClock) -> MakeService:
    """Makes services on the test's queue and clock, with the plugins that are installed by then."""

    def make(policy: Policy | None = None, **flags: Any) -> Service:
        return Service(
            queue, PluginRegistry(policy), load_settings(flags), clock=clock, sleep=clock.sleep, steady=clock.steady
        )

    return make


@pytest.fixture
def until() -> Until:
    """Waits until a condition holds; a test that would wait for ever fails after half a minute."""

    def wait(condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "it never became true"
            time.sleep(0.01)

    return wait
