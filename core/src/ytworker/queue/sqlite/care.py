"""Backup, restore and vacuum: the old file is whole whatever is interrupted.

A backup is written beside its target, synced and renamed. A restore is one write transaction in the live file: other
processes keep their connections and see either the old content or the new.
"""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ytworker.errors import SchemaError, StoreError
from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.schema import VERSION, check_owner

_CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"
_FORGET_WORKERS = "UPDATE worker SET lease_until = 0"


def backup(database: Database, target: Path, *, force: bool) -> None:
    """Write a consistent copy of the whole queue to ``target``, with mode 0600."""
    if not force and target.exists():
        msg = f"{target} exists; name another file, or overwrite it with --force"
        raise StoreError(msg)
    if target.exists() and target.samefile(database.path):
        msg = f"{target} is the queue itself; name another file"
        raise StoreError(msg)
    draft = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with _in_words(target):
            _write(database, draft)
            _clear_the_way(target)
            draft.replace(target)
            _sync(target.parent)
    finally:
        draft.unlink(missing_ok=True)


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
    logs = [target.with_name(target.name + suffix) for suffix in ("-wal", "-shm", "-journal")]
    if target.exists() and any(log.exists() for log in logs):
        with closing(sqlite3.connect(target, isolation_level=None)) as earlier:
            earlier.execute("PRAGMA journal_mode = DELETE").fetchall()
    for log in logs:
        log.unlink(missing_ok=True)


def restore(database: Database, source: Path) -> None:
    """Replace everything by the content of a backup.

    Whoever held a lease when the backup was made is long gone: all leases lapse, and the next look rescues their tasks.
    """
    if not source.is_file():
        msg = f"there is no backup {source}"
        raise StoreError(msg)
    if source.samefile(database.path):
        msg = f"{source} is the queue itself; name a backup"
        raise StoreError(msg)
    # Through a private copy: the backup is not changed, not even by a log beside it, and can be brought up to date.
    draft = database.path.with_name(f"{database.path.name}.{secrets.token_hex(4)}.part")
    try:
        with _in_words(source):
            _copy_privately(source, draft)
            _prepare(draft, source, page_size=database.execute("PRAGMA page_size")[0][0])
            with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
                database.copy_from(copy)
        database.change(_CHECKPOINT)
    finally:
        for file in draft.parent.glob(draft.name + "*"):
            file.unlink()


def _copy_privately(source: Path, draft: Path) -> None:
    """Copy a file that may be a plain copy of a queue, so with a log beside it, for our eyes only from the start."""
    for suffix in ("", "-wal"):
        origin, target = source.with_name(source.name + suffix), draft.with_name(draft.name + suffix)
        if origin.exists():
            target.touch(mode=0o600, exist_ok=False)
            shutil.copyfile(origin, target)


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
