"""Doorbells: how a process that commits wakes those that wait for work, without being asked twenty times a second.

A bell is a named pipe in a folder beside the queue, one for each waiting worker; to ring is to write a byte into it.
A pipe has no limit on the length of its path as a socket has, and one that nobody reads can be told from one that is
only full: the first is of a worker that died and is removed, the second has been rung enough. A copy of the folder is
harmless, since nobody reads the pipes in it. Bells save time and nothing else: where there can be none, and where one
is missed, whoever waits finds the change by ``PRAGMA data_version`` within its next look.
"""

import errno
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

_BELL, _DRAFT = ".bell", ".new"
_STALE_SECONDS = 60.0
_ENOUGH = 1 << 16
"""What a pipe holds by default, see pipe(7)."""


class Bells:
    """The bells of one queue.

    Args:
        folder: Where they hang; it is there while there are any.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ring(self) -> None:
        """Wake everybody; never waits and never fails."""
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - with every commit that makes work ready
        except OSError:  # nobody waits
            return
        for name in names:
            if name.endswith(_BELL):
                _ring(self._folder / name)

    def hang(self) -> "Bell | None":
        """Hang up a bell; None where this place allows no named pipes."""
        for _ in range(2):  # whoever takes down the last bell may remove the folder in between
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                self._sweep()
                return Bell(self._folder / f"{os.getpid()}-{secrets.token_hex(4)}")
            except FileNotFoundError:
                continue
            except (OSError, AttributeError):  # Windows has no mkfifo
                break
        return None

    def _sweep(self) -> None:
        """Remove what a process left that was killed between making a pipe and hanging it up."""
        for draft in self._folder.glob(f"*{_DRAFT}"):
            with suppress(OSError):
                if time.time() - draft.stat().st_mtime > _STALE_SECONDS:
                    draft.unlink()


class Bell:
    """One worker's bell; see :class:`ytworker.queue.Waker`.

    Args:
        stem: Its path without the ending.

    Raises:
        OSError: No named pipe can be made there.
    """

    def __init__(self, stem: Path) -> None:
        draft = stem.with_name(stem.name + _DRAFT)
        self._path = stem.with_name(stem.name + _BELL)
        os.mkfifo(draft, 0o600)
        try:
            self._end = os.open(draft, os.O_RDONLY | os.O_NONBLOCK)
            self._rope = os.open(draft, os.O_WRONLY | os.O_NONBLOCK)  # without a writer it would be at its end, always
            draft.rename(self._path)  # only now: one that nobody reads yet would be taken for a dead worker's
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Give the descriptor that becomes readable when somebody rings."""
        return self._end

    def clear(self) -> None:
        """Take in what was rung."""
        with suppress(BlockingIOError):
            os.read(self._end, _ENOUGH)

    def close(self) -> None:
        """Take it down, and the folder with the last one; safe to call twice."""
        if self._end < 0:
            return
        with suppress(OSError):
            self._path.unlink()
            self._path.parent.rmdir()
        os.close(self._rope)
        os.close(self._end)
        self._end = -1


def _ring(path: Path) -> None:
    try:
        rope = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nobody is there to read it
            with suppress(OSError):
                path.unlink()
        return
    with suppress(OSError):  # full, or its reader left in this moment
        os.write(rope, b"!")
    os.close(rope)
