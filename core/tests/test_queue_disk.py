"""The disk is full, read-only, failing or damaged: nothing is lost, the words are clear, and the queue goes on."""

import os
import random
import re
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from crash_helpers import NOT_HERE, Rows, drain, in_child, opened, rows_of
from disk_helpers import KILOBYTE, MEGABYTE, Disk, SizeLimit, SmallDisk, Write, at_each_write, drop_privileges

from ytworker.errors import QueueError
from ytworker.model import Claim, ErrorClass, ErrorInfo, Item, NewTask, Outcome, TaskStatus
from ytworker.queue import ClaimRequest, Completion, Failure, FIFOStrategy, ItemFilter, Return, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

IN_WORDS = re.compile("the disk is full|it may be full|free space|Free some space")
FAILURE = ErrorInfo(error_class=ErrorClass.TRANSIENT, type="t", message="m" * 5000)
TEXT = "x" * 9_000
LEFT = [0, 4 * KILOBYTE, 12 * KILOBYTE, 28 * KILOBYTE, 60 * KILOBYTE, 200 * KILOBYTE]
"""Room on the disk: less and less of the operation gets through before it is full."""

Phase = Callable[[SQLiteQueue, list[Claim]], object]


def run_in_child(run: Callable[[], object]) -> None:
    """Run a test in a process of its own, since what it does to that cannot be undone."""
    ended = in_child(partial(_or_not_here, run))
    if ended == NOT_HERE:
        pytest.skip("this system does not permit it")
    assert ended == 0


def _or_not_here(run: Callable[[], object]) -> None:
    try:
        run()
    except NotHereError as error:
        os.write(2, f"{error}\n".encode())
        os._exit(NOT_HERE)


class NotHereError(Exception):
    """What the test needs is not permitted or not there."""


def make(kind: type[SmallDisk] | type[SizeLimit], folder: Path, size: int) -> Disk:
    try:
        return kind(folder, size)
    except OSError as error:
        raise NotHereError(str(error)) from error


def begin(queue: SQLiteQueue) -> list[Claim]:
    """Fill a queue with something to end, to wait for and to purge; give four claims."""
    worker = queue.add_worker(lease_seconds=60)
    queue.enqueue([NewTask(type="old", params={"text": TEXT}) for _ in range(8)])
    for claim in queue.claim(worker, FIFOStrategy, ["old"], limit=8):
        queue.finish(claim, [], Outcome.EMPTY)
    queue.enqueue([NewTask(type="a", params={"n": n}, key=f"k{n}") for n in range(40)])
    return queue.claim(worker, FIFOStrategy, ["a"], limit=4)


def items(number: int) -> list[Item]:
    return [Item(source="s", id=str(n), description=TEXT) for n in range(number)]


def settle(queue: SQLiteQueue, claims: list[Claim]) -> None:
    first, second, third, _ = claims
    request = ClaimRequest(worker_id=first.worker_id, strategy=FIFOStrategy, types=["a"], limit=2)
    endings = [
        Completion(claim=first, outcome=Outcome.OK, items=items(9), follow_ups=[NewTask(type="b", params={})]),
        Failure(claim=second, error=FAILURE, retry_at=None),
        Return(claim=third),
    ]
    settled = queue.settle(endings, request)
    assert (len(settled.claims), settled.stale) == (2, [])


PHASES: dict[str, Phase] = {
    "enqueue": lambda queue, _: queue.enqueue([NewTask(type="a", params={"text": TEXT}) for _ in range(9)]),
    "claim": lambda queue, claims: queue.claim(claims[0].worker_id, FIFOStrategy, ["a"], limit=30),
    "settle": settle,
    "checkpoint": lambda queue, claims: queue.checkpoint(claims[0], items(9), {"text": TEXT}),
    "cancel": lambda queue, _: queue.cancel(TaskFilter(types=["a"])),
    "purge": lambda queue, _: queue.purge(FakeClock()() + 1, list(TaskStatus)),
    "rescue": lambda queue, _: queue.rescue(),
}


@pytest.mark.parametrize("kind", [SmallDisk, SizeLimit])
@pytest.mark.parametrize("phase", PHASES)
def test_d1_a_full_disk_stops_the_operation_and_not_the_queue(
    tmp_path: Path, kind: type[SmallDisk] | type[SizeLimit], phase: str
) -> None:
    run_in_child(partial(_fill_up, kind, tmp_path, PHASES[phase]))


def _fill_up(kind: type[SmallDisk] | type[SizeLimit], folder: Path, phase: Phase) -> None:
    disk, clock = make(kind, folder, 4 * MEGABYTE), FakeClock()
    with opened(folder / "queue.db", clock) as queue:
        claims = begin(queue)
        clock.advance(61 if phase is PHASES["rescue"] else 0)
        before, failures = tasks_of(queue), 0
        for left in LEFT:
            disk.fill(left)
            done = succeeds(lambda: phase(queue, claims))
            assert done or tasks_of(queue) == before
            disk.free()
            if done:
                break
            failures += 1
        assert failures, "the disk was not full"
        if not done:
            phase(queue, claims)
        assert queue.check() == []
        drain(queue, clock)
    with opened(folder / "queue.db", clock) as queue:
        assert queue.check() == []


def tasks_of(queue: SQLiteQueue) -> Rows:
    """Give all rows but the workers': one that is lost is marked before its tasks are taken away."""
    return {table: rows for table, rows in rows_of(queue).items() if table != "worker"}


def succeeds(act: Callable[[], object]) -> bool:
    """Whether there was room for it; if not, that has to be said in words."""
    problem = problem_of(act)
    assert problem is None or IN_WORDS.search(problem), problem
    return problem is None


def problem_of(act: Callable[[], object]) -> str | None:
    """Do something and give the words of the typed error, if there is one."""
    try:
        act()
    except QueueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", [SmallDisk, SizeLimit])
def test_d1_what_was_acknowledged_before_the_disk_was_full_is_there(
    tmp_path: Path, kind: type[SmallDisk] | type[SizeLimit]
) -> None:
    run_in_child(partial(_enqueue_until_full, kind, tmp_path))


def _enqueue_until_full(kind: type[SmallDisk] | type[SizeLimit], folder: Path) -> None:
    """The log is taken over into the file all the time, so it is full at every possible moment of that, too."""
    disk, clock, draw = make(kind, folder, 2 * MEGABYTE), FakeClock(), random.Random(1)
    acknowledged: list[int] = []
    with opened(folder / "queue.db", clock) as queue:
        queue._database.execute("PRAGMA wal_autocheckpoint = 10")
        for _ in range(6):
            disk.fill(draw.randrange(40 * KILOBYTE, 150 * KILOBYTE))
            tasks = [NewTask(type="a", params={"text": "x" * draw.randrange(9_000)}) for _ in range(3)]
            while succeeds(lambda tasks=tasks: acknowledged.extend(new.id for new in queue.enqueue(tasks))):
                pass
            assert sorted(task.id for task in queue.tasks(TaskFilter())) == acknowledged
            disk.free()
        assert acknowledged
        assert queue.check() == []
    with opened(folder / "queue.db", clock) as queue:
        assert sorted(task.id for task in queue.tasks(TaskFilter())) == acknowledged
        drain(queue, clock)


@pytest.mark.parametrize("kind", [SmallDisk, SizeLimit])
def test_d1_a_process_that_dies_on_a_full_disk_leaves_a_queue_that_opens(
    tmp_path: Path, kind: type[SmallDisk] | type[SizeLimit]
) -> None:
    run_in_child(partial(_die_on_a_full_disk, kind, tmp_path))


def _die_on_a_full_disk(kind: type[SmallDisk] | type[SizeLimit], folder: Path) -> None:
    disk, clock, file = make(kind, folder, 4 * MEGABYTE), FakeClock(), folder / "queue.db"

    def die() -> None:
        with opened(file, clock) as queue:
            begin(queue)
            disk.fill(0)
            assert not succeeds(lambda: queue.enqueue([NewTask(type="a", params={"text": TEXT})] * 9))
            os._exit(0)

    assert in_child(die) == 0
    disk.fill(0)
    with_words = succeeds(lambda: SQLiteQueue(sqlite_url(file), clock=clock).close())
    disk.free()
    with opened(file, clock) as queue:
        assert len(queue.tasks(TaskFilter())) == 48, f"opening it on the full disk went well: {with_words}"
        assert queue.check() == []
        drain(queue, clock)


CARE: dict[str, Callable[[SQLiteQueue, Path], object]] = {
    "backup": lambda queue, folder: queue.backup(folder / "backup.db"),
    "backup_over_another": lambda queue, folder: queue.backup(folder / "old.db", force=True),
    "restore": lambda queue, folder: queue.restore(folder / "old.db"),
    "vacuum": lambda queue, _: queue.vacuum(),
}


@pytest.mark.parametrize("kind", [SmallDisk, SizeLimit])
@pytest.mark.parametrize("name", CARE)
def test_d1_a_full_disk_stops_the_care_and_not_the_queue(
    tmp_path: Path, kind: type[SmallDisk] | type[SizeLimit], name: str
) -> None:
    run_in_child(partial(_care_on_a_full_disk, kind, tmp_path, name))


def _care_on_a_full_disk(kind: type[SmallDisk] | type[SizeLimit], folder: Path, name: str) -> None:
    disk, clock, file = make(kind, folder, 8 * MEGABYTE), FakeClock(), folder / "queue.db"
    with opened(file, clock) as queue:
        begin(queue)
        queue.backup(folder / "old.db")
        old = rows_of(queue)
        queue.enqueue([NewTask(type="new", params={"text": TEXT}) for _ in range(40)])
        before, failures = rows_of(queue), 0
        for left in (*LEFT, MEGABYTE, 2 * MEGABYTE):
            disk.limit(40 * KILOBYTE + left) if isinstance(disk, SizeLimit) else disk.fill(left)
            done = succeeds(lambda: CARE[name](queue, folder))
            if not done:
                failures += 1
                assert rows_of(queue) == before
                assert {path.name for path in folder.glob("*.part*")} == set(), "something was left behind"
            disk.free()
            if done:
                break
        assert failures, "the disk was not full"
        if not done:
            CARE[name](queue, folder)
        assert queue.check() == []
        drain(queue, clock)
    for path in folder.glob("[bo]*.db"):
        with opened(path, clock) as copy:
            assert rows_of(copy) in (old, before)
            assert copy.check() == []


# -- it cannot be written


def test_d1_a_file_system_that_became_read_only_says_so(tmp_path: Path) -> None:
    run_in_child(partial(_read_only_file_system, tmp_path))


def _read_only_file_system(folder: Path) -> None:
    disk, clock, file = make(SmallDisk, folder, MEGABYTE), FakeClock(), folder / "queue.db"
    with opened(file, clock) as queue:
        begin(queue)
    disk.forbid_writing()
    for path in (file, folder / "new.db", folder / "deep" / "new.db"):
        refuses(lambda path=path: SQLiteQueue(sqlite_url(path)), "file system is read-only")
    assert sorted(path.name for path in folder.iterdir()) == ["queue.db"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.chmod(0o400), "permission denied"),
        (lambda file: file.parent.chmod(0o500), "the queue cannot be written"),
        (lambda file: (file.unlink(), file.parent.chmod(0o500)), "permission denied"),
    ],
    ids=["file", "folder", "new_file"],
)
def test_d1_what_may_not_be_written_says_so(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    run_in_child(partial(_forbidden, tmp_path / "place" / "queue.db", spoil, words))


def _forbidden(file: Path, spoil: Callable[[Path], object], words: str) -> None:
    clock = FakeClock()
    with opened(file, clock) as queue:
        begin(queue)
    before = file.read_bytes()
    spoil(file)
    drop_privileges()
    if os.access(file.parent, os.W_OK) and os.access(file, os.W_OK):
        raise NotHereError
    refuses(lambda: SQLiteQueue(sqlite_url(file)), words)
    file.parent.chmod(0o700)
    if file.exists():
        file.chmod(0o600)
        assert file.read_bytes() == before
    with opened(file, clock) as queue:
        assert queue.check() == []


def refuses(act: Callable[[], object], words: str) -> None:
    problem = problem_of(act)
    assert problem is not None
    assert re.search(words, problem), problem


# -- it fails


@pytest.mark.parametrize("phase", PHASES)
def test_a_disk_that_fails_at_any_write_undoes_the_operation_and_nothing_else(tmp_path: Path, phase: str) -> None:
    run_in_child(partial(_fail_at_every_write, tmp_path / "queue.db", PHASES[phase]))


def _fail_at_every_write(file: Path, phase: Phase) -> None:
    clock, writes = FakeClock(), Writes()
    try:
        at_each_write(writes.go_on)
    except OSError as error:
        raise NotHereError(str(error)) from error
    with opened(file, clock) as queue:
        claims = begin(queue)
        clock.advance(61 if phase is PHASES["rescue"] else 0)
        before, failures = tasks_of(queue), 0
        while not (done := writes.fails_at(failures + 1, lambda: phase(queue, claims))):
            failures += 1
            assert tasks_of(queue) == before
        assert done
        assert failures > 1
        assert queue.check() == []
        drain(queue, clock)
    with opened(file, clock) as queue:
        assert queue.check() == []


class Writes:
    """Counts the writes of SQLite and lets one of them fail."""

    def __init__(self) -> None:
        self.count = 0
        self._fails_at: int | None = None

    def go_on(self, _: Write) -> bool:
        self.count += 1
        return self.count != self._fails_at

    def fails_at(self, number: int, act: Callable[[], object]) -> bool:
        """Let write ``number`` fail; tells whether it got that far, and so failed, in words."""
        self.count, self._fails_at = 0, number
        try:
            return succeeds(act)
        finally:
            self._fails_at = None


# -- it is damaged


def test_q6_a_file_damaged_anywhere_gives_typed_errors_and_never_another(tmp_path: Path) -> None:
    file, clock = tmp_path / "queue.db", FakeClock()
    with opened(file, clock) as queue:
        claims = begin(queue)
        queue.checkpoint(claims[0], items(2), {"page": 1})
        queue.fail(claims[1], FAILURE, retry_at=None)
    for seed in range(4):
        assert in_child(partial(_use_damaged_files, file, tmp_path / str(seed), seed)) == 0


def test_q6_damage_in_what_sqlite_quotes_in_its_error_is_told_in_words(tmp_path: Path) -> None:
    file, clock = tmp_path / "queue.db", FakeClock()
    with opened(file, clock):
        pass
    file.write_bytes(file.read_bytes().replace(b"CREATE INDEX due", b"CREATE IND\xb4X due"))
    refuses(lambda: SQLiteQueue(sqlite_url(file)), "the file is damaged")


def test_q6_what_a_later_version_left_in_the_log_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "queue.db"

    def upgrade() -> None:
        with opened(file, FakeClock()) as queue:
            begin(queue)
            queue._database.execute("PRAGMA user_version = 99")
            os._exit(0)

    assert in_child(upgrade) == 0
    for _ in range(2):
        refuses(lambda: SQLiteQueue(sqlite_url(file)), r"schema version 99.*Upgrade ytworker here")
    connection = sqlite3.connect(file)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tasks,) = connection.execute("SELECT count(*) FROM body").fetchone()
    connection.close()
    assert (version, tasks) == (99, 48)


def test_q6_an_item_that_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    with opened(tmp_path / "queue.db", FakeClock()) as queue:
        first, second, *_ = begin(queue)
        queue.finish(first, items(2), Outcome.OK)
        queue._database.execute("UPDATE item SET record = '{' WHERE id = '0'")
        assert problem_of(lambda: list(queue.items(ItemFilter(task_id=first.task.id)))) != ""
        queue.finish(second, items(2), Outcome.OK)  # what was just seen takes the place of what cannot be read
        assert len(list(queue.items(ItemFilter(task_id=first.task.id)))) == 2


def _use_damaged_files(file: Path, folder: Path, seed: int) -> None:
    folder.mkdir()
    draw = random.Random(seed)
    for number in range(10):
        damaged = folder / f"{number}.db"
        content = damage(file.read_bytes(), draw)
        damaged.touch(0o600)
        damaged.write_bytes(content)
        use(damaged)


def damage(content: bytes, draw: random.Random) -> bytes:
    """Spoil some bytes, a page, or the end; the header stays, since without it this is no database at all."""
    spoiled = bytearray(content)
    kind = draw.choice(["bytes", "bytes", "page", "end", "text"])
    if kind == "bytes":
        for _ in range(draw.choice([1, 5, 50])):
            spoiled[draw.randrange(100, len(spoiled))] = draw.randrange(256)
    elif kind == "page":
        start = draw.randrange(1, len(spoiled) // 2048) * 2048
        spoiled[start : start + 2048] = draw.choice([bytes(2048), draw.randbytes(2048)])
    elif kind == "end":
        del spoiled[draw.randrange(4096, len(spoiled)) :]
    else:  # what the statements find is well-formed, and yet no JSON, no UTF-8, no known word
        for old, new in ((b'{"', b'["'), (b"xxx", b"\xff\xfe\xfd"), (b"transient", b"transiens"), (b"old", b"o\0d")):
            spoiled = bytearray(bytes(spoiled).replace(old, new, draw.randrange(20)))
    return bytes(spoiled)


def use(file: Path) -> None:
    """Ask everything of a queue; each answer is one, or a typed error."""
    clock = FakeClock()
    opening = partial(SQLiteQueue, sqlite_url(file), durability="normal", clock=clock)
    if problem_of(lambda: opening().close()) is not None:
        return
    queue = opening()
    clock.advance(61)
    questions: list[Callable[[], object]] = [
        lambda: queue.enqueue([NewTask(type="a", params={}, key="new")]),
        lambda: queue.tasks(TaskFilter()),
        lambda: [(queue.get(n), queue.attempts(n), queue.events(n)) for n in range(1, 50, 7)],
        lambda: list(queue.items(ItemFilter())),
        lambda: list(queue.items(ItemFilter(task_id=9))),
        queue.counts,
        queue.waiting,
        queue.oldest_ready_at,
        queue.workers,
        queue.sources,
        queue.rescue,
        lambda: work(queue),
        lambda: queue.cancel(TaskFilter(types=["old"])),
        lambda: queue.requeue(TaskFilter()),
        lambda: queue.purge(clock() + 1, list(TaskStatus)),
        queue.check,
        lambda: queue.backup(file.with_suffix(".backup"), force=True),
        queue.vacuum,
    ]
    for question in questions:
        problem_of(question)
    queue.close()


def work(queue: SQLiteQueue) -> None:
    worker = queue.add_worker(lease_seconds=60)
    for _ in range(60):
        for claim in queue.claim(worker, FIFOStrategy, ["a", "old"]):
            queue.finish(claim, items(1), Outcome.OK)
    queue.remove_worker(worker)
