"""What the engine costs, against the bare queue, other systems' workers and bare yt-dlp, in the same run.

Prints a table in which every measure stands with its bar, writes the figures as JSON, and ends with 1 where a bar is
missed. Only the ratios count, from rounds in which all subjects take turns. Linux only: it reads /proc.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from engine_bench import added, life, whole
from engine_bench.ground import install_plugin
from engine_bench.whole import QUICK, WHOLE, Sizes
from queue_bench.report import Row, as_text, dump, verdicts, write_docs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "performance.md"
Family = Callable[[Path, Path, Sizes], list[Row]]


def _channel(home: Path, folder: Path, sizes: Sizes) -> list[Row]:
    with added.fake_youtube(folder, sizes) as site:
        settings = {f"YTWORKER_PLUGINS__YTDLP__{name.upper()}": value for name, value in site.items()}
        return [*added.measure(home, folder, sizes, site), *life.with_yt_dlp(home, folder, settings)]


FAMILIES: dict[str, Family] = {
    "whole": whole.measure,
    "waking": life.waking,
    "starting": life.starting,
    "memory": life.memory,
    "channel": _channel,
}


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and fail where a bar is missed."""
    options = _parser().parse_args(arguments)
    sizes = QUICK if options.quick else WHOLE
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    rows = measure(options.only or list(FAMILIES), sizes)
    command = " ".join(["nox -s bench", *(["--", *arguments] if arguments else [])])
    sys.stdout.write(as_text(rows))
    dump(options.json, rows, command)
    if options.write_docs:
        write_docs(PAGE, rows, command, "engine table")
    return int(not all(one.reached for one in verdicts(rows)))


def measure(names: Sequence[str], sizes: Sizes) -> list[Row]:
    """Measure these families, on the disk of the current folder: a file system in memory would hide every sync."""
    rows: list[Row] = []
    disk = Path("build").absolute()
    disk.mkdir(exist_ok=True)
    for name in names:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="engine-", dir=disk) as place:
            home, folder = Path(place, "home"), Path(place, "work")
            install_plugin(home / "site")
            folder.mkdir()
            rows += FAMILIES[name](home, folder, sizes)
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small form, for a look: its figures are noisy")
    parser.add_argument("--only", action="append", choices=list(FAMILIES), help="one family; may be given again")
    parser.add_argument("--rounds", type=int, help="rounds that count")
    parser.add_argument("--json", type=Path, default=Path("build/engine.json"), help="where the JSON goes")
    parser.add_argument("--write-docs", action="store_true", help=f"put the table into {PAGE.name}")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
