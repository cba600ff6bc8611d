"""Backup, restore and vacuum: the old file is whole whatever is interrupted.

A backup is written beside its target, synced and renamed. A restore is one write transaction in the live file: other
processes keep their connections and see either the old content or the new.
"""

import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from glob import escape
from pathlib import Path
from urllib.parse import quote

from ytworker.errors import SchemaError, StoreError
from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.schema import VERSION, check_owner

_CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"
_LOGS = ("-wal", "-shm", "-journal")
_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9")
"""How a write-ahead log and a rollback journal begin, see https://www.sqlite.org/fileformat2.html."""
_STALE_SECONDS = 3_600
_FORGET_WORKERS = "UPDATE worker SET lease_until = 0, lost = 1"


def backup(database: Database, target: Path, *, force: bool) -> None:
    """Write a consistent copy of the whole queue to ``target``, with mode 0600."""
    if not force and target.exists():
        msg = f"{target} exists; name another file, or overwrite it with --force"
        raise StoreError(msg)
    if target.resolve() in {_beside(database.path.resolve(), suffix) for suffix in ("", *_LOGS, "-line", "-bells")}:
        msg = f"{target} is the queue itself or belongs to it; name another file"
        raise StoreError(msg)
    draft = _beside(target, f".{secrets.token_hex(4)}.part")
    try:
        with _in_words(target):
            _sweep(target)
            _write(database, draft)
            _clear_the_way(target)
            draft.replace(target)
            _sync(target.parent)
    finally:
        with suppress(OSError):
            draft.unlink()


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _sweep(path: Path) -> None:
    """Remove drafts that a killed process left here."""
    for file in path.parent.glob(escape(path.name) + ".*.part*"):
        if time.time() - file.stat().st_mtime > _STALE_SECONDS:
            file.unlink(missing_ok=True)


def _write(database: Database, draft: Path) -> None:
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        database.copy_to(copy)
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()  # one file, without a log beside it
    _sync(draft)


def _clear_the_way(target: Path) -> None:
    """See that no log of an earlier file at this path is left: SQLite would take it for the new file's.

    The earlier file takes in its own log first, so that it is whole whatever happens; one that is in use refuses.
    """
    logs = [log for log in (_beside(target, suffix) for suffix in _LOGS) if log.exists()]
    if logs and target.exists():
        with closing(sqlite3.connect(target, isolation_level=None)) as earlier:
            earlier.execute("PRAGMA journal_mode = DELETE").fetchall()
    for log in filter(Path.exists, logs):
        if not log.name.endswith("-shm") and log.read_bytes()[:4] not in {b"", *_MAGIC}:
            msg = f"{log} lies beside the target and is no log of SQLite's; move it away, or name another target"
            raise StoreError(msg)
        log.unlink()


def restore(database: Database, source: Path) -> None:
    """Replace everything by the content of a backup.

    Whoever held a lease when the backup was made holds none afterwards, also if it still lives: the next look for
    lapsed leases rescues its tasks.
    """
    if not source.is_file():
        msg = f"there is no backup {source}"
        raise StoreError(msg)
    if source.samefile(database.path):
        msg = f"{source} is the queue itself; name a backup"
        raise StoreError(msg)
    # Through a private copy: the backup is not changed, not even by a log beside it, and can be brought up to date.
    draft = _beside(database.path, f".{secrets.token_hex(4)}.part")
    try:
        with _in_words(source):
            _sweep(database.path)
            _copy_privately(source, draft)
            _prepare(draft, source, page_size=database.execute("PRAGMA page_size")[0][0])
            with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
                database.copy_from(copy)
        database.change(_CHECKPOINT)
        database.bells.ring()
    finally:
        for file in draft.parent.glob(escape(draft.name) + "*"):
            file.unlink()


def _copy_privately(source: Path, draft: Path) -> None:
    """Copy a backup for our eyes only, through SQLite: it may be a queue that is in use, with a log beside it."""
    draft.touch(mode=0o600, exist_ok=False)
    read_only = f"file:{quote(os.fsencode(source.absolute()))}?mode=ro"
    with closing(sqlite3.connect(read_only, uri=True)) as original, closing(sqlite3.connect(draft)) as copy:
        original.backup(copy)


def _prepare(draft: Path, source: Path, *, page_size: int) -> None:
    """See that a backup is whole and ours, and bring it to this version's schema and the queue's page size."""
    with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        check_owner(copy)
        (version,) = copy.execute("PRAGMA user_version").fetchone()
        if not 0 < version <= VERSION:
            msg = f"{source} has schema version {version}, this ytworker knows 1 to {VERSION}; upgrade ytworker here"
            raise SchemaError(msg)
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        ((state,),) = copy.execute("PRAGMA quick_check(1)").fetchall()
        if state != "ok":
            msg = f"{source} is damaged ({state}); the queue was left as it is. Restore another backup"
            raise StoreError(msg)
        copy.execute(f"PRAGMA page_size = {page_size}")  # a file with a log cannot take on another one
        copy.execute("VACUUM")
    updated = Database(draft, "normal")
    try:
        updated.change(_FORGET_WORKERS)
        updated.execute(_CHECKPOINT)
    finally:
        updated.close()


def vacuum(database: Database) -> tuple[int, int]:
    """Rewrite the file without its gaps; needs room for a second copy while it lasts."""
    database.execute(_CHECKPOINT)
    before = database.path.stat().st_size
    free = shutil.disk_usage(database.path.parent).free
    if free < 2 * before:
        msg = (
            f"{database.path}: a vacuum needs {2 * before:,} bytes of free space for a while, there are {free:,}. "
            "Free some space first; the queue goes on without it"
        )
        raise StoreError(msg)
    database.change("VACUUM")
    database.change("PRAGMA optimize")
    database.execute(_CHECKPOINT)
    return before, database.path.stat().st_size


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        msg = f"{path}: {error}. The queue was left as it is; check the path, the permissions and the free space"
        raise StoreError(msg) from error
