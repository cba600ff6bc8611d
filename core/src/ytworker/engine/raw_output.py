"""What children write past Python: native code, programs that they start, the last words of a process that crashes.

All of them share one pipe, which the worker's loop reads. It logs the lines, so that nothing gets into its own stderr
that is no record, and no secret that it knows or that looks like one.
"""

import logging
import os
from contextlib import suppress

from ytworker.logs import Printed

log = logging.getLogger("ytworker.plugin.output")

_CHUNK = 2_048
"""Bytes of one turn. Who writes without an end waits until the worker has read it; the worker must not wait for him."""
_LAST_CHUNKS = 64


class RawOutput:
    """The worker's end of the pipe.

    Args:
        number: A descriptor of it that does not block.
    """

    def __init__(self, number: int) -> None:
        self._number = os.dup(number)
        self._lines = Printed(_tell, "output", self._number)

    def fileno(self) -> int:
        """Give the descriptor, for a selector."""
        return self._number

    def read(self) -> bool:
        """Log what has come, or a part of it; True if there was anything."""
        with suppress(BlockingIOError):
            data = os.read(self._number, _CHUNK)
            self._lines.write(data)
            return bool(data)
        return False

    def close(self) -> None:
        """Log what is left, within bounds: a process that got away may still write. Twice does no harm."""
        if self._number < 0:
            return
        for _ in range(_LAST_CHUNKS):
            if not self.read():
                break
        self._lines.end()
        os.close(self._number)
        self._number = -1


def _tell(text: str) -> None:
    log.warning("%s", text, extra={"task_type": ""})
