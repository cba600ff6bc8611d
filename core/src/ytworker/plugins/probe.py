"""Loads one plugin in a process of its own and prints what loaded.

``python -m ytworker.plugins.probe NAME [DISTRIBUTION]``
"""

import json
import os
import sys
import time
from typing import Any

from ytworker.errors import PluginUnavailableError
from ytworker.plugins.discovery import PluginKind, PluginState, Policy, discover
from ytworker.plugins.registry import PluginRegistry


def probe(name: str, distribution: str | None = None) -> dict[str, Any]:
    """Load a worker plugin and give its state, its parameters as JSON Schema and the time it took.

    Args:
        name: The entry-point name.
        distribution: Whose, where two have the same name and the asker has settled on one.
    """
    policy = Policy(only=[distribution] if distribution else ())
    registry = PluginRegistry(catalogue=discover(policy, [PluginKind.WORKER]))
    started = time.perf_counter()
    try:
        model = registry.parameters(name)
        sections = sorted(registry.sections(name))
    except PluginUnavailableError as error:
        return {"status": error.state, "reason": error.reason}
    return {
        "status": PluginState.LOADED.value,
        "load_seconds": round(time.perf_counter() - started, 3),
        "settings": sections,
        "parameters": model.model_json_schema() if model else None,
    }


def main() -> None:
    """Print the answer as the last line; whatever a plugin prints goes to stderr."""
    answer = os.dup(1)
    os.dup2(2, 1)
    text = json.dumps(probe(*sys.argv[1:]))
    os.write(answer, f"{text}\n".encode())


if __name__ == "__main__":
    main()
