"""Kill torture in short: processes on one queue are killed at random moments, and every promise holds.

The long form is ``nox -s torture -- --minutes 30``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

FEW = {"--tasks": "1000", "--blow-seconds": "0.05", "--seed": "4"}


def test_processes_that_are_killed_at_random_lose_and_double_nothing(tmp_path: Path) -> None:
    options = [part for option in {**FEW, "--folder": str(tmp_path / "rounds")}.items() for part in option]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "torture", *options]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["violations"] == 0
    assert figures["tasks"] >= 800
    assert figures["killed"] >= 5, "too gentle to prove anything"
    assert figures["rescued"] >= 3, "too gentle to prove anything"
