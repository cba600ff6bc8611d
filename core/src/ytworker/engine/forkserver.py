"""The fork server: a small process that starts the children of a worker and dies, with all of them, when it dies.

It runs as a script, beside the worker and never inside it: ``python -P forkserver.py``, its life-line on descriptor 0.
The life-line carries requests of five bytes from the worker (``F``: fork, with the child's ends of its sockets beside
it, and how many these are; ``K``: kill the group of a process) and reports of nine bytes to it (``S``: started, ``E``:
could not start, ``X``: ended). When it ends, the worker is gone, however it went: every group is killed.

A process may leave its group, and its parent may die. On Linux it then becomes a child of the child that it came from
(each of them is a subreaper, see prctl(2)), and when that ends, of this server, which kills what it did not start.

``multiprocessing`` has a fork server, too. Its children import the main module again, and they inherit the life-line:
after a ``kill -9`` of the worker a child that hangs lives on, and keeps the server alive with it.
"""

import contextlib
import errno
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

REQUEST = struct.Struct("!cI")
REPORT = struct.Struct("!cII")
LENGTH = struct.Struct("!I")
FORK, KILL = b"F", b"K"
STARTED, REFUSED, ENDED = b"S", b"E", b"X"
MOST_ENDS = 2
CRASHED = 70
"""The exit code of a child whose own code, not that of a plugin, has failed: EX_SOFTWARE."""
PARTING_SECONDS = 5.0
"""How long the server waits at the end for what it has killed; who cannot be killed must not keep a worker alive."""
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
"""PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER of <linux/prctl.h>."""
_OURS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Server:
    """Forks, kills and reports; it lives in one thread and runs nobody else's code.

    Args:
        lifeline: Its end means that the worker is gone.
    """

    def __init__(self, lifeline: socket.socket) -> None:
        self._lifeline = lifeline
        self._living: set[int] = set()
        self._bell, self._rope = socket.socketpair()
        self._rope.setblocking(False)

    def serve(self) -> None:
        """Do what the worker asks until its life-line ends; then kill everything that was started."""
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # without a handler no bell rings
        signal.set_wakeup_fd(self._rope.fileno(), warn_on_full_buffer=False)
        try:
            while True:
                ready, _, _ = select.select([self._lifeline, self._bell], [], [])
                if self._bell in ready:
                    self._bell.recv(4096)
                    self._bury()
                if self._lifeline in ready and not self._obey():
                    return
        except OSError:  # the life-line broke
            return
        finally:
            self._kill_all()

    def _kill_all(self) -> None:
        for pid in self._living:
            kill_group(pid)
        self._living.clear()
        until = time.monotonic() + PARTING_SECONDS
        while self._kill_strangers() and time.monotonic() < until:
            if select.select([self._bell], [], [], 0.01)[0]:
                self._bell.recv(4096)

    def _obey(self) -> bool:
        request, descriptors, _, _ = socket.recv_fds(self._lifeline, REQUEST.size, MOST_ENDS)
        if len(request) < REQUEST.size:
            return False
        what, number = REQUEST.unpack(request)
        if what == FORK and len(descriptors) < number:  # the kernel has dropped those that are too many for us
            _close(descriptors)
            self._report(REFUSED, 0, errno.EMFILE)
        elif what == FORK:
            self._fork(descriptors)
        elif number in self._living:  # else it has ended, and its number may be somebody else's by now
            kill_group(number)
        return True

    def _fork(self, descriptors: list[int]) -> None:
        report: tuple[bytes, int, int]
        try:
            pid = os.fork()
        except OSError as error:  # too many processes, or no memory
            report = REFUSED, 0, error.errno or 0
        else:
            if pid == 0:
                self._become_child(descriptors)
            self._living.add(pid)
            report = STARTED, pid, 0
        _close(descriptors)
        self._report(*report)

    def _become_child(self, descriptors: list[int]) -> NoReturn:
        code = CRASHED
        try:
            os.setsid()
            os.dup2(1, 2)
            adopt_orphans()
            signal.set_wakeup_fd(-1)
            for number in (*_OURS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for end in (self._lifeline, self._bell, self._rope):
                end.close()
            from ytworker.engine import child  # noqa: PLC0415 - loaded by now, see `main`

            child.main(*(socket.socket(fileno=descriptor) for descriptor in descriptors))
            code = 0
        except BaseException:  # noqa: BLE001 - it must not go on as a second server
            with contextlib.suppress(BaseException):
                traceback.print_exc()
        finally:
            os._exit(code)

    def _bury(self) -> None:
        for pid in list(self._living):
            if _has_ended(pid):
                kill_group(pid)  # what it has started must not outlive it; its number is still its own
                _, status = os.waitpid(pid, 0)
                self._living.discard(pid)
                self._report(ENDED, pid, status)
        self._kill_strangers()

    def _kill_strangers(self) -> bool:
        """Kill what children that ended have left to us; True while there is any, whose death rings the bell again."""
        strangers = [pid for pid in children_of(os.getpid()) if pid not in self._living]
        for pid in strangers:
            with contextlib.suppress(OSError):
                if os.waitpid(pid, os.WNOHANG) == (0, 0):  # else it is buried, and its number may be another's
                    os.kill(pid, signal.SIGKILL)
        return bool(strangers)

    def _report(self, what: bytes, pid: int, number: int) -> None:
        self._lifeline.sendall(REPORT.pack(what, pid, number))


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def kill_group(pid: int) -> None:
    """Kill a process and its group; one that was only just forked may not have its group yet."""
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends; only Linux can do that."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def go_on_when_the_worker_ends() -> None:
    """Have the kernel wake this process when the worker ends, if a plugin has stopped it; only Linux can do that.

    SIGKILL would leave behind who hides in a session of its own, and SIGCONT does no harm when it comes too early:
    the kernel takes the end of the thread that started us for that of the worker, and tells again when the rest ends.
    """
    _prctl(_SET_PDEATHSIG, signal.SIGCONT)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415 - only there

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def children_of(pid: int) -> list[int]:
    """Give the processes whose parent this one is, those that ended and were not buried included; Linux tells."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # the process itself may end while its threads are listed
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, file.read_text("ascii").split())
    return found


def descendants_of(pid: int) -> list[int]:
    """Give the processes that this one has started, directly or through others."""
    found: list[int] = []
    generation = [pid]
    while generation:
        generation = [child for parent in generation for child in children_of(parent)]
        found += generation
    return found


def _has_ended(pid: int) -> bool:
    """Tell whether a child has ended, without burying it: until then nobody else gets its number."""
    if sys.platform == "darwin" and not hasattr(os, "waitid"):  # came with 3.13
        from subprocess import run  # noqa: PLC0415 - only there

        state = run(["/bin/ps", "-o", "state=", "-p", str(pid)], capture_output=True, check=False).stdout  # noqa: S603
        return not state or state.startswith(b"Z")
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _own_streams() -> socket.socket:
    """Take the life-line from descriptor 0; 1 is the pipe for what children write, 2 is where the worker's leads."""
    lifeline = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.fstat(2)
    except OSError:  # the worker was started with stderr closed
        os.dup2(nothing, 2)
    return lifeline


def main() -> None:
    """Serve the worker at the other end of descriptor 0."""
    for number in _OURS:  # a Ctrl-C is for the worker; we go when it goes
        signal.signal(number, signal.SIG_IGN)
    lifeline = _own_streams()
    head = lifeline.recv(LENGTH.size, socket.MSG_WAITALL)
    if len(head) < LENGTH.size:  # the worker is gone before it began
        return
    (length,) = LENGTH.unpack(head)
    sys.path[:] = json.loads(lifeline.recv(length, socket.MSG_WAITALL))  # plugins are where the worker finds them
    import ytworker.engine.child  # noqa: F401, PLC0415 - every child has it at once, and shares the memory

    adopt_orphans()
    go_on_when_the_worker_ends()
    gc.freeze()
    Server(lifeline).serve()


if __name__ == "__main__":
    main()
