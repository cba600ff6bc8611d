"""Claims: how long one takes with few and with many tasks in the queue, in each order, and with most dated later."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from queue_bench import stores
from queue_bench.floor import FLOOR, OneRow, floor_rows
from queue_bench.report import Row, row
from queue_bench.sizes import Sizes
from queue_bench.stores import ONE_ORDER, ORDERS, TYPES, Bench, Durability
from queue_bench.timing import Nanoseconds, Series, take_turns, timed
from ytworker.model import Claim
from ytworker.queue import ClaimingStrategy

P50, P95 = 0.5, 0.95


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of queue to claim from."""

    name: str
    short: bool = False
    narrow: bool = False
    later: float = 0.0

    @property
    def orders(self) -> Sequence[ClaimingStrategy]:
        return ORDERS[:2] if self.narrow else ORDERS

    @property
    def indexed(self) -> str:
        return "one order indexed" if self.narrow else "all orders indexed"


ONE_SHORT = _Kind("one order, short", short=True, narrow=True)
ONE_LONG = _Kind("one order, long", narrow=True)
ALL_SHORT = _Kind("all orders, short", short=True)
ALL_LONG = _Kind("all orders, long")
LATER = _Kind("all orders, long, 90 % later", later=0.9)
KINDS = (ONE_SHORT, ONE_LONG, ALL_SHORT, ALL_LONG, LATER)


def build(folder: Path, sizes: Sizes) -> dict[str, Path]:
    """Make every kind of queue once, as closed files."""
    whole = {
        (short, later): stores.build(
            folder / f"whole-{short}-{later}.db", sizes.short if short else sizes.long, later=later
        )
        for short, later in {(kind.short, kind.later) for kind in KINDS}
    }
    paths = {}
    for kind in KINDS:
        orders = ONE_ORDER if kind.narrow else None
        paths[kind.name] = stores.copy(whole[kind.short, kind.later], folder / f"{kind.name}.db", orders=orders)
    for path in whole.values():
        path.unlink()
    return paths


def measure(folder: Path, sizes: Sizes, paths: dict[str, Path], durability: Durability) -> list[Row]:
    """Claim from every kind of queue in every order, in turn with one-row transactions."""
    with ExitStack() as stack:
        floor = OneRow(folder / f"floor-{durability}.db", sizes.long, durability)
        stack.callback(floor.close)
        subjects = floor.subjects(sizes.claims)
        for kind in KINDS:
            bench = Bench.open(paths[kind.name], durability=durability)
            stack.callback(bench.close)
            for order in kind.orders:
                subjects[_name(kind, order)] = partial(_claims, bench, paths[kind.name], order, sizes.claims)
        series = take_turns(subjects, sizes.rounds)
    family = f"Claims, durability {durability}"
    judged = durability == "normal"  # a sync hides what depth and dates cost, and brings the noise of the disk
    return [
        *floor_rows(family, series, sizes.long),
        *_against_floor(series, sizes, family),
        *_against_short(series, sizes, family, "claim P95, full queue against short" if judged else None),
        *_against_none_later(series, sizes, family, "claim P50, 90 % dated later" if judged else None),
    ]


def _name(kind: _Kind, order: ClaimingStrategy) -> str:
    return f"{kind.name}: {order.name}"


def _claims(bench: Bench, path: Path, order: ClaimingStrategy, count: int) -> Nanoseconds:
    claims: list[Claim] = []
    stores.warm(path)

    def claim() -> None:
        claims.extend(bench.queue.claim(bench.worker, order, TYPES))

    took = timed(claim for _ in range(count))
    if len({one.task.id for one in claims}) != count:
        msg = f"{count} claims by {order.name} gave {len(claims)} tasks"
        raise RuntimeError(msg)
    bench.end(claims)
    bench.refill(count)
    return took


def _against_floor(series: dict[str, Series], sizes: Sizes, family: str) -> list[Row]:
    rows = []
    for kind, bar in ((ONE_LONG, "claim P95, one order indexed"), (ALL_LONG, "claim P95, all orders indexed")):
        for order in kind.orders:
            mine = series[_name(kind, order)]
            value = mine.quantile_ratio(series[FLOOR], P95)
            name = f"{order.name}, {kind.indexed}, {sizes.long:,} queued"
            rows.append(row(family, name, mine, value=value, of_what="x P95 of the transaction", bar=bar))
    return rows


def _against_short(series: dict[str, Series], sizes: Sizes, family: str, bar: str | None) -> list[Row]:
    rows = []
    for short, long in ((ONE_SHORT, ONE_LONG), (ALL_SHORT, ALL_LONG)):
        for order in short.orders:
            value = series[_name(long, order)].quantile_ratio(series[_name(short, order)], P95)
            name, what = f"{order.name}, {short.indexed}, {sizes.short:,} queued", f"P95 at {sizes.long:,} : this P95"
            rows.append(row(family, name, series[_name(short, order)], value=value, of_what=what, bar=bar))
    return rows


def _against_none_later(series: dict[str, Series], sizes: Sizes, family: str, bar: str | None) -> list[Row]:
    rows = []
    for order in LATER.orders:
        mine = series[_name(LATER, order)]
        value = mine.quantile_ratio(series[_name(ALL_LONG, order)], P50)
        name = f"{order.name}, {LATER.indexed}, 90 % of {sizes.long:,} dated later"
        rows.append(row(family, name, mine, value=value, of_what="x P50 with none later", bar=bar))
    return rows
