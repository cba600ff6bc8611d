"""What a worker and an enqueuer of the torture have in common."""

import random
from dataclasses import dataclass
from pathlib import Path

from torture.history import History, now

from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url

TYPES = ("a", "b", "c")

OVER, FAILED, LEFT = 0, 1, 2
"""How a process ends: there is nothing left to do, an error surfaced, or it left in good order before the end."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a round happens: a folder with the queue, the histories and a sign that everything has been enqueued."""

    folder: Path

    @property
    def queue(self) -> Path:
        return self.folder / "queue.db"

    @property
    def histories(self) -> Path:
        return self.folder / "histories"

    @property
    def all_enqueued(self) -> Path:
        return self.folder / "all-enqueued"


class Process:
    """A queue, a history and a source of chance of its own.

    Args:
        place: Where.
        who: Names its history.
        seed: Of its choices.
    """

    def __init__(self, place: Place, who: str, seed: str) -> None:
        self.place = place
        self.who = who
        self.draw = random.Random(f"{seed}:{who}")
        self.history = History(place.histories, who)
        durability = self.draw.choice(["full", "normal"])
        self.queue = SQLiteQueue(
            sqlite_url(place.queue), durability=durability, clock=now, random=random.Random(self.draw.random())
        )

    def live(self) -> int:
        """Do what this process is for, and tell how it ended."""
        raise NotImplementedError
