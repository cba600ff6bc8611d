"""What a process of the torture saw with its own eyes: one file for each, which outlives it.

An event is written before a call (``try``) or after its answer, with one ``write`` to a file opened for appending. So a
process that is killed leaves every answer that it ever got, and where it was killed in between, the try without one.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def now() -> int:
    """Give microseconds on a clock that all processes of this machine share and that nobody sets."""
    return time.monotonic_ns() // 1000


class History:
    """The file of one process; ``who`` goes into every event."""

    def __init__(self, folder: Path, who: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._who = who
        self._file = os.open(folder / f"{who}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, *events: Event) -> None:
        """Append events in one go; they are the operating system's when this returns."""
        at = now()
        lines = [json.dumps({"t": at, "who": self._who, **event}, separators=(",", ":")) for event in events]
        os.write(self._file, "".join(f"{line}\n" for line in lines).encode())


def read(folder: Path, who: str = "*") -> list[Event]:
    """Read the histories of all processes or of one, in the order of time."""
    events = [event for file in folder.glob(f"{who}.jsonl") for event in _events(file.read_text().splitlines())]
    return sorted(events, key=lambda event: int(event["t"]))


def _events(lines: Iterable[str]) -> Iterator[Event]:
    for line in lines:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:  # killed within the write
            return
