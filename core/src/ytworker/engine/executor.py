"""Where a task runs: a seam. The inline executor runs it in this process; a child process speaks the same messages."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Protocol, TextIO

from ytworker.engine.messages import Message, decode
from ytworker.engine.port import EX_FORKED, FORKED, Exchange
from ytworker.engine.runner import TaskRunner
from ytworker.logs import Printed, as_text


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
        ours = os.getpid()

        def here(words: str) -> str:
            if os.getpid() != ours:
                raise RuntimeError(FORKED)
            return exchange(words)

        try:
            with _away_from_stdout(), _overheard(decode(line)):
                self._runner.run(line, here)
        finally:
            if os.getpid() != ours:  # a process that the plugin forked must not go on as a second worker
                os._exit(EX_FORKED)

    def close(self) -> None:
        """See :class:`Executor`."""
        self._runner.close()


@contextmanager
def _away_from_stdout() -> Iterator[None]:
    """Let what programs and native code write to stdout go to stderr: stdout is for data."""
    try:
        kept = os.dup(1)
    except OSError:  # it is closed
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def _overheard(task: Message) -> Iterator[None]:
    """Log what a plugin prints, which is no data. On a terminal it is shown as it comes: a debugger has to work."""
    known = {"task_type": task["type"], "task_id": task["id"], "attempt": task["attempt"]}
    outer = sys.stderr
    if outer is None or outer.isatty():
        with redirect_stdout(outer):
            yield
        return
    with ExitStack() as stack:
        for name, redirect, number in (("stdout", redirect_stdout, 1), ("stderr", redirect_stderr, 2)):
            logger = logging.getLogger(f"ytworker.plugin.{name}")
            printed = Printed(_teller(logger, known, outer), name, number)
            stack.enter_context(redirect(as_text(printed)))
            stack.callback(printed.end)
        yield


def _teller(logger: logging.Logger, known: Message, outer: TextIO) -> Callable[[str], None]:
    def tell(text: str) -> None:
        with redirect_stdout(outer), redirect_stderr(outer):  # a handler may write to what stderr is by then
            logger.warning("%s", text, extra=known)

    return tell
