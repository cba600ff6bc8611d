"""An enqueuer of the torture: one task, many at once, keyed ones; and now and then it cancels what it enqueued."""

import time

from torture.history import now
from torture.process import OVER, TYPES, Place, Process

from ytworker.model import NewTask, OnConflict, UniqueWhile
from ytworker.queue import TaskFilter

BACKLOG = 300
"""Enough for every order to choose from; more would only wait."""
PAUSE_SECONDS = 0.005
KEYS = 12
KEYED_SHARE = 0.3
CANCELLING_SHARE = 0.05


class Enqueuer(Process):
    """One enqueuing process.

    Args:
        place: Where.
        who: Names its history.
        seed: Of its choices.
        numbers: Of the tasks that it enqueues.
    """

    def __init__(self, place: Place, who: str, seed: str, numbers: range) -> None:
        super().__init__(place, who, seed)
        self.numbers = numbers
        self.mine: list[int] = []

    def live(self) -> int:
        number = self.numbers.start
        while number < self.numbers.stop:
            if sum(self.queue.waiting().values()) > BACKLOG:
                time.sleep(PAUSE_SECONDS)
                continue
            size = min(self.draw.choice([1, 1, 1, 2, 20]), self.numbers.stop - number)
            self.enqueue(range(number, number + size))
            number += size
            if self.draw.random() < CANCELLING_SHARE:
                self.cancel()
        return OVER

    def enqueue(self, numbers: range) -> None:
        tags = [f"e{number}" for number in numbers]
        keyed = len(tags) == 1 and self.draw.random() < KEYED_SHARE
        tasks = [self.keyed(tags[0])] if keyed else [self.task(tag) for tag in tags]
        self.history.write({"event": "enqueuing", "tags": tags, "keyed": keyed})
        enqueued = self.queue.enqueue(tasks)
        self.history.write(
            *(
                {"event": "enqueued", "tag": tag, "task": one.id, "created": one.created, "key": task.key}
                for tag, task, one in zip(tags, tasks, enqueued, strict=True)
            )
        )
        self.mine += [one.id for one in enqueued]

    def task(self, tag: str) -> NewTask:
        return NewTask(
            type=self.draw.choice(TYPES),
            params={"tag": tag},
            priority=self.draw.randint(1, 10),
            run_at=now() + self.draw.randint(-10, 100) * 1000 if self.draw.random() < 0.3 else None,
            max_attempts=self.draw.randint(1, 4),
        )

    def keyed(self, tag: str) -> NewTask:
        unique = self.draw.choice(list(UniqueWhile))
        return NewTask(
            type="c",
            params={"tag": tag},
            priority=self.draw.randint(1, 10),
            key=f"{unique}-{self.draw.randrange(KEYS)}",
            unique=unique,
            on_conflict=self.draw.choice(list(OnConflict)),
        )

    def cancel(self) -> None:
        some = sorted({self.draw.choice(self.mine[-50:]) for _ in range(3)})
        self.history.write({"event": "cancelling", "tasks": some})
        count = self.queue.cancel(TaskFilter(ids=some))
        self.history.write({"event": "cancelled", "tasks": some, "count": count})
