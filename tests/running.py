"""The program as people run it: the console script, in a process of its own, with an empty home."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("ytworker")


@dataclass
class Program:
    """The console script in a process of its own, with an empty home."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        """Give the environment: the caller's, without its home and its ytworker variables."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("YTWORKER_", "XDG_"))}
        return {**kept, "HOME": str(self.home), **self.environment}

    def __call__(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        command = [str(PROGRAM), *arguments]
        return subprocess.run(
            command, env=self.env(), capture_output=True, text=True, check=False, timeout=timeout, cwd=self.home
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it and give the process."""
        return subprocess.Popen(
            [str(PROGRAM), *arguments],
            env=self.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
        )
