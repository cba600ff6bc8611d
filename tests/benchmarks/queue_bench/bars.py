"""The bars: what every measure has to reach, as data. Rows name their bar; several rows may share one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A limit for the value of a row.

    Attributes:
        at_most: The largest value that reaches it, or None.
        at_least: The smallest value that reaches it, or None.
        aim: What would be better still, or None; it decides nothing.
        best: Whether the best of the rows has to reach it, as where a task may be done in two ways; otherwise all of
            them have to.
    """

    at_most: float | None = None
    at_least: float | None = None
    aim: float | None = None
    best: bool = False

    def reached(self, value: float) -> bool:
        """Tell whether a value is good enough."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    def __str__(self) -> str:
        limit = f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"
        return limit if self.aim is None else f"{limit}, aim {self.aim:g}"


BARS = {
    "claim P95, one order indexed": Bar(at_most=4),
    "claim P95, all orders indexed": Bar(at_most=8),
    "claim P95, full queue against short": Bar(at_most=1.3),
    "claim P50, 90 % dated later": Bar(at_most=1.15),
    "one task, normal": Bar(at_most=3.5, aim=2.5, best=True),
    "tasks per fsync, batch 1": Bar(at_least=1),
    "tasks per fsync, batch 10": Bar(at_least=5),
    "tasks per fsync, batch 100": Bar(at_least=20),
    "against huey, full": Bar(at_least=0.8, aim=1, best=True),
    "against persist-queue, full": Bar(at_least=1.2, best=True),
    "against huey without fsync, normal": Bar(at_least=1.4, best=True),
    "against litequeue, normal": Bar(at_least=7, best=True),
    "batches of 10 against huey, full": Bar(at_least=3),
    "8 processes: duplicates": Bar(at_most=0),
    "8 processes: errors": Bar(at_most=0),
    "8 processes, normal: worst wait": Bar(at_most=100),
    "8 processes, normal: slowest to fastest": Bar(at_most=1.25),
    "8 processes, full: worst wait": Bar(at_most=150),
    "8 processes, full: slowest to fastest": Bar(at_most=2.2),
    "claim P95, four processes": Bar(at_most=10),
    "bulk enqueue": Bar(at_least=0.3),
    "bulk enqueue, unique keys": Bar(at_least=0.09),
    "engine, normal": Bar(at_least=0.4, aim=0.6),
    "engine, full": Bar(at_least=1),
    "engine against huey": Bar(at_least=1),
    "engine against procrastinate": Bar(at_least=2),
    "added to yt-dlp": Bar(at_most=5),
    "waking": Bar(at_most=2),
    "idle": Bar(at_most=1),
    "start": Bar(at_most=4),
    "parent RSS": Bar(at_most=60),
    "growth": Bar(at_most=1),
    "with yt-dlp": Bar(at_most=200),
}
