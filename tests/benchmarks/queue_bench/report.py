"""One table for people, one JSON object for programs, and the verdict on every bar."""

import json
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from queue_bench.bars import BARS, Bar
from queue_bench.timing import Series

COLUMNS = ("subject", "P50 µs", "P95 µs", "P99 µs", "worst µs", "tasks/s", "value", "of what", "bar", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        family: Under which heading it stands.
        subject: What was measured.
        p50: Quantile of the single calls in microseconds, as are the next two; the median over the rounds.
        p95: As above.
        p99: As above.
        worst: The longest call of a round, in microseconds; the median over the rounds.
        per_second: Tasks done in a second.
        value: The figure that counts.
        of_what: What the value is, such as ``x P95 of a one-row transaction``.
        bar: The name of its bar in :data:`~queue_bench.bars.BARS`, or None when it is only shown.
    """

    family: str
    subject: str
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    worst: float | None = None
    per_second: float | None = None
    value: float | None = None
    of_what: str = ""
    bar: str | None = None


def row(family: str, subject: str, series: Series, **more: Any) -> Row:
    """Make a row of a subject's times; ``more`` are further fields of :class:`Row`."""
    return Row(
        family=family,
        subject=subject,
        p50=series.quantile(0.5),
        p95=series.quantile(0.95),
        p99=series.quantile(0.99),
        worst=series.worst(),
        per_second=series.per_second(),
        **more,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one bar: the value that decided, and whether it is good enough."""

    bar: str
    limit: str
    value: float
    reached: bool


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """Judge every bar that a row stands for."""
    found: dict[str, list[float]] = {}
    for line in rows:
        if line.bar is not None and line.value is not None:
            found.setdefault(line.bar, []).append(line.value)
    return [_judge(name, BARS[name], values) for name, values in found.items()]


def _judge(name: str, bar: Bar, values: Sequence[float]) -> Verdict:
    worst_is_largest = bar.at_most is not None
    pick = min if worst_is_largest is bar.best else max
    value = pick(values)
    return Verdict(bar=name, limit=str(bar), value=value, reached=bar.reached(value))


def as_text(rows: Sequence[Row]) -> str:
    """Write the table as Markdown that can be read as it is, and the bars below it."""
    parts = []
    for family in dict.fromkeys(line.family for line in rows):
        parts += [f"**{family}**", _table(COLUMNS, [_cells(line) for line in rows if line.family == family])]
    parts += ["**The bars**", _table(("bar", "limit", "value", ""), [_verdict_cells(one) for one in verdicts(rows)])]
    return "\n\n".join(parts) + "\n"


def as_json(rows: Sequence[Row], command: str) -> dict[str, Any]:
    """Give everything as JSON values."""
    return {
        "command": command,
        "machine": machine(),
        "rows": [asdict(line) for line in rows],
        "bars": [asdict(one) for one in verdicts(rows)],
    }


def machine() -> Mapping[str, str]:
    """Name what the figures depend on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(_cores()),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def write_docs(page: Path, rows: Sequence[Row], command: str, name: str = "table") -> None:
    """Put the table between the markers of a page that bear its name.

    Raises:
        ValueError: The page lacks a marker.
    """
    text = page.read_text(encoding="utf-8")
    opening, closing = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, start, rest = text.partition(opening)
    _, end, after = rest.partition(closing)
    if not (start and end):
        msg = f"{page} has no place for the table; put the lines {opening} and {closing} where it shall stand"
        raise ValueError(msg)
    about = ", ".join(f"{name} {value}" for name, value in machine().items())
    body = f"Made with `{command}` ({about}).\n\n{as_text(rows)}"
    page.write_text(f"{before}{opening}\n\n{body}\n{closing}{after}", encoding="utf-8")


def dump(path: Path, rows: Sequence[Row], command: str) -> None:
    """Write the JSON object into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_json(rows, command), indent=1) + "\n", encoding="utf-8")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cells(line: Row) -> tuple[str, ...]:
    times = [_number(value) for value in (line.p50, line.p95, line.p99, line.worst, line.per_second)]
    limit, said = "", ""
    if line.bar is not None and line.value is not None:
        limit, said = str(BARS[line.bar]), "reached" if BARS[line.bar].reached(line.value) else "missed"
    return (line.subject, *times, _value(line.value), line.of_what, limit, said)


def _verdict_cells(one: Verdict) -> tuple[str, ...]:
    return (one.bar, one.limit, _value(one.value), "reached" if one.reached else "**missed**")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".removesuffix(".00")


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    ruled = [[("-" * width) for width in widths]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (head, *ruled, *lines)
    )
