"""Fake plugins as real installed distributions, and the program in this process or in one of its own."""

import importlib
import io
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ytworker.service import Service

PROGRAM = Path(sys.executable).with_name("ytworker")

ONE_ITEM = 'yield {"source": "test", "kind": "video", "id": "1", "title": "One"}'

EntryPoints = Mapping[str, Mapping[str, str]]
Until = Callable[[Callable[[], Any]], None]
MakeService = Callable[..., Service]


def make_distribution(
    folder: Path,
    name: str,
    *,
    entry_points: EntryPoints | None = None,
    requires: Sequence[str] = (),
    modules: Mapping[str, str] | None = None,
    version: str = "1.0",
    summary: str | None = "A plugin of the tests",
) -> Path:
    """Write what pip would: a ``.dist-info`` folder that ``importlib.metadata`` finds, and the modules beside it."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [] if summary is None else [f"Summary: {summary}"]
    lines += [f"Requires-Dist: {each}" for each in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")
    groups = [
        "\n".join([f"[{group}]", *(f"{key} = {value}" for key, value in names.items())])
        for group, names in (entry_points or {}).items()
    ]
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n", "utf-8")
    for module, source in (modules or {}).items():
        (folder / f"{module}.py").write_text(textwrap.dedent(source), "utf-8")
    importlib.invalidate_caches()
    return info


def worker_module(task_type: str, body: str = ONE_ITEM, *, extra: str = "", imported: str = "") -> str:
    """Give the source of a module that answers one task type; ``body`` is the body of its ``scrape``."""
    return (
        f"{textwrap.dedent(imported)}\n"
        "from ytworker import *\n"
        "seen = []\n\n"
        "@hookimpl\n"
        f"def get_task_type():\n    return {task_type!r}\n\n"
        "@hookimpl\n"
        f"def scrape(params, context):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n\n"
        f"{textwrap.dedent(extra)}\n"
    )


@dataclass
class Zoo:
    """A folder on the import path with distributions that tests make up."""

    folder: Path

    def install(self, name: str, **options: Any) -> Path:
        """Install a distribution; see :func:`make_distribution`."""
        return make_distribution(self.folder, name, **options)

    def worker(self, task_type: str, body: str = ONE_ITEM, *, extra: str = "", imported: str = "", **info: Any) -> str:
        """Install a worker plugin ``NAME-dist`` with the module ``NAME_plugin``; gives the module's name."""
        module = f"{task_type}_plugin"
        source = worker_module(task_type, body, extra=extra, imported=imported)
        groups = {"ytworker.workers": {task_type: module}}
        self.install(f"{task_type}-dist", entry_points=groups, modules={module: source}, **info)
        return module

    def extension(self, name: str, source: str, **info: Any) -> str:
        """Install an extension ``NAME-dist`` with the module ``NAME_extension``; gives the module's name."""
        module = f"{name}_extension"
        groups = {"ytworker.extensions": {name: module}}
        text = f"from ytworker import *\nseen = []\n{textwrap.dedent(source)}"
        self.install(f"{name}-dist", entry_points=groups, modules={module: text}, **info)
        return module

    def seen(self, module: str) -> list[Any]:
        """Give what a module wrote down in its list ``seen``."""
        return list(sys.modules[module].seen)

    def forget(self) -> None:
        """Drop the modules that came from here."""
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file is not None and Path(file).is_relative_to(self.folder):
                del sys.modules[name]


@dataclass(frozen=True)
class Done:
    """How a run of the program ended."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        """What it printed."""
        return self.stdout.decode()

    @property
    def err(self) -> str:
        """What it told."""
        return self.stderr.decode()


@dataclass
class Program:
    """The command line: called, it runs in this process; ``apart`` runs the console script."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: str = "") -> Done:
        """Run it here."""
        from ytworker.cli import main

        out, err = _stream(), _stream()
        inputs = io.StringIO(stdin)
        code: Any = 0
        with redirect_stdout(out), redirect_stderr(err), mock.patch("sys.stdin", inputs):
            with mock.patch("sys.argv", ["ytworker", *arguments]):
                try:
                    main()
                except SystemExit as left:
                    code = left.code
                finally:
                    quiet_log()
            out.flush()
            err.flush()
        return Done(int(code or 0), out.buffer.getvalue(), err.buffer.getvalue())  # type: ignore[attr-defined]

    def env(self) -> dict[str, str]:
        """Give the environment of a process of its own, with the zoo on its path."""
        return {**os.environ, "PYTHONPATH": str(self.folder), **self.environment}

    def apart(self, *arguments: str, timeout: float = 60) -> Done:
        """Run the console script to its end."""
        done = subprocess.run(
            [PROGRAM, *arguments],
            env=self.env(),
            cwd=self.folder,
            capture_output=True,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the console script."""
        return subprocess.Popen(
            [PROGRAM, *arguments],
            env=self.env(),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )


def lives(pid: int) -> bool:
    """Tell whether a process runs, on Linux; one that has ended and was not buried yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def quiet_log() -> None:
    """Undo what the command line does to the program's log."""
    from ytworker.cli.logs import stop_log

    stop_log()


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")


def hear(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Wait until it says this."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    pytest.fail("it ended before it said so")
