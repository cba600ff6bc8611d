"""What processes hold: a cheap look that counts too much, and an exact one that is only taken where it may matter."""

import mmap
import os
import resource
from pathlib import Path

import pytest

from ytworker.engine import memory
from ytworker.engine.memory import COSTS, MIB, Scales, held, resident

PAGE = resource.getpagesize()
ROLLUP = "00-ff ---p 00 00:00 0 [rollup]\nPss:  9999 kB\nPss_Anon:  {} kB\nPss_File:  777 kB\nPss_Shmem:  {} kB\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A ``/proc`` of its own."""
    return tmp_path


def process(proc: Path, pid: int, *, there: int = 0, shared: int = 0, rollup: str | None = None) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "statm").write_text(f"99999 {there} {shared} 1 0 5 0\n", "ascii")
    if rollup is not None:
        (folder / "smaps_rollup").write_text(rollup, "ascii")


def test_what_is_private_or_shared_memory_counts_and_what_comes_from_files_does_not(proc: Path) -> None:
    process(proc, 1, rollup=ROLLUP.format(40, 2))
    process(proc, 2, rollup=ROLLUP.format(500, 0) + "SwapPss:  8 kB\n")
    assert held([1, 2], proc) == 550 * 1024


def test_where_the_exact_look_is_refused_the_rough_one_has_to_do(proc: Path) -> None:
    process(proc, 1, there=50, shared=20)
    process(proc, 2, there=7, shared=0, rollup="Rss: 4 kB\n")  # of a system that does not tell the parts
    assert held([1, 2, 3], proc) == 37 * PAGE
    assert resident(1, proc) == 50 * PAGE


@pytest.mark.parametrize("text", ["", "1", "no numbers"])
def test_where_nothing_tells_nothing_is_held(proc: Path, text: str) -> None:
    (proc / "1").mkdir()
    (proc / "1" / "statm").write_text(text, "ascii")
    assert resident(1, proc) == held([1], proc) == resident(2, proc) == 0


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells")
def test_memory_that_is_shared_counts_as_soon_as_it_is_touched() -> None:
    before = held([os.getpid()])
    with mmap.mmap(-1, 64 * MIB) as data:
        for place in range(0, len(data), PAGE):
            data[place] = 1
        assert held([os.getpid()]) - before > 60 * MIB
        assert resident("self") > 64 * MIB


class World:
    """Processes of known weight, and a clock that runs on while they are weighed exactly."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.rough = {1: 0, 2: 0, 3: 0}
        self.exact = {1: 0, 2: 0, 3: 0}
        self.looks = 0
        monkeypatch.setattr(memory, "resident", self.rough.__getitem__)
        monkeypatch.setattr(memory, "held", self.look)

    def look(self, pids: list[int]) -> int:
        self.looks += 1
        self.now += 0.5
        return sum(self.exact[pid] for pid in pids)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


FAMILIES = (("one", [1, 2]), ("other", [3]))


def test_nobody_is_looked_at_closely_who_is_light_at_first_sight(world: World) -> None:
    scales = Scales(10, lambda: world.now)
    world.rough |= {1: 5 * MIB, 2: 5 * MIB, 3: 10 * MIB}
    assert scales.overweight(FAMILIES) == {}
    assert world.looks == 0
    world.rough |= {3: 11 * MIB}
    assert scales.overweight(FAMILIES) == {}
    assert world.looks == 1


def test_a_family_is_weighed_together(world: World) -> None:
    world.rough |= {1: 9 * MIB, 2: 9 * MIB, 3: 9 * MIB}
    world.exact |= {1: 6 * MIB, 2: 5 * MIB, 3: 9 * MIB}
    assert Scales(10, lambda: world.now).overweight(FAMILIES) == {"one": 11 * MIB}
    assert Scales(0, lambda: world.now).overweight(FAMILIES) == {}


def test_the_exact_look_takes_no_more_than_its_part_of_the_time(world: World) -> None:
    scales = Scales(10, lambda: world.now)
    world.rough[3] = 11 * MIB
    scales.overweight(FAMILIES)
    ready_at = world.now + COSTS * 0.5
    world.exact[3] = 11 * MIB
    world.now = ready_at - 0.1
    assert scales.overweight(FAMILIES) == {}
    world.now = ready_at
    assert scales.overweight(FAMILIES) == {"other": 11 * MIB}
    assert world.looks == 2
