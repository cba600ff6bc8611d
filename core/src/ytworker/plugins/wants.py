"""Whether a process is short of something, so that what fails in it says nothing about whoever failed."""

import errno
import os

_WANTS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


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
