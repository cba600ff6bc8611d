"""How fast the program starts, against the floor of its own dependencies in the same run.

Prints a table and a line of JSON. The commands take turns, so that a slow moment of the machine hits all of them; the
figures are medians, the ratios are what counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("ytworker"))
FLOOR = "import typer"
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    FLOOR: [sys.executable, "-c", "import typer"],
    "import typer, pydantic_settings": [sys.executable, "-c", "import typer, pydantic_settings"],
    "ytworker --version": [PROGRAM, "--version"],
    "ytworker --help": [PROGRAM, "--help"],
    "ytworker plugins list": [PROGRAM, "plugins", "list"],
}
BARS = {"ytworker --version": 3.0}
"""At most so many times the floor."""


def measure(rounds: int) -> dict[str, float]:
    """Run every command ``rounds`` times in turn and give the median of each in seconds."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        for number in range(rounds + 1):
            for name, command in COMMANDS.items():
                started = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True, env=environment)
                if number:  # the first round warms the disk
                    times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> int:
    """Measure, print, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    medians = measure(parser.parse_args().rounds)
    floor = medians[FLOOR]
    width = max(map(len, medians))
    lines = [f"{'command':{width}}  median ms  x {FLOOR!r}"]
    for name, value in medians.items():
        bar = f"  (at most {BARS[name]:g})" if name in BARS else ""
        lines.append(f"{name:{width}}  {value * 1000:9.1f}  {value / floor:.2f}{bar}")
    lines.append(json.dumps({name: round(value / floor, 3) for name, value in medians.items()}))
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(medians[name] / floor > bar for name, bar in BARS.items()))


if __name__ == "__main__":
    sys.exit(main())
