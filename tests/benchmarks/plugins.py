"""What plugins cost: starting among 300 distributions, calling a hook with a wrapper, importing one, making a new one.

Prints a table and a line of JSON, and fails where a bar is missed. Commands that are compared take turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from pathlib import Path
from typing import Any

from ytworker import hookimpl
from ytworker.plugins.dispatch import Dispatcher, HookManager

PROGRAM = str(Path(sys.executable).with_name("ytworker"))
DISTRIBUTIONS = 300
COMMANDS = {"ytworker --help": ["--help"], "ytworker plugins list": ["plugins", "list"]}
EMPTY_MODEL = "from pydantic import BaseModel\nclass Empty(BaseModel): pass\n"
PLUGINS = ("ytworker_api", "ytworker_channel", "ytworker_keyword", "ytworker_trending")

Figure = tuple[str, float, float]
"""What was measured, the value, and what it may be at the most."""


def among_many(rounds: int, folder: Path) -> list[Figure]:
    """Compare starting among many distributions with starting in a bare environment."""
    for number in range(DISTRIBUTIONS):
        info = folder / f"crowd_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: crowd-{number}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[console_scripts]\ncrowd{number} = crowd{number}:main\n")
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            for path in ("", str(folder)):
                spent = _seconds([PROGRAM, *arguments], PYTHONPATH=path)
                if number:  # the first round warms the disk
                    times.setdefault((name, path), []).append(spent)
    medians = {key: statistics.median(values) for key, values in times.items()}
    return [
        (f"{name}, {DISTRIBUTIONS} distributions, times bare", medians[name, str(folder)] / medians[name, ""], 1.5)
        for name in COMMANDS
    ]


def dispatch() -> list[Figure]:
    """Time one call of ``scrape`` through the dispatcher with one wrapper around it, in microseconds."""

    class Wrapper:
        @hookimpl(wrapper=True)
        def scrape(self) -> Any:
            return (yield)

    class Plugin:
        @hookimpl
        def scrape(self, params: Any, context: Any) -> list[Any]:
            return [params, context]

    manager = HookManager()
    plugin = Plugin()
    manager.register(Wrapper())
    manager.register(plugin)
    dispatcher = Dispatcher(manager)

    def call() -> None:
        dispatcher.caller("scrape", plugin, [plugin])(params=None, context=None)

    return [("one call with one wrapper, microseconds", min(timeit.repeat(call, number=10_000, repeat=5)) * 100, 20.0)]


def imports(rounds: int) -> list[Figure]:
    """Time what importing a plugin takes beyond an empty pydantic model and the front door, in milliseconds."""
    found = [name for name in PLUGINS if _has(name)]
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in ("", *found):
            code = EMPTY_MODEL + (f"import {name}" if name else "")
            times.setdefault(name, []).append(_seconds([sys.executable, "-c", code]))
    floor = statistics.median(times[""])
    return [
        (f"import {name}, ms beyond pydantic", (statistics.median(times[name]) - floor) * 1000, 50) for name in found
    ]


def newcomer(folder: Path) -> list[Figure]:
    """Time the way from nothing to a plugin that passes its suite and the kit, in seconds."""
    started = time.perf_counter()
    project = folder / "project"
    subprocess.run([PROGRAM, "plugins", "new", "stars", "--directory", project], check=True, capture_output=True)
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "uv", "venv", "-q", environment], check=True)
    python = environment / "bin" / "python"
    core = Path(__file__).parents[2] / "core"
    command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, core, "-e", project, "pytest"]
    subprocess.run(command, check=True)
    subprocess.run([python, "-m", "pytest", "-q"], check=True, cwd=project, capture_output=True)
    return [("from `plugins new` to a passing suite, seconds", time.perf_counter() - started, 60.0)]


def _has(name: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {name}"], check=False, capture_output=True).returncode == 0


def _seconds(command: list[str], **environment: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
    return time.perf_counter() - started


def main() -> int:
    """Measure, print, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(HOME=home, XDG_DATA_HOME=home, XDG_CONFIG_HOME=home)
        crowd = Path(home, "crowd")
        crowd.mkdir()
        figures = [*among_many(rounds, crowd), *dispatch(), *imports(rounds), *newcomer(Path(home))]
    for name, value, most in figures:
        sys.stdout.write(f"{name:60}  {value:8.2f}  at most {most:g}{'' if value <= most else '  MISSED'}\n")
    sys.stdout.write(json.dumps({name: round(value, 3) for name, value, _ in figures}) + "\n")
    return int(any(value > most for _, value, most in figures))


if __name__ == "__main__":
    sys.exit(main())
