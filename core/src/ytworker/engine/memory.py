"""How much memory a child holds together with all that it has started; only Linux tells.

``RLIMIT_DATA`` makes a large allocation a MemoryError at once, but it counts for each process, and no shared memory.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from mmap import PAGESIZE
from pathlib import Path

from ytworker.model import ErrorClass, ErrorInfo

MIB = 1 << 20
COSTS = 20
"""After an exact look the next one waits so many times as long as it took: it never takes more of the worker's time
than a twentieth."""
_PROC = Path("/proc")
_OWN = (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")


class Scales:
    """Weighs processes, roughly as often as one likes and exactly only as often as that is cheap.

    Args:
        memory_mb: What a child may hold together with all that it has started; 0 is without limit.
        monotonic: Seconds that never go back.
    """

    def __init__(self, memory_mb: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = memory_mb * MIB
        self._monotonic = monotonic
        self._exact_at = 0.0

    def overweight(self, families: Iterable[tuple[int, Sequence[int]]]) -> dict[int, int]:
        """Give how many bytes the families hold that hold too many, each by its name.

        Args:
            families: The name of each, and its processes.
        """
        if not self._most:
            return {}
        suspects = {name: pids for name, pids in families if sum(map(resident, pids)) > self._most}
        began = self._monotonic()
        if not suspects or began < self._exact_at:
            return {}
        weights = {name: held(pids) for name, pids in suspects.items()}
        ended = self._monotonic()
        self._exact_at = ended + COSTS * (ended - began)
        return {name: weight for name, weight in weights.items() if weight > self._most}


def resident(pid: int | str, proc: Path = _PROC) -> int:
    """Give how many bytes of a process are in memory, what it shares with others included; 0 where nothing tells."""
    return _pages(pid, proc)[0]


def held(pids: Iterable[int], proc: Path = _PROC) -> int:
    """Give how many bytes processes hold together, each page that several of them have counted once.

    What they have in common with others, such as the fork server, counts by their part of it. What the system can read
    from a file again whenever it likes, programs and libraries first of all, does not count.
    """
    return sum(_part(pid, proc) for pid in pids)


def too_much(held_bytes: int, memory_mb: int) -> ErrorInfo:
    """Say why a child has to die that holds too much memory."""
    return ErrorInfo(
        error_class=ErrorClass.RESOURCE,
        type="ytworker.TooMuchMemory",
        message=f"the plugin and what it had started held {held_bytes // MIB} MB of memory, more than the {memory_mb} "
        "MB that memory_mb allows, so they were killed. It should hold less at a time; a higher memory_mb allows more",
        fingerprint="memory",
    )


def _part(pid: int, proc: Path) -> int:
    with suppress(OSError):  # it has ended, or it runs as somebody else
        lines = (proc / str(pid) / "smaps_rollup").read_bytes().splitlines()
        found = [int(line.split()[1]) for line in lines if line.startswith(_OWN)]
        if found:
            return sum(found) * 1024
    there, shared = _pages(pid, proc)
    return there - shared


def _pages(pid: int | str, proc: Path) -> tuple[int, int]:
    """Give the bytes of a process that are in memory, and those of them that are shared or come from a file."""
    with suppress(OSError, ValueError, IndexError), (proc / str(pid) / "statm").open("rb", buffering=0) as file:
        numbers = file.read(200).split()
        return int(numbers[1]) * PAGESIZE, int(numbers[2]) * PAGESIZE
    return 0, 0
