"""Loads one plugin in a process of its own and prints what loaded.

``python -m ytworker.plugins.probe KIND NAME [DISTRIBUTION]``
"""

import json
import os
import sys
import time
from typing import Any

from ytworker.errors import PluginUnavailableError
from ytworker.plugins.discovery import PluginKind, PluginState, Policy, discover
from ytworker.plugins.registry import PluginRegistry


def probe(kind: PluginKind, name: str, distribution: str | None = None) -> dict[str, Any]:
    """Load a plugin and give its state, the time that took, and of a worker plugin what it takes.

    Args:
        kind: What it is for.
        name: The entry-point name.
        distribution: Whose, where two have the same name and the asker has settled on one.
    """
    policy = Policy(only=[distribution] if distribution else ())
    registry = PluginRegistry(catalogue=discover(policy, [kind]))
    started = time.perf_counter()
    try:
        registry.load(name, kind)
        seconds = round(time.perf_counter() - started, 3)
        contract = _contract(registry, name) if kind is PluginKind.WORKER else {}
        hooks = registry.hooks(name, kind)
    except PluginUnavailableError as error:
        return {"status": error.state, "reason": error.reason}
    return {"status": PluginState.LOADED.value, "load_seconds": seconds, "hooks": hooks, **contract}


def _contract(registry: PluginRegistry, name: str) -> dict[str, Any]:
    model = registry.parameters(name)
    return {
        "settings": sorted(registry.sections(name)),
        "parameters": model.model_json_schema() if model else None,
    }


def main() -> None:
    """Print the answer as the last line; whatever a plugin prints goes to stderr."""
    answer = os.dup(1)
    os.dup2(2, 1)
    kind, *rest = sys.argv[1:]
    text = json.dumps(probe(PluginKind(kind), *rest))
    os.write(answer, f"{text}\n".encode())
    os._exit(0)  # a thread that a plugin left behind is no reason to wait


if __name__ == "__main__":
    main()
