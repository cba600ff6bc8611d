"""Where a task runs: a seam. The inline executor runs it in this process; a child process speaks the same messages."""

import sys
from contextlib import redirect_stdout
from typing import Protocol

from ytworker.engine.port import Exchange
from ytworker.engine.runner import TaskRunner


class Executor(Protocol):
    """Runs one task after another."""

    def run(self, line: str, exchange: Exchange) -> None:
        """Run the task of a ``task`` message; ``exchange`` answers every message that it sends, the last included."""

    def close(self) -> None:
        """Close the plugins."""


class InlineExecutor:
    """Runs tasks in the worker's own process and thread: simple to debug, and helpless against a scrape that hangs.

    Args:
        runner: The child's side.
    """

    def __init__(self, runner: TaskRunner) -> None:
        self._runner = runner

    def run(self, line: str, exchange: Exchange) -> None:
        """See :class:`Executor`."""
        with redirect_stdout(sys.stderr):  # stdout is for data, and what a plugin prints is none
            self._runner.run(line, exchange)

    def close(self) -> None:
        """See :class:`Executor`."""
        self._runner.close()
