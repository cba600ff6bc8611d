"""The process is killed in a backup, a restore, a vacuum or an upgrade: the old file is whole, or the new one."""

import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from crash_helpers import (
    DIED,
    NOT_HERE,
    Rows,
    content_of,
    die_at_statement,
    drain,
    fork,
    in_child,
    join,
    opened,
    rows_of,
)
from disk_helpers import Write, at_each_write
from queue_world import World, build, look

from ytworker.errors import StoreError
from ytworker.model import NewTask, Outcome, TaskStatus
from ytworker.queue import ClaimRequest, Completion, FIFOStrategy, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue, schema
from ytworker.testing import FakeClock

Care = Callable[[SQLiteQueue, Path], object]

CARE: dict[str, Care] = {
    "backup": lambda queue, folder: queue.backup(folder / "new.db"),
    "backup_over_another": lambda queue, folder: queue.backup(folder / "old.db", force=True),
    "restore": lambda queue, folder: queue.restore(folder / "old.db"),
    "vacuum": lambda queue, _: queue.vacuum(),
}


@dataclass
class Place:
    """A queue with an older backup beside it.

    Attributes:
        world: The queue as it is now.
        old: What the backup holds.
        now: What the queue holds.
    """

    world: World
    old: Rows
    now: Rows

    @property
    def folder(self) -> Path:
        return self.world.file.parent

    def copy(self, folder: Path) -> "Place":
        shutil.copytree(self.folder, folder)
        world = World(folder / "queue.db", FakeClock(), self.world.worker, self.world.lapsing, self.world.claims)
        return Place(world, self.old, self.now)


def prepare(folder: Path, size: int) -> Place:
    world = build(folder / "queue.db")
    with opened(world.file, world.clock) as queue:
        queue.backup(folder / "old.db")
        queue.enqueue([NewTask(type="big", params={"text": "x" * 1500}) for _ in range(size)])
        queue.cancel(TaskFilter(types=["big"]))
        queue.purge(world.clock() + 1, [TaskStatus.CANCELLED], limit=size // 2)
        now = rows_of(queue)
    with opened(folder / "old.db", world.clock) as queue:
        old = rows_of(queue)
    return Place(world, old, now)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return prepare(tmp_path_factory.mktemp("small") / "place", 60)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return prepare(tmp_path_factory.mktemp("large") / "place", 4_000)


# -- dying at each step


@pytest.mark.parametrize("name", CARE)
def test_d2_a_death_at_any_statement_leaves_the_old_file_or_the_new(small: Place, tmp_path: Path, name: str) -> None:
    assert survive(small, tmp_path, name, die_at_statement, itertools.count(1)) > 1


@pytest.mark.parametrize("name", CARE)
def test_d2_a_death_at_any_write_leaves_the_old_file_or_the_new(small: Place, tmp_path: Path, name: str) -> None:
    """Some of the writes, since there is at least one for each page."""
    draw = random.Random(name)
    numbers = itertools.accumulate(itertools.repeat(1), lambda number, _: number + draw.randint(1, 40))
    assert survive(small, tmp_path, name, die_at_write, numbers) > 2


Death = Callable[..., None]


def survive(small: Place, folder: Path, name: str, die: Death, numbers: Iterator[int]) -> int:
    """Die at each of these steps, until one comes through; look at what is left, and tell how often that was."""
    restored = restored_from(small, folder / "restored")
    known: set[bytes] = set()
    for count, number in enumerate(numbers, 1):
        place = small.copy(folder / str(count))
        ended = in_child(partial(_act, place, CARE[name], die, number))
        if ended == NOT_HERE:
            pytest.skip("the writes of this Python's SQLite cannot be intercepted")
        assert ended in {0, DIED}
        content = content_of(place.world.file) + b"".join(map(content_of, sorted(place.folder.glob("*.db"))))
        if content not in known:
            known.add(content)
            examine(place, name, restored)
        shutil.rmtree(place.folder)
        if ended == 0:
            return count
    return 0


def _act(place: Place, care: Care, die: Death, number: int) -> None:
    with opened(place.world.file, place.world.clock) as queue:
        die(number, queue._database._connection)
        care(queue, place.folder)
        os._exit(0)


def die_at_write(number: int, _: object) -> None:
    writes = itertools.count(1)

    def die(write: Write) -> bool:
        if next(writes) == number:
            write.half()
            os._exit(DIED)
        return True

    try:
        at_each_write(die)
    except OSError:
        os._exit(NOT_HERE)


def restored_from(small: Place, folder: Path) -> Rows:
    place = small.copy(folder)
    with opened(place.world.file, place.world.clock) as queue:
        queue.restore(place.folder / "old.db")
        return rows_of(queue)


def examine(place: Place, name: str, restored: Rows) -> None:
    """The queue and each backup are whole, nobody else can read what was left lying about, and it can be done again."""
    assert all(path.stat().st_mode & 0o077 == 0 for path in place.folder.iterdir())
    left = rows_in(place.world.file, place.world.clock)
    assert left in ([place.now, restored] if name == "restore" else [place.now])
    assert rows_in(place.folder / "old.db", FakeClock()) in (
        [place.old, place.now] if name == "backup_over_another" else [place.old]
    )
    new = place.folder / "new.db"
    if new.exists():
        assert rows_in(new, FakeClock()) == place.now
        new.unlink()
    with opened(place.world.file, place.world.clock) as queue:
        CARE[name](queue, place.folder)
    expected = {"backup": new, "backup_over_another": place.folder / "old.db"}.get(name)
    if expected is not None:
        assert rows_in(expected, FakeClock()) == place.now
    assert look(place.world) == (restored if name == "restore" else place.now)


def rows_in(file: Path, clock: FakeClock) -> Rows:
    with opened(file, clock) as queue:
        assert queue.check() == []
        return rows_of(queue)


# -- being killed at any time


@pytest.mark.parametrize("name", CARE)
def test_d2_a_kill_at_any_time_leaves_the_old_file_or_the_new(large: Place, tmp_path: Path, name: str) -> None:
    """While somebody else enqueues all the time."""
    place, draw = large.copy(tmp_path / "place"), random.Random(name)
    seconds = 0.0
    for number in range(5):
        enqueuing = fork(partial(_enqueue_all_the_time, place))
        began = time.monotonic()
        caring = fork(partial(_care, place, CARE[name]))
        if number:
            time.sleep(draw.uniform(0, seconds))
            os.kill(caring, signal.SIGKILL)
        ended = join(caring)
        assert ended in ({0, -signal.SIGKILL} if number else {0})
        seconds = seconds or time.monotonic() - began
        os.kill(enqueuing, signal.SIGKILL)
        assert join(enqueuing) == -signal.SIGKILL
        for file in place.folder.glob("*.db"):
            with opened(file, FakeClock()) as queue:
                assert queue.check() == []
                assert queue.get(1).type == "e"
        (place.folder / "new.db").unlink(missing_ok=True)


def _enqueue_all_the_time(place: Place) -> None:
    with opened(place.world.file, place.world.clock) as queue:
        while True:
            queue.enqueue([NewTask(type="w", params={"text": "w" * 500})])
            time.sleep(0.002)


def _care(place: Place, care: Care) -> None:
    with opened(place.world.file, place.world.clock) as queue:
        care(queue, place.folder)


# -- what lies about


def leave_in_the_log(file: Path) -> None:
    """Enqueue a task and die, so that it stands in the log and not in the file."""

    def run() -> None:
        with opened(file, FakeClock()) as queue:
            queue.enqueue([NewTask(type="late", params={"text": "x" * 5000})])
            os._exit(0)

    assert in_child(run) == 0
    assert file.with_name(file.name + "-wal").stat().st_size


@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone"])
def test_d2_a_backup_is_not_mixed_with_the_log_of_the_file_that_was_there(
    small: Place, tmp_path: Path, gone: bool
) -> None:
    place = small.copy(tmp_path / "place")
    old = place.folder / "old.db"
    leave_in_the_log(old)
    if gone:
        old.unlink()
    with opened(place.world.file, place.world.clock) as queue:
        queue.backup(old, force=not gone)
    assert rows_in(old, FakeClock()) == place.now


def test_d2_what_stands_in_the_log_of_a_backup_is_restored_too(small: Place, tmp_path: Path) -> None:
    place = small.copy(tmp_path / "place")
    leave_in_the_log(place.folder / "old.db")
    with opened(place.world.file, place.world.clock) as queue:
        queue.restore(place.folder / "old.db")
        assert len(queue.tasks(TaskFilter(types=["late"]))) == 1
        assert queue.check() == []


def test_d2_a_queue_in_use_is_restored_as_it_was_at_one_moment_or_refused(small: Place, tmp_path: Path) -> None:
    """Another process works on it all the while: a step and a checkpoint at each of the first writes of the copy."""
    place = small.copy(tmp_path / "place")
    ended = in_child(partial(_restore_from_one_in_use, place))
    if ended == NOT_HERE:
        pytest.skip("the writes of this Python's SQLite cannot be intercepted")
    assert ended == 0


STEPS = 40


def _restore_from_one_in_use(place: Place) -> None:
    source = place.folder / "old.db"
    ask, asked = os.pipe()
    answer, answered = os.pipe()
    working = fork(partial(_work_at_each_call, place, (ask, asked), answered))
    os.close(answered)
    steps, armed = iter(range(STEPS)), False

    def work_meanwhile(_: Write) -> bool:
        if armed and next(steps, None) is not None:
            os.write(asked, b".")
            assert os.read(answer, 1), "the other process is gone"
        return True

    try:
        at_each_write(work_meanwhile)
    except OSError:
        os._exit(NOT_HERE)
    assert os.read(answer, 1), "the other process did not start"
    with opened(place.world.file, place.world.clock) as queue:
        armed = True
        refused = False
        try:
            queue.restore(source)
        except StoreError:
            refused = True
        armed = False
        assert next(steps, None) is None, "it was not in use while it was copied"
        assert queue.check() == []
        ended = [task.id for task in queue.tasks(TaskFilter(types=["late"])) if task.state is TaskStatus.COMPLETED]
        waiting = queue.waiting().get("late", 0)
        restored = rows_of(queue)
    os.close(asked)
    assert join(working) == 0
    if refused:
        assert restored == place.now
    else:  # each step ends the oldest, claims the next and enqueues one: all of it, up to the same step
        first = min(ended, default=1)
        assert ended == list(reversed(range(first, first + len(ended))))
        assert waiting == 199


def _work_at_each_call(place: Place, calls: tuple[int, int], answered: int) -> None:
    ask, asked = calls
    os.close(asked)  # so that the end of the calls is seen
    with opened(place.folder / "old.db", place.world.clock) as queue:
        worker = queue.add_worker(lease_seconds=1000)
        queue.enqueue([NewTask(type="late", params={"text": "x" * 500}) for _ in range(200)])
        (claim,) = queue.claim(worker, FIFOStrategy, ["late"])
        os.write(answered, b".")
        request = ClaimRequest(worker_id=worker, strategy=FIFOStrategy, types=["late"])
        while os.read(ask, 1):
            more = [NewTask(type="late", params={"text": "y" * 500})]
            (claim,) = queue.settle([Completion(claim=claim, outcome=Outcome.EMPTY, follow_ups=more)], request).claims
            queue._database.execute("PRAGMA wal_checkpoint(PASSIVE)")
            os.write(answered, b".")


def test_q7_nobody_else_can_read_what_is_copied_while_that_goes_on(small: Place, tmp_path: Path) -> None:
    place = small.copy(tmp_path / "place")
    (place.folder / "old.db").chmod(0o644)
    assert in_child(partial(_look_at_every_step, place)) == 0


def _look_at_every_step(place: Place) -> None:
    """An audit hook sees every file that is opened, copied or given another mode."""
    wide: list[str] = []
    looking = False

    def look_on(_event: str, _arguments: object) -> None:
        nonlocal looking
        if not looking:
            looking = True
            wide.extend(path.name for path in place.folder.glob("*.part*") if path.stat().st_mode & 0o077)
            looking = False

    os.umask(0o022)
    with opened(place.world.file, place.world.clock) as queue:
        sys.addaudithook(look_on)
        queue.backup(place.folder / "new.db")
        queue.restore(place.folder / "old.db")
    assert wide == []


# -- upgrades


def version_1(file: Path) -> None:
    """Make a file of the first version with something in every table that an upgrade touches."""
    file.parent.mkdir(mode=0o700)
    file.touch(mode=0o600)
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in schema.MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute("INSERT INTO task_type (name) VALUES ('a')")
    for number in range(1, 121):
        status = number % 6
        body = (number, 1, 5, 900, f"k{number}", json.dumps({"n": number, "text": "x" * 200}))
        connection.execute("INSERT INTO body VALUES (?, ?, 0, ?, ?, ?, ?)", body)
        state = (number, 1, status, 1 + number % 10, 1, 1, None, 0, None)
        connection.execute("INSERT INTO state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", state)
        if status < 3:
            connection.execute("INSERT INTO live_key VALUES (1, ?, ?)", (f"k{number}", number))
    connection.execute("UPDATE state SET owner = 9 WHERE status = 1")
    connection.execute("INSERT INTO worker VALUES (9, 'host', 1, '0', 0, 0, 1)")
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.close()


def test_d2_a_death_at_any_statement_of_an_upgrade_leaves_the_old_version_or_the_new(tmp_path: Path) -> None:
    version_1(tmp_path / "template" / "queue.db")
    upgraded = tmp_path / "upgraded"
    shutil.copytree(tmp_path / "template", upgraded)
    whole = rows_in(upgraded / "queue.db", FakeClock())
    versions, known = [], set()
    for number in itertools.count(1):
        file = tmp_path / str(number) / "queue.db"
        shutil.copytree(tmp_path / "template", file.parent)
        ended = in_child(partial(_upgrade, file, number))
        assert ended in {0, DIED}
        if (content := content_of(file)) not in known:
            known.add(content)
            versions.append(version_of(file))
            assert rows_in(file, FakeClock()) == whole
            with opened(file, clock := FakeClock()) as queue:
                drain(queue, clock)
        shutil.rmtree(file.parent)
        if ended == 0:
            break
    assert versions[0] == 1
    assert versions == sorted(versions)
    assert versions[-1] == schema.VERSION


def _upgrade(file: Path, number: int) -> None:
    die_at_statement(number)
    with opened(file, FakeClock()):
        os._exit(0)


def version_of(file: Path) -> int:
    connection = sqlite3.connect(file)
    try:
        ((version,),) = connection.execute("PRAGMA user_version")
        return int(version)
    finally:
        connection.close()
