"""Whether a process is short of something, so that what fails in it says nothing about whoever failed."""

import errno
import os
import resource
from dataclasses import dataclass, field

_WANTS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_PLENTY = 0.75
"""Which share of the open files that are allowed may be in use, before a process had better end."""


def is_for_want(error: BaseException) -> bool:
    """Tell whether something failed for want of memory or open files.

    The loader of shared libraries says so in words only, and others wrap what they met. So what the process can open
    now counts, too.
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _WANTS):
        return True
    return next_descriptor() is None


def next_descriptor() -> int | None:
    """Give the number that the next file would have, the smallest that is free; None when no file can be opened."""
    try:
        number = os.dup(2)
    except OSError as error:
        return None if error.errno in _WANTS else 0
    os.close(number)
    return number


def _files() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_NOFILE)


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """How many files this process may have open, as it was in the beginning."""

    limits: tuple[int, int] = field(default_factory=_files)

    def are_scarce(self) -> bool:
        """Tell whether hardly any can be opened any more, or the limit was changed; costs some microseconds."""
        number, soft = next_descriptor(), self.limits[0]
        return number is None or _files() != self.limits or (soft > 0 and number > _PLENTY * soft)
