"""Disks that are full, cannot be written or fail. All of this changes the process for good: call it in a child only."""

import _sqlite3
import ctypes
import errno
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

KILOBYTE = 1024
MEGABYTE = 1024 * KILOBYTE

CLONE_NEWNS, CLONE_NEWUSER = 0x0002_0000, 0x1000_0000
MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 32, 1 << 14, 1 << 18
CAPABILITY_VERSION_3 = 0x2008_0522


class Disk(Protocol):
    """A place that can be filled up and emptied again."""

    folder: Path

    def fill(self, left: int) -> None:
        """Leave room for so many bytes."""

    def free(self) -> None:
        """Make room again."""


class SmallDisk:
    """A file system of its own, mounted where only this process sees it.

    Raises:
        OSError: That is not permitted here.
    """

    def __init__(self, folder: Path, size: int) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError(errno.ENOTSUP, "only Linux lets a process mount for itself")
        self.folder = folder
        self._ballast = folder / "ballast"
        _unshare()
        _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)  # nobody else is to see the next one
        _call("mount", b"tmpfs", bytes(folder), b"tmpfs", 0, f"size={size}".encode())

    def fill(self, left: int) -> None:
        room = os.statvfs(self.folder)
        size = room.f_bavail * room.f_frsize - left
        self._ballast.write_bytes(bytes(max(size, 0)))

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def forbid_writing(self) -> None:
        _call("mount", None, bytes(self.folder), None, MS_REMOUNT | MS_RDONLY, None)


class SizeLimit:
    """Every file may grow to a limit: a poor man's full disk, which every system has."""

    def __init__(self, folder: Path, _size: int) -> None:
        self.folder = folder
        _, self._most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self, left: int) -> None:
        largest = max((file.stat().st_size for file in self.folder.rglob("*") if file.is_file()), default=0)
        self.limit(largest + left)

    def limit(self, size: int) -> None:
        """Let no file grow beyond so many bytes; one that is larger stays as it is."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, self._most))

    def free(self) -> None:
        self.limit(self._most)


def _unshare() -> None:
    """Get mounts of our own, as root or as an ordinary user who becomes root in a name space of users."""
    user, group = os.getuid(), os.getgid()
    try:
        _call("unshare", CLONE_NEWNS)
    except OSError:
        _call("unshare", CLONE_NEWNS | CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            Path("/proc/self", name).write_text(text)


def drop_privileges() -> None:
    """Make permissions count for root, too: root may write everywhere only by its capabilities."""
    if os.geteuid() == 0 and sys.platform.startswith("linux"):
        _call("capset", (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())


def _call(name: str, *arguments: Any) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


# -- faults of single writes


class _Vfs(ctypes.Structure):
    """SQLite's way to the operating system, see https://sqlite.org/c3ref/vfs.html."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("version", "file_size", "longest_path")),
        *((name, ctypes.c_void_p) for name in ("next", "name", "data")),
        *((f"method_{number}", ctypes.c_void_p) for number in range(13)),
        ("set_system_call", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)),
        ("get_system_call", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)),
    )


_WRITE = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, use_errno=True
)
_kept: list[Any] = []
"""What SQLite calls must not be collected."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write that is about to happen; ``half`` does the first half of it."""

    data: bytes
    half: Callable[[], object]


def at_each_write(ask: Callable[[Write], bool]) -> None:
    """Ask before every write of SQLite; where the answer is False the write fails with EIO.

    Raises:
        OSError: This Python has its SQLite within itself, where nobody gets at it.
    """
    vfs = _vfs()
    for name in (b"pwrite", b"pwrite64"):
        address = vfs.contents.get_system_call(vfs, name)
        if address:
            write = _asking(_WRITE(address), ask)
            _kept.append(write)
            vfs.contents.set_system_call(vfs, name, ctypes.cast(write, ctypes.c_void_p))


def _vfs() -> Any:
    """Find the operating system of the very SQLite that Python uses."""
    library = "libsqlite3.so.0"
    module = getattr(_sqlite3, "__file__", None)  # none where it is built in
    if module is None or library.encode() not in Path(module).read_bytes():
        raise OSError(errno.ENOTSUP, "Python's SQLite is no shared library: its writes cannot be intercepted")
    find = ctypes.CDLL(library).sqlite3_vfs_find
    find.restype = ctypes.POINTER(_Vfs)
    return find(None)


def _asking(write: Any, ask: Callable[[Write], bool]) -> Any:
    def asking(file: int, data: int, size: int, offset: int) -> int:
        if ask(Write(ctypes.string_at(data, size), lambda: write(file, data, size // 2, offset))):
            return int(write(file, data, size, offset))
        ctypes.set_errno(errno.EIO)
        return -1

    return _WRITE(asking)
