"""Whole tasks: what a claim with its completion costs, in one-row transactions and in syncs of the disk.

Nothing is enqueued between the rounds: the checkpoints that fall into them copy what claims and completions wrote, and
nothing else.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from queue_bench import stores
from queue_bench.floor import FLOOR, LOG_PAGES, OneRow, floor_rows
from queue_bench.report import Row, row
from queue_bench.sizes import Sizes
from queue_bench.stores import ONE_ORDER, TYPES, Bench, Durability, completion
from queue_bench.timing import Nanoseconds, Series, take_turns, timed
from ytworker.queue import ClaimRequest, FIFOStrategy

THEN = "claim, then finish"
TOGETHER = "finish and claim in one transaction"
BATCHES = (1, 10, 100)
SLOW_SYNC = 575.0
"""Microseconds that a one-row transaction took on the disk that the bars of tasks per sync were found on."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One way to keep the queue."""

    name: str
    narrow: bool
    events: bool


DEFAULT = _Kind("all orders, events", narrow=False, events=True)
NARROW = _Kind("one order, events", narrow=True, events=True)
BARE = _Kind("one order, no events", narrow=True, events=False)
KINDS = (NARROW, BARE, DEFAULT)


def one_by_one(bench: Bench, count: int) -> Nanoseconds:
    """Time claim and finish, two transactions for each task."""

    def whole() -> None:
        (claim,) = bench.queue.claim(bench.worker, FIFOStrategy, TYPES)
        bench.queue.finish(claim, (), completion(claim).outcome)

    return timed(whole for _ in range(count))


def together(bench: Bench, count: int, batch: int = 1) -> Nanoseconds:
    """Time transactions that each finish ``batch`` tasks and claim as many; ``count`` is the number of transactions."""
    request = ClaimRequest(worker_id=bench.worker, strategy=FIFOStrategy, types=TYPES, limit=batch)
    claims = bench.queue.claim(bench.worker, FIFOStrategy, TYPES, limit=batch)

    def swap() -> None:
        nonlocal claims
        settled = bench.queue.settle([completion(claim) for claim in claims], request)
        if settled.stale or len(settled.claims) != batch:
            msg = f"{len(settled.stale)} stale endings and {len(settled.claims)} of {batch} claims"
            raise RuntimeError(msg)
        claims = settled.claims

    took = timed(swap for _ in range(count))
    bench.end(claims)
    return took


def build(folder: Path, sizes: Sizes) -> Path:
    """Make the queue that the measures start from, as a closed file."""
    return stores.build(folder / "middle.db", sizes.middle)


def measure(folder: Path, sizes: Sizes, source: Path, durability: Durability) -> list[Row]:
    """Time whole tasks in turn with one-row transactions."""
    with ExitStack() as stack:
        floor = OneRow(folder / f"middle-floor-{durability}.db", sizes.middle, durability)
        stack.callback(floor.close)
        subjects = floor.subjects(LOG_PAGES)  # as many as lie between two checkpoints
        for kind in KINDS:
            path = folder / f"{kind.name} {durability}.db"
            stores.copy(source, path, orders=ONE_ORDER if kind.narrow else None)
            bench = Bench.open(path, durability=durability, events=kind.events)
            stack.callback(bench.close)
            subjects[f"{THEN}: {kind.name}"] = partial(one_by_one, bench, sizes.tasks)
            for batch in BATCHES:
                subjects[_batch(kind, batch)] = partial(together, bench, sizes.tasks // batch, batch)
        series = take_turns(subjects, sizes.rounds)
    for kind in KINDS:
        for batch in BATCHES:
            series[_batch(kind, batch)].tasks = batch
    rows = _in_transactions(series, sizes) if durability == "normal" else _per_sync(series, sizes)
    return [*rows, *_price_of_events(series, durability)]


def _batch(kind: _Kind, batch: int) -> str:
    return f"{TOGETHER}, {batch}: {kind.name}"


def _in_transactions(series: dict[str, Series], sizes: Sizes) -> list[Row]:
    family, floor = "Whole tasks, durability normal", series[FLOOR]
    rows = floor_rows(family, series, sizes.middle)
    for kind in KINDS:
        bar = "one task, normal" if kind is NARROW else None
        for name in (f"{THEN}: {kind.name}", _batch(kind, 1)):
            value = floor.rate_ratio(series[name])
            rows.append(row(family, name, series[name], value=value, of_what="transactions for a task", bar=bar))
    for batch in BATCHES[1:]:
        name = _batch(NARROW, batch)
        value = floor.rate_ratio(series[name])
        rows.append(row(family, name, series[name], value=value, of_what="transactions for a task"))
    return rows


def _per_sync(series: dict[str, Series], sizes: Sizes) -> list[Row]:
    family, floor = "Whole tasks, durability full", series[FLOOR]
    rows, what = floor_rows(family, series, sizes.middle), "tasks for a transaction with its sync"
    for kind in KINDS:
        name = f"{THEN}: {kind.name}"
        rows.append(row(family, name, series[name], value=series[name].rate_ratio(floor), of_what=what))
        for batch in BATCHES:
            name, bar = _batch(kind, batch), f"tasks per fsync, batch {batch}" if kind is NARROW else None
            rows.append(row(family, name, series[name], value=series[name].rate_ratio(floor), of_what=what, bar=bar))
    return [*rows, *(_on_slow_disk(series, batch, family) for batch in BATCHES)]


def _on_slow_disk(series: dict[str, Series], batch: int, family: str) -> Row:
    """Work out what the ratio would be where a sync takes as long as on the disk that the bars were found on.

    All but the sync is as measured here, by the medians of the calls: the faster the disk, the more the rest counts.
    """
    more = series[_batch(NARROW, batch)].quantile(0.5) - series[FLOOR].quantile(0.5)
    return Row(
        family=family,
        subject=f"{TOGETHER}, {batch}: worked out for a sync of {SLOW_SYNC:g} µs",
        value=batch * SLOW_SYNC / (SLOW_SYNC + more),
        of_what="tasks for a transaction with its sync",
    )


def _price_of_events(series: dict[str, Series], durability: Durability) -> list[Row]:
    family = f"The price of events, durability {durability}"
    names = (
        (f"{THEN}: {NARROW.name}", f"{THEN}: {BARE.name}"),
        *((_batch(NARROW, n), _batch(BARE, n)) for n in BATCHES),
    )
    return [
        Row(
            family=family,
            subject=recorded.partition(":")[0],
            per_second=series[recorded].per_second(),
            value=series[recorded].rate_ratio(series[bare]),
            of_what="x tasks/s without events",
        )
        for recorded, bare in names
    ]
