"""The environment that this program lives in, and how one installs into it."""

import importlib.util
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_OPTION_LIKE = "-"


@dataclass(frozen=True, slots=True)
class Environment:
    """Who owns it.

    Attributes:
        owner: ``pip``, ``pipx``, ``uv tool``, or ``system`` for one that its distributor manages.
        has_pip: Whether pip is in it.
    """

    owner: str
    has_pip: bool

    @property
    def is_ours(self) -> bool:
        """Whether we may change it ourselves."""
        return self.owner == "pip" and self.has_pip

    @property
    def why(self) -> str:
        """Why we may not change it."""
        if self.owner == "system":
            return "it belongs to the operating system"
        return "there is no pip in it" if self.owner == "pip" else f"it was made by {self.owner}, which keeps a list"

    def line(self, action: str, names: Sequence[str], installed: Iterable[str] = (), *, upgrade: bool = False) -> str:
        """Give the line to type.

        Args:
            action: ``install`` or ``uninstall``.
            names: What.
            installed: The plugin distributions that are there; uv's tools are installed with all of them or none.
            upgrade: Whether to replace what is there already.
        """
        lines = {"pipx": self._pipx, "uv tool": self._uv_tool, "system": self._system}
        return lines.get(self.owner, self._plain)(action, list(names), sorted(installed), upgrade)

    def _pipx(self, action: str, names: list[str], _installed: list[str], upgrade: bool) -> str:
        force = ["--force"] if upgrade else []
        return shlex.join(["pipx", "inject" if action == "install" else "uninject", "ytworker", *names, *force])

    def _uv_tool(self, action: str, names: list[str], installed: list[str], upgrade: bool) -> str:
        kept = dict.fromkeys([*installed, *names]) if action == "install" else [n for n in installed if n not in names]
        more = ["--upgrade"] if upgrade else []
        return shlex.join(["uv", "tool", "install", "ytworker", *(w for n in kept for w in ("--with", n)), *more])

    def _system(self, _action: str, names: list[str], _installed: list[str], _upgrade: bool) -> str:
        return f"pipx install ytworker && {shlex.join(['pipx', 'inject', 'ytworker', *names])}"

    def _plain(self, action: str, names: list[str], _installed: list[str], upgrade: bool) -> str:
        more = ["--upgrade"] if upgrade and action == "install" else []
        return shlex.join(["uv", "pip", action, "--python", sys.executable, *names, *more])


def here() -> Environment:
    """Look around."""
    prefix = Path(sys.prefix)
    has_pip = importlib.util.find_spec("pip") is not None
    if (prefix / "pipx_metadata.json").exists():
        return Environment("pipx", has_pip)
    if (prefix / "uv-receipt.toml").exists():
        return Environment("uv tool", has_pip)
    if sys.prefix == sys.base_prefix and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists():
        return Environment("system", has_pip)
    return Environment("pip", has_pip)


def pip(action: str, names: Sequence[str], *, upgrade: bool = False) -> list[str]:
    """Give the pip command that changes this very environment; names never become options."""
    options = ["--yes"] if action == "uninstall" else ["--upgrade"] if upgrade else []
    return [sys.executable, "-m", "pip", action, "--disable-pip-version-check", *options, "--", *names]


def run_pip(action: str, names: Sequence[str], *, upgrade: bool = False) -> int:
    """Let pip do it, talking to stderr, and give its exit code."""
    return subprocess.run(pip(action, names, upgrade=upgrade), check=False, stdout=sys.stderr).returncode  # noqa: S603 - see _problem


def problem_of(name: str) -> str | None:
    """Say why a word names nothing that can be installed, or None."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    if name.startswith(_OPTION_LIKE):
        return f"{name!r} looks like an option of pip; only packages are taken here"
    if name.strip() and Path(name).exists():
        return None
    try:
        Requirement(name)
    except InvalidRequirement:
        return f"{name!r} is no package: give a name such as ytworker-channel, a requirement or the path of a wheel"
    return None
