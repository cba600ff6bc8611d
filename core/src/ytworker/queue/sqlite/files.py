"""The file of a queue: where it may lie, who may read it, and whether it is still there.

Nothing here opens the database file itself. POSIX locks belong to a process: closing any descriptor of a file drops all
locks that SQLite holds on it in this process, and another process may then delete the log that we still write to.
"""

import errno
import logging
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ytworker.errors import StoreError
from ytworker.logs import LogEvent, event

log = logging.getLogger(__name__)

NETWORK_FILE_SYSTEMS = frozenset(
    {
        "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.ceph", "fuse.davfs2", "fuse.gcsfuse",
        "fuse.glusterfs", "fuse.goofys", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre",
        "macfuse", "nfs", "nfs3", "nfs4", "smb2", "smb3", "smbfs", "vboxsf",
        "vmhgfs", "fuse.vmhgfs-fuse", "webdav",
    }
)  # fmt: skip
"""File systems on which several machines see one file but not one shared memory, as the write-ahead log needs it.

A root that is one of these (some sandboxes and network-booted machines) is let pass: there is no other disk.
"""

_OTHERS_WRITE = 0o022
_ESCAPE = re.compile(r"\\([0-7]{3})")


def make_place(path: Path) -> None:
    """Make folder and file for their owner only, where they are not there.

    Raises:
        OSError: It cannot be made, or not be written, or is no file.
        StoreError: It lies on a network file system.
    """
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_network(path)
    _warn_of_others(folder)
    with suppress(FileExistsError):  # as it mostly does; or another process makes it in this moment
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        msg = f"{path}: this is a device or a pipe, a file is wanted. Name one with --queue"
        raise StoreError(msg)
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def close_to_others(path: Path) -> None:
    """Take from others what they may do with a queue; SQLite gives its log files the mode of the database."""
    status = path.stat()
    if status.st_mode & 0o077 and status.st_uid == os.geteuid():
        log.warning("%s could be read by others; its mode is 0600 now", path, extra=event(LogEvent.QUEUE_EXPOSED))
        path.chmod(0o600)  # somebody copied it there; parameters are nobody else's business


def identity(path: Path) -> tuple[int, int] | None:
    """Give what tells this file from another one at the same path, or None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def refuse_network(path: Path) -> None:
    """Refuse a place where the write-ahead log is not safe.

    Raises:
        StoreError: The file would lie on a network file system.
    """
    try:
        place = path.resolve()
    except RuntimeError as error:  # OSError from Python 3.13 on
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error
    kind = file_system_of(place, mounts())
    if kind in NETWORK_FILE_SYSTEMS:
        msg = (
            f"{path}: this is a network file system ({kind}), where SQLite's write-ahead log is not safe: "
            "tasks could get lost. Name a local disk with --queue; several machines share a PostgreSQL queue"
        )
        raise StoreError(msg)


def file_system_of(path: Path, mounts: Iterable[tuple[str, str]], *, root: bool = False) -> str | None:
    """Name the type of the file system that a resolved path lies on.

    Args:
        path: An absolute path; it need not exist.
        mounts: Mount points with their types; of two equal ones the later covers the earlier.
        root: Whether to name that of the root, too. It is let pass whatever it is: there is no other disk to go to.
    """
    found, depth = None, 0
    for point, kind in mounts:
        parts = Path(point).parts
        if path.parts[: len(parts)] == parts and len(parts) >= depth:
            found, depth = kind, len(parts)
    return found if depth > 1 or root else None


def mounts() -> list[tuple[str, str]]:
    """Give the mount points of this machine with their types; empty where they cannot be known."""
    if sys.platform == "darwin":
        listed = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False)
        return _mounts_of_mac(listed.stdout)
    try:
        text = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return []
    return parse_mountinfo(text)


def parse_mountinfo(text: str) -> list[tuple[str, str]]:
    """Read mount points and types from the text of ``/proc/self/mountinfo``, see proc(5); the escapes are octal."""
    mounts = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        fields, kinds = left.split(" "), right.split(" ")
        if dash and len(fields) > 4:  # noqa: PLR2004 - the fifth field is the mount point
            mounts.append((_ESCAPE.sub(lambda found: chr(int(found[1], 8)), fields[4]), kinds[0]))
    return mounts


def _mounts_of_mac(text: str) -> list[tuple[str, str]]:
    mounts = []
    for line in text.splitlines():  # //host/share on /Volumes/share (smbfs, nodev, nosuid)
        _, _, rest = line.partition(" on ")
        point, bracket, kinds = rest.rpartition(" (")
        if bracket:
            mounts.append((point, kinds.partition(",")[0].rstrip(")")))
    return mounts


def _warn_of_others(folder: Path) -> None:
    status = folder.stat()  # follows a link: what counts is the folder that it leads to
    shared = status.st_mode & _OTHERS_WRITE and not status.st_mode & stat.S_ISVTX
    if shared or status.st_uid not in {os.geteuid(), 0}:
        log.warning(
            "others can write to the folder %s: they could replace the queue. Make it yours: chmod 700 %s",
            folder.resolve(),
            folder,
            extra=event(LogEvent.QUEUE_EXPOSED),
        )
