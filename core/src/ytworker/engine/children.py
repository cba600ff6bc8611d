"""The worker's end of the fork server: starts children, has them killed, and hears when they end.

This module imports next to nothing, so that the server is there before the rest of the worker has been loaded.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ytworker.engine import forkserver
from ytworker.engine.forkserver import ENDED, FORK, KILL, REFUSED, REPORT, REQUEST

if TYPE_CHECKING:
    from ytworker.errors import ChildrenError

ANSWER_SECONDS = 60.0
"""It answers within a fraction of a second; a machine that needs longer cannot work anyway."""
_OURS = "YTWORKER_"


def supported() -> bool:
    """Tell whether this system can start children our way; Windows cannot."""
    return hasattr(os, "fork") and hasattr(socket, "send_fds")


class ForkServer:
    """A running fork server; it and everything that it started end with this process, or with :meth:`close`.

    Args:
        environment: What children see; without the variables of ours, which may hold secrets.

    Attributes:
        output: The end of a pipe, which does not block: what the children write to stdout and stderr. Whoever lets them
            write has to read it.

    Raises:
        ChildrenError: This system cannot do it.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        if not supported():
            msg = "this system cannot start child processes the way ytworker needs it; run with --inline"
            raise _error(msg)
        self._heard = bytearray()
        self._alive: set[int] = set()
        self._lifeline, theirs = socket.socketpair()
        self.output, output = os.pipe()
        os.set_blocking(self.output, False)
        given = os.environ if environment is None else environment
        with theirs, os.fdopen(output, "wb", 0):
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", str(Path(forkserver.__file__))],
                stdin=theirs.fileno(),
                stdout=output,
                env=_without_ours(given),
                start_new_session=True,
            )
        path = json.dumps(sys.path).encode()
        self._lifeline.sendall(forkserver.LENGTH.pack(len(path)) + path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """Give the descriptor, for a selector: readable when :meth:`endings` has something to tell."""
        return self._lifeline.fileno()

    @property
    def has_news(self) -> bool:
        """Whether :meth:`endings` has something to tell that was heard already."""
        return bool(self._heard)

    def start(self, gate: socket.socket | None = None) -> tuple[int, socket.socket]:
        """Start a child; give its process id and the worker's end of its socket pair.

        Args:
            gate: The far end of its gate; without one it begins each task at once.

        Raises:
            ChildrenError: The system refuses another process.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._ask(FORK, theirs, *([] if gate is None else [gate]))
            what, pid, number = self._answer()
        except BaseException:
            ours.close()
            raise
        if what == REFUSED:
            ours.close()
            msg = f"no child process can be started: {os.strerror(number)}; close other programs or raise the limit"
            raise _error(msg)
        self._alive.add(pid)
        return pid, ours

    def kill(self, pid: int) -> None:
        """Have a child killed, with its group; :meth:`endings` tells when it is gone."""
        if pid in self._alive:
            with suppress(OSError):  # the server is gone, as `endings` will tell
                self._lifeline.sendall(REQUEST.pack(KILL, pid))

    def endings(self) -> list[tuple[int, int]]:
        """Give the process id and the exit code (negative for a signal) of every child that has ended, without waiting.

        Raises:
            ChildrenError: The fork server itself has ended.
        """
        while select.select([self._lifeline], [], [], 0)[0]:
            self._hear()
        found = []
        while len(self._heard) >= REPORT.size:
            what, pid, status = self._next()
            if what == ENDED:
                self._alive.discard(pid)
                found.append((pid, os.waitstatus_to_exitcode(status)))
        return found

    def close(self) -> None:
        """Kill every child, and the server; once is enough, and twice does no harm."""
        self._lifeline.close()
        if self.output >= 0:
            os.close(self.output)
            self.output = -1
        try:
            self._process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.returncode:  # it died on its own and left its children behind
            for pid in self._alive:
                forkserver.kill_group(pid)

    def _ask(self, what: bytes, *ends: socket.socket) -> None:
        try:
            socket.send_fds(self._lifeline, [REQUEST.pack(what, 0)], [end.fileno() for end in ends])
        except OSError as error:
            raise self._gone() from error

    def _answer(self) -> tuple[bytes, int, int]:
        """Wait for the answer to a request; what else is told meanwhile waits for :meth:`endings`."""
        endings = bytearray()
        while True:
            while len(self._heard) < REPORT.size:
                if not select.select([self._lifeline], [], [], ANSWER_SECONDS)[0]:
                    raise self._gone()
                self._hear()
            report = self._next()
            if report[0] != ENDED:
                self._heard[:0] = endings
                return report
            endings += REPORT.pack(*report)

    def _hear(self) -> None:
        try:
            heard = self._lifeline.recv(4096)
        except ConnectionError as error:
            raise self._gone() from error
        if not heard:
            raise self._gone()
        self._heard += heard

    def _next(self) -> tuple[bytes, int, int]:
        report = REPORT.unpack(self._heard[: REPORT.size])
        del self._heard[: REPORT.size]
        return report

    @staticmethod
    def _gone() -> "ChildrenError":
        return _error(
            "the process that starts children has ended or does not answer; start the worker again (or with --inline)"
        )


def describe(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (" (out of memory, or by hand)" if -code == signal.SIGKILL else "")


def _error(message: str) -> "ChildrenError":
    from ytworker.errors import ChildrenError  # noqa: PLC0415 - brings pydantic

    return ChildrenError(message)


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    rest = {name: value for name, value in environment.items() if not name.upper().startswith(_OURS)}
    # pydantic would import the plugins of its own that are installed, and one damaged distribution would stop us.
    return {"PYDANTIC_DISABLE_PLUGINS": "__all__", **rest}
