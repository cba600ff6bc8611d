"""Several processes at one queue: nobody gets a task twice, nobody is refused, nobody waits for long.

The processes start together and each works off the same number of tasks. ``slowest to fastest`` compares how long they
took: where one of them hogs the queue, it is through long before the others.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from queue_bench import stores
from queue_bench.claims import P95
from queue_bench.report import Row
from queue_bench.sizes import Sizes
from queue_bench.stores import Durability
from queue_bench.timing import Series, quantile

EIGHT, FOUR = 8, 4
_HOME = str(Path(__file__).resolve().parents[1])
Works = Sequence[dict[str, Any]]


def run(path: Path, durability: Durability, processes: int, tasks: int) -> Works:
    """Let processes work off ``tasks`` tasks of a queue together, and give what each of them did."""
    command = [sys.executable, "-m", "queue_bench.drain", f"sqlite://{path}", durability, str(tasks // processes)]
    paths = [_HOME, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(processes)
    ]
    try:
        for process in started:
            _stream(process.stdout).readline()
        return _checked([json.loads(answer) for answer in _answers(started)])
    finally:
        for process in started:
            process.kill()


def _checked(works: Works) -> Works:
    """Show what went wrong, and stop where nothing was done at all."""
    errors = sorted({error for work in works for error in work["errors"]})
    sys.stderr.writelines(f"a process was refused: {error}\n" for error in errors)
    if not any(work["ids"] for work in works):
        msg = "no process finished a task; what stopped them stands above"
        raise RuntimeError(msg)
    return works


def _answers(started: Sequence[subprocess.Popen[str]]) -> list[str]:
    for process in started:
        _stream(process.stdin).write("go\n")
        _stream(process.stdin).flush()
    return [process.communicate()[0] for process in started]


def _stream(stream: Any) -> Any:
    if stream is None:
        msg = "the process was started without pipes"
        raise RuntimeError(msg)
    return stream


def measure(folder: Path, sizes: Sizes, durability: Durability) -> list[Row]:
    """Eight processes at one queue, several times."""
    tasks = sizes.normal_tasks if durability == "normal" else sizes.full_tasks
    source = stores.build(folder / f"eight-{durability}.db", tasks)
    runs = []
    for number in range(sizes.process_rounds):
        path = stores.copy(source, folder / f"eight-{durability}-{number}.db")
        runs.append(run(path, durability, EIGHT, tasks))
    return _rows(runs, f"{EIGHT} processes, {tasks:,} tasks, durability {durability}", durability)


def _rows(runs: Sequence[Works], family: str, durability: Durability) -> list[Row]:
    series = Series(rounds=[_waits(works) for works in runs])
    measures: list[tuple[str, Callable[[Works], float], Callable[[list[float]], float], str]] = [
        ("duplicates", _duplicates, sum, ""),
        ("errors", _errors, sum, ""),
        ("worst wait", _worst, statistics.median, f", {durability}"),
        ("slowest to fastest", _spread, statistics.median, f", {durability}"),
    ]
    rows = [_calls(series, statistics.median([_rate(works) for works in runs]), family, "claim or finish")]
    for name, measure_of, fold, suffix in measures:
        value = fold([measure_of(works) for works in runs])
        what = "ms" if name == "worst wait" else ""
        rows.append(Row(family=family, subject=name, value=value, of_what=what, bar=f"8 processes{suffix}: {name}"))
    return rows


def _calls(series: Series, rate: float, family: str, subject: str, **more: Any) -> Row:
    return Row(
        family=family,
        subject=subject,
        p50=series.quantile(0.5),
        p95=series.quantile(P95),
        p99=series.quantile(0.99),
        worst=series.worst(),
        per_second=rate,
        **more,
    )


def measure_four(folder: Path, sizes: Sizes, source: Path) -> list[Row]:
    """Four processes that claim from the long queue; how long a claim takes them, in plain milliseconds."""
    family = f"{FOUR} processes, {sizes.long:,} queued, durability full"
    path = stores.copy(source, folder / "four.db")
    runs = [run(path, "full", FOUR, sizes.full_tasks) for _ in range(sizes.process_rounds)]
    series = Series(rounds=[[wait for work in works for wait in work["claims"]] for works in runs])
    value = statistics.median(quantile(values, P95) for values in series.rounds) / 1e6
    rate = statistics.median([_rate(works) for works in runs])
    return [_calls(series, rate, family, "claim", value=value, of_what="ms at P95", bar="claim P95, four processes")]


def _waits(works: Works) -> list[int]:
    return [wait for work in works for wait in (*work["claims"], *work["finishes"])]


def _duplicates(works: Works) -> float:
    ids = [number for work in works for number in work["ids"]]
    return len(ids) - len(set(ids))


def _errors(works: Works) -> float:
    return sum(len(work["errors"]) for work in works)


def _worst(works: Works) -> float:
    return max(map(float, _waits(works))) / 1e6


def _spread(works: Works) -> float:
    seconds = [float(work["seconds"]) for work in works]
    return max(seconds) / min(seconds)


def _rate(works: Works) -> float:
    return sum(len(work["ids"]) for work in works) / max(float(work["seconds"]) for work in works)
