"""Running commands, and fresh environments to install into."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = {
    folder.name if folder.name != "core" else "ytworker": folder
    for folder in [ROOT / "core", *sorted((ROOT / "plugins").iterdir()), *sorted((ROOT / "examples").iterdir())]
    if (folder / "pyproject.toml").exists()
}


def run(*command: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; one that fails fails the test with what it said."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def uv(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run uv, which comes with this session."""
    return run(sys.executable, "-m", "uv", *arguments, cwd=cwd)


def _environment() -> dict[str, str]:
    """Give this process's environment without what would lead into the environment of this session."""
    lost = ("YTWORKER_", "XDG_", "VIRTUAL_ENV", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.startswith(lost)}


@dataclass(frozen=True)
class Fresh:
    """A fresh environment with an empty home.

    Attributes:
        folder: Where it is.
        home: Its home.
    """

    folder: Path
    home: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def install(self, *what: object, find: Path | None = None) -> None:
        """Install from the wheels that were built, and what those need from the registry."""
        links = ["--find-links", find] if find else []
        uv("pip", "install", "--python", self.python, *links, *what)

    def __call__(self, program: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment."""
        return run(self.folder / "bin" / program, *arguments, cwd=self.home, HOME=str(self.home), **environment)
