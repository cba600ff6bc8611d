"""How fast the queue is, against plain SQL and other embedded queues in the same run.

Prints a table in which every measure stands with its bar, writes the figures as JSON, and ends with 1 where a bar is
missed. Only the ratios count: they come from rounds in which all subjects take turns.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from queue_bench import bulk, claims, peers, processes, tasks
from queue_bench.report import Row, as_text, dump, verdicts, write_docs
from queue_bench.sizes import QUICK, WHOLE, Sizes
from queue_bench.stores import Durability

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "performance.md"
DURABILITIES: tuple[Durability, Durability] = ("normal", "full")
Family = Callable[[Path, Sizes], list[Row]]


def _claims(folder: Path, sizes: Sizes) -> list[Row]:
    paths = claims.build(folder, sizes)
    four = processes.measure_four(folder, sizes, paths[claims.ALL_LONG.name])
    return [line for each in DURABILITIES for line in claims.measure(folder, sizes, paths, each)] + four


def _tasks(folder: Path, sizes: Sizes) -> list[Row]:
    source = tasks.build(folder, sizes)
    return [line for each in DURABILITIES for line in tasks.measure(folder, sizes, source, each)]


def _peers(folder: Path, sizes: Sizes) -> list[Row]:
    return [line for each in DURABILITIES for line in peers.measure(folder, sizes, each)]


def _processes(folder: Path, sizes: Sizes) -> list[Row]:
    return [line for each in DURABILITIES for line in processes.measure(folder, sizes, each)]


def _bulk(folder: Path, sizes: Sizes) -> list[Row]:
    return [*bulk.measure(folder, sizes), *bulk.measure_group(folder, sizes)]


FAMILIES: dict[str, Family] = {
    "claims": _claims,
    "tasks": _tasks,
    "peers": _peers,
    "processes": _processes,
    "bulk": _bulk,
}


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and fail where a bar is missed."""
    options = _parser().parse_args(arguments)
    sizes = QUICK if options.quick else WHOLE
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds, process_rounds=options.rounds)
    rows = measure(options.only or list(FAMILIES), sizes)
    command = " ".join(["nox -s bench", *(["--", *arguments] if arguments else [])])
    sys.stdout.write(as_text(rows))
    dump(options.json, rows, command)
    if options.write_docs:
        write_docs(PAGE, rows, command)
    return int(not all(one.reached for one in verdicts(rows)))


def measure(names: Sequence[str], sizes: Sizes) -> list[Row]:
    """Measure these families, on the disk of the current folder: a file system in memory would hide every sync."""
    rows: list[Row] = []
    disk = Path("build").absolute()
    disk.mkdir(exist_ok=True)
    for name in names:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="queues-", dir=disk) as folder:
            rows += FAMILIES[name](Path(folder), sizes)
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small form, for a look: its figures are noisy")
    parser.add_argument("--only", action="append", choices=list(FAMILIES), help="one family; may be given again")
    parser.add_argument("--rounds", type=int, help="rounds that count; one more warms")
    parser.add_argument("--json", type=Path, default=Path("build/queues.json"), help="where the JSON goes")
    parser.add_argument("--write-docs", action="store_true", help=f"put the table into {PAGE.name}")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
