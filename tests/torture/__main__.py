"""Kill torture: processes that share one queue are killed at random moments, and nothing may be lost or doubled.

Runs round after round until the time is over, each with a fresh queue. The folder of a round in which a promise was
broken is kept; ``python -m torture.checker FOLDER`` checks it once more. A seed gives the same choices again, while the
timing is the machine's.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from torture.process import Place
from torture.round import Plan, Round

MINUTE = 60.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.0, help="go on for so long; the default is one round")
    parser.add_argument("--workers", type=int, default=4, help="worker processes at a time")
    parser.add_argument("--tasks", type=int, default=2_000, help="tasks of a round, besides follow-ups")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each further one adds 1")
    parser.add_argument("--blow-seconds", type=float, default=0.08, help="mean time between two blows")
    parser.add_argument("--folder", type=Path, help="where; the default is a temporary folder")
    return parser.parse_args()


def main() -> int:
    """Run the rounds and print what they came to."""
    arguments = _arguments()
    ends_at = time.monotonic() + arguments.minutes * MINUTE
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="ytworker-torture-"))).absolute()
    total: Counter[str] = Counter()
    seed, broken = arguments.seed, 0
    while True:
        broken += _round(folder / f"round-{seed}", arguments, seed, total)
        seed += 1
        if time.monotonic() >= ends_at:
            break
    total["rounds"] = seed - arguments.seed
    sys.stdout.write(json.dumps({**total, "violations": broken}) + "\n")
    return int(broken > 0)


def _round(folder: Path, arguments: argparse.Namespace, seed: int, total: Counter[str]) -> int:
    plan = Plan(tasks=arguments.tasks, workers=arguments.workers, seed=str(seed), blow_seconds=arguments.blow_seconds)
    outcome = Round(Place(folder), plan).run()
    total.update(outcome.figures)
    for violation in outcome.violations:
        sys.stdout.write(f"seed {seed}: {violation}\n")
    if outcome.violations:
        sys.stdout.write(f"seed {seed}: the queue and the histories are kept in {folder}\n")
    else:
        shutil.rmtree(folder)
    sys.stdout.flush()
    return len(outcome.violations)


if __name__ == "__main__":
    sys.exit(main())
