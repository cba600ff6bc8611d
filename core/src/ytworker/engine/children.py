"""The worker's end of the fork server: starts children, has them killed, and hears when they end.

This module imports next to nothing, so that the server is there before the rest of the worker has been loaded.
"""

import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ytworker.engine import forkserver
from ytworker.engine.forkserver import ENDED, FORK, KILL, REFUSED, REPORT, REQUEST

if TYPE_CHECKING:
    from ytworker.errors import ChildrenError

LOAD_SECONDS = 30.0
"""How long its first answer may take: it has to load everything that children need, perhaps from a slow disk."""
ANSWER_SECONDS = 5.0
"""It answers within a fraction of a second. The worker waits meanwhile, and its lease must not lapse by that."""
NUDGE_SECONDS = 0.1
"""How often it is told to go on while somebody waits for it: a plugin may stop it at any moment."""
_running: weakref.WeakSet["ForkServer"] = weakref.WeakSet()
_OURS = "YTWORKER_"
_MORE_FILES = "allow more (`ulimit -n`, or LimitNOFILE= of a service), or lower --concurrency"
_CURES: dict[int | None, str] = {
    errno.EMFILE: _MORE_FILES,
    errno.ENFILE: _MORE_FILES,
    errno.EAGAIN: "close other programs or raise the limit (`ulimit -u`, or TasksMax= of a service)",
    errno.ENOMEM: "close other programs, or lower --concurrency",
}


def supported() -> bool:
    """Tell whether this system can start children our way; Windows cannot."""
    return hasattr(os, "fork") and hasattr(socket, "send_fds")


class ForkServer:
    """A running fork server; it and everything that it started end with this process, or with :meth:`close`.

    Args:
        environment: What children see; without the variables of ours, which may hold secrets.

    Attributes:
        gone: Whether it is known to have ended, or to answer no more.
        output: The end of a pipe, which does not block: what the children write to stdout and stderr. Whoever lets them
            write has to read it.

    Raises:
        ChildrenError: This system cannot do it, or not now.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        if not supported():
            msg = "this system cannot start child processes the way ytworker needs it; run with --inline"
            raise _error(msg)
        self.gone = False
        self._heard = bytearray()
        self._answered = False
        self._alive: set[int] = set()
        self.output = -1
        self._lifeline, theirs = _pair()
        try:
            with theirs:
                self._process = self._launch(theirs, os.environ if environment is None else environment)
        except OSError as error:
            self._lifeline.close()
            self._close_output()
            raise refusal(error.errno) from error
        _running.add(self)
        path = json.dumps(sys.path).encode()
        with suppress(ConnectionError):  # it is gone already, as the first request will tell
            self._lifeline.sendall(forkserver.LENGTH.pack(len(path)) + path)

    def _launch(self, lifeline: socket.socket, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self.output, output = os.pipe()
        os.set_blocking(self.output, False)
        with os.fdopen(output, "wb", 0):
            return subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", str(Path(forkserver.__file__))],
                stdin=lifeline.fileno(),
                stdout=output,
                env=_without_ours(environment),
                start_new_session=True,
            )

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
            ChildrenError: The system refuses another process, or the fork server is :attr:`gone`.
        """
        ours, theirs = _pair()
        try:
            with theirs:
                self._ask(FORK, theirs, *([] if gate is None else [gate]))
            what, pid, number = self._answer()
            if what == REFUSED:
                raise refusal(number)  # noqa: TRY301 - the socket is to be closed then, too
        except BaseException:
            ours.close()
            raise
        self._alive.add(pid)
        return pid, ours

    def kill(self, pid: int) -> None:
        """Have a child killed, with its group; :meth:`endings` tells when it is gone."""
        if pid in self._alive:
            with suppress(OSError):  # the server is gone, as `endings` will tell
                self._lifeline.sendall(REQUEST.pack(KILL, pid))
                # One that stops it again and again has to die first; only Linux tells that this is still the child.
                if pid in forkserver.children_of(self._process.pid):
                    forkserver.kill_group(pid)
                self._process.send_signal(signal.SIGCONT)  # a plugin may have stopped it

    def abandon(self) -> None:
        """Have everything killed, for a process that leaves in the middle of something and waits for nobody."""
        with suppress(OSError):
            for pid in forkserver.descendants_of(self._process.pid):
                forkserver.kill_group(pid)
            self._process.send_signal(signal.SIGCONT)  # it kills what is left when it sees that we are gone

    def endings(self) -> list[tuple[int, int]]:
        """Give the process id and the exit code (negative for a signal) of every child that has ended, without waiting.

        Raises:
            ChildrenError: The fork server itself has ended, and everything that it told was given before.
        """
        while select.select([self._lifeline], [], [], 0)[0] and self._hear():
            pass
        found = []
        while len(self._heard) >= REPORT.size:
            what, pid, status = self._next()
            if what == ENDED:
                self._alive.discard(pid)
                found.append((pid, os.waitstatus_to_exitcode(status)))
        if self.gone and not found:
            raise self._lost()
        return found

    def close(self) -> int:
        """Kill every child, and the server; once is enough, and twice does no harm. Gives how the server ended."""
        self._lifeline.close()
        self._close_output()
        if self.gone:  # perhaps it only does not answer
            self._process.kill()
        if not self._has_left():
            self._process.kill()
            self._process.wait()
        if self._process.returncode:  # it died on its own and left its children behind
            self._kill_orphans()
        return self._process.returncode

    def _has_left(self) -> bool:
        until = time.monotonic() + forkserver.PARTING_SECONDS + ANSWER_SECONDS
        while time.monotonic() < until:
            self._process.send_signal(signal.SIGCONT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(NUDGE_SECONDS)
                return True
        return False

    def _close_output(self) -> None:
        if self.output >= 0:
            os.close(self.output)
            self.output = -1

    def _kill_orphans(self) -> None:
        strangers = [each for pid in self._alive for each in forkserver.descendants_of(pid)]
        for pid in (*self._alive, *strangers):
            forkserver.kill_group(pid)
        self._alive.clear()

    def _ask(self, what: bytes, *ends: socket.socket) -> None:
        try:
            socket.send_fds(self._lifeline, [REQUEST.pack(what, len(ends))], [end.fileno() for end in ends])
        except ConnectionError as error:
            raise self._lost() from error
        except OSError as error:  # no memory, or too many descriptors under way
            raise refusal(error.errno) from error
        self._process.send_signal(signal.SIGCONT)  # see `kill`

    def _answer(self) -> tuple[bytes, int, int]:
        """Wait for the answer to a request; what else is told meanwhile waits for :meth:`endings`."""
        endings = bytearray()
        while True:
            while len(self._heard) < REPORT.size:
                if not self._speaks() or not self._hear():
                    raise self._lost()
            report = self._next()
            if report[0] != ENDED:
                self._answered = True
                self._heard[:0] = endings
                return report
            endings += REPORT.pack(*report)

    def _speaks(self) -> bool:
        """Wait until it says something, or has ended; False when that takes too long."""
        until = time.monotonic() + (ANSWER_SECONDS if self._answered else LOAD_SECONDS)
        while not select.select([self._lifeline], [], [], NUDGE_SECONDS)[0]:
            if time.monotonic() > until:
                return False
            self._process.send_signal(signal.SIGCONT)
        return True

    def _hear(self) -> bool:
        """Read what has come; False at the end of the stream."""
        try:
            heard = self._lifeline.recv(4096)
        except ConnectionError:
            heard = b""
        self.gone = self.gone or not heard
        self._heard += heard
        return bool(heard)

    def _next(self) -> tuple[bytes, int, int]:
        report = REPORT.unpack(self._heard[: REPORT.size])
        del self._heard[: REPORT.size]
        return report

    def _lost(self) -> "ChildrenError":
        self.gone = True
        return _error(
            "the process that starts children has ended or does not answer; start the worker again (or with --inline)"
        )


def abandon_all() -> None:
    """Have all children of this process killed; see :meth:`ForkServer.abandon`."""
    for server in list(_running):
        server.abandon()


def describe(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (" (out of memory, or by hand)" if -code == signal.SIGKILL else "")


def refusal(number: int | None) -> "ChildrenError":
    """Say why no child can be started, and what helps."""
    cure = _CURES.get(number, "close other programs or raise the limit")
    return _error(f"no child process can be started: {os.strerror(number or 0)}; {cure}")


def _pair() -> tuple[socket.socket, socket.socket]:
    try:
        return socket.socketpair()
    except OSError as error:
        raise refusal(error.errno) from error


def _error(message: str) -> "ChildrenError":
    from ytworker.errors import ChildrenError  # noqa: PLC0415 - brings pydantic

    return ChildrenError(message)


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    rest = {name: value for name, value in environment.items() if not name.upper().startswith(_OURS)}
    # pydantic would import the plugins of its own that are installed, and one damaged distribution would stop us.
    return {"PYDANTIC_DISABLE_PLUGINS": "__all__", **rest}
