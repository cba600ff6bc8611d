"""What there is to know of the store: for people who look for what is wrong, and for metrics."""

import shutil
import sqlite3

from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.files import file_system_of, mounts
from ytworker.queue.sqlite.schema import VERSION


def facts_of(database: Database) -> dict[str, str | int]:
    """Give the versions, the file with its sizes in bytes, and where it lies."""
    path = database.path
    log = path.with_name(path.name + "-wal")
    ((mode,),) = database.execute("PRAGMA journal_mode")
    return {
        "sqlite": sqlite3.sqlite_version,
        "schema": VERSION,
        "journal_mode": str(mode),
        "file": str(path),
        "file_system": file_system_of(path.resolve(), mounts(), root=True) or "unknown",
        "bytes": path.stat().st_size,
        "log_bytes": log.stat().st_size if log.exists() else 0,
        "free_bytes": shutil.disk_usage(path.parent).free,
    }
