"""Timing without the garbage collector, in rounds that take turns, with ratios inside one round.

A slow moment of the machine hits every subject of a round alike, so that ratios are steadier than times. The first
round warms files, caches and statements, and is dropped.
"""

import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

Nanoseconds = Sequence[int]
Subject = Callable[[], Nanoseconds]


@contextmanager
def quiet() -> Generator[None, None, None]:
    """Keep the garbage collector out of a timed section."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def timed(calls: Iterable[Callable[[], object]]) -> list[int]:
    """Give what each call took."""
    clock = time.perf_counter_ns
    took: list[int] = []
    with quiet():
        for call in calls:
            started = clock()
            call()
            took.append(clock() - started)
    return took


def quantile(values: Nanoseconds, share: float) -> float:
    """Give the smallest value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(slots=True)
class Series:
    """What the calls of one subject took, round by round; one call may do several tasks.

    Attributes:
        tasks: How many tasks one call does.
        rounds: The times of each round in nanoseconds.
    """

    tasks: float = 1
    rounds: list[Nanoseconds] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Give the median over the rounds of a quantile of the calls, in microseconds."""
        return statistics.median(quantile(values, share) for values in self.rounds) / 1000

    def worst(self) -> float:
        """Give the median over the rounds of the longest call, in microseconds."""
        return statistics.median(max(values) for values in self.rounds) / 1000

    def per_second(self) -> float:
        """Give the median over the rounds of the tasks done in one second."""
        return statistics.median(self.rates())

    def rates(self) -> list[float]:
        """Give the tasks done in one second, for each round."""
        return [self.tasks * len(values) * 1e9 / sum(values) for values in self.rounds]

    def unrest(self) -> float:
        """Compare the slowest round with the fastest: how much the machine itself moves, where the work is the same."""
        rates = self.rates()
        return max(rates) / min(rates)

    def quantile_ratio(self, other: "Series", share: float) -> float:
        """Compare a quantile with another subject's of the same round, and give the median."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return statistics.median(quantile(mine, share) / quantile(theirs, share) for mine, theirs in pairs)

    def rate_ratio(self, other: "Series") -> float:
        """Compare the rate with another subject's of the same round, and give the median."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.rates(), other.rates(), strict=True))


def take_turns(subjects: Mapping[str, Subject], rounds: int) -> dict[str, Series]:
    """Run all subjects in turn, ``rounds`` times after one round of warming.

    What others left to be written is written first, since a sync of one file waits for much of it.
    """
    series = {name: Series() for name in subjects}
    for number in range(rounds + 1):
        for name, subject in subjects.items():
            os.sync()
            took = subject()
            if number:
                series[name].rounds.append(took)
    return series
