"""How many processes a child has started, directly or through others; only Linux tells.

``RLIMIT_NPROC`` is no way to bound that: it counts all processes of a user, and binds no root.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ytworker.model import ErrorClass, ErrorInfo


def are_too_many(found: Sequence[int], most: int) -> bool:
    """Tell whether more than ``most`` of these processes run; 0 is without limit."""
    # Those that ended and wait for their burial use nothing; to look at each is only worth it where it may matter.
    return 0 < most < len(found) and sum(map(_runs, found)) > most


def too_many(most: int) -> ErrorInfo:
    """Say why a child that has started too many has to die."""
    return ErrorInfo(
        error_class=ErrorClass.RESOURCE,
        type="ytworker.TooManyProcesses",
        message=f"the plugin had started more than {most} processes, so they were killed together with its own. It "
        "should start fewer at a time and wait for them; max_processes allows more",
        fingerprint="processes",
    )


def _runs(pid: int) -> bool:
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] != "Z"
    return False
