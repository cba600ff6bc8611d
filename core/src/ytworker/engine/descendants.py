"""What children of the fork server have started themselves: found wherever it hides, counted, and killed.

A process that leaves its group with ``setsid`` and loses its parent would belong to nobody. On Linux the fork server
inherits such orphans (``PR_SET_CHILD_SUBREAPER``, prctl(2)); on other systems they escape.
"""

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

MOST = 256
"""Processes of one child. ``RLIMIT_NPROC`` cannot say that: it counts all of a user's, and root's not at all."""
_PR_SET_CHILD_SUBREAPER = 36
_PROC = "/proc"


class Process(NamedTuple):
    """A line of the process table; ``dead`` is one that nobody has buried yet."""

    pid: int
    parent: int
    group: int
    dead: bool


def adopt() -> bool:
    """Become the parent of every orphan below this process; False where the system cannot do that."""
    import ctypes  # noqa: PLC0415 - only the fork server needs it, once

    if not os.path.isdir(f"{_PROC}/self"):  # noqa: PTH112 - they could not be buried
        return False
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    return False


def table() -> list[Process]:
    """Give all processes; none where the system has no ``/proc``."""
    return [process for process in map(_read, _numbers()) if process is not None]


def crowded() -> bool:
    """Tell whether one child may have too many processes; much cheaper than a look at all of them."""
    return sum(1 for _ in _numbers()) > MOST


def inherited(processes: Collection[Process], children: Collection[int]) -> list[Process]:
    """Give what this process did not start and yet is the parent of."""
    own = os.getpid()
    return [each for each in processes if each.parent == own and each.pid not in children]


def crowds(processes: Collection[Process], children: Collection[int]) -> list[int]:
    """Name the children with more than :data:`MOST` processes below them or in their groups."""
    known = {each.pid: each for each in processes}
    counts = Counter(_owner(each, known, children) for each in processes)
    return [pid for pid, count in counts.items() if pid and count > MOST]


def end(processes: Collection[Process]) -> None:
    """Kill what lives, and bury what is dead, of one's own children."""
    for each in processes:
        with contextlib.suppress(OSError):
            if each.dead:
                os.waitpid(each.pid, os.WNOHANG)
            else:
                os.kill(each.pid, signal.SIGKILL)


def _owner(process: Process, known: dict[int, Process], children: Collection[int]) -> int:
    """Find the child that a process comes from; 0 for one that comes from none."""
    current: Process | None = process
    for _ in known:  # the table is no snapshot: it might hold a circle
        if current is None:
            break
        for each in (current.pid, current.group):
            if each in children:
                return each
        current = known.get(current.parent)
    return 0


def _numbers() -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from (int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208 - it is looked at often


def _read(pid: int) -> Process | None:
    try:
        with open(f"{_PROC}/{pid}/stat", "rb") as file:  # noqa: PTH123
            state, parent, group = file.read().rpartition(b")")[2].split()[:3]  # the name before may hold anything
    except (OSError, ValueError):  # it has gone
        return None
    return Process(pid, int(parent), int(group), state in b"ZX")
