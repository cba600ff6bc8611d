"""Loading plugins in processes of their own, to see whether they can be used: nothing they do there harms us."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ytworker.errors import PluginsRefusedError
from ytworker.plugins.discovery import CORE, PluginInfo, PluginState, Policy, discover

LOAD_SECONDS = 30.0
"""How long a plugin may take to import before it is given up."""
_AT_A_TIME = 4
_PREFIX = "YTWORKER_"


def load_apart(info: PluginInfo, seconds: float | None = None) -> dict[str, Any]:
    """Load a plugin in a process of its own.

    Args:
        info: A plugin that was found.
        seconds: How long that may take; :data:`LOAD_SECONDS` by default.

    Returns:
        ``status`` and, of one that loaded, ``load_seconds``, ``hooks`` and of a worker plugin ``settings`` and
        ``parameters``; of a broken one ``reason``.
    """
    seconds = LOAD_SECONDS if seconds is None else seconds
    command = [sys.executable, "-P", "-m", "ytworker.plugins.probe", info.kind, info.name, info.distribution or ""]
    try:
        answer = json.loads(_last_line(command, seconds))
        return dict(answer)
    except subprocess.TimeoutExpired:
        reason = f"it did not load within {seconds:g} s"
    except (ValueError, IndexError, TypeError):
        reason = "it ended the process that loaded it"
    return {"status": PluginState.BROKEN.value, "reason": f"{reason}; `ytworker plugins block {info.name}`"}


def check(infos: Iterable[PluginInfo]) -> list[dict[str, Any]]:
    """Load every plugin that may be loaded, each apart, and give what is known of all, in their order.

    Each is the JSON shape of ``plugins list`` with what :func:`load_apart` adds.
    """
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(_checked, infos))


def insist(policy: Policy) -> None:
    """Refuse to go on while a plugin cannot be used; one that was blocked on purpose does not count.

    Raises:
        PluginsRefusedError: It names them all, with the reasons.
    """
    fine = {PluginState.LOADED, PluginState.BLOCKED}
    infos = [info for info in discover(policy).values() if info.distribution != CORE]
    bad = [facts for facts in check(infos) if facts["status"] not in fine]
    if bad:
        each = "; ".join(f"{facts['name']} is {facts['status']}: {facts['reason']}" for facts in bad)
        msg = f"strict_plugins is on, and not every plugin can be used: {each}"
        raise PluginsRefusedError(msg)


def _checked(info: PluginInfo) -> dict[str, Any]:
    facts = info.to_json()
    return {**facts, **load_apart(info)} if info.state is PluginState.FOUND else facts


def _last_line(command: list[str], seconds: float) -> bytes:
    """Run a command that may hang, leave processes behind or never close its output, and give its last line.

    Its output goes to a file, because a pipe that some grandchild holds never ends; no secret of ours goes with it.
    """
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(_PREFIX)}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - our own module, and a name from metadata
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            process.wait(seconds)
        finally:
            process.kill()
            with suppress(OSError, AttributeError):  # nobody left of it; a system without process groups
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return output.read().splitlines()[-1]
