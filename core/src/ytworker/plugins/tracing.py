"""``--trace-hooks``: a line in the log for every call of a hook, and one for what came back."""

import logging
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

LOGGER = logging.getLogger("ytworker.hooks")

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80


def trace_calls(manager: pluggy.PluginManager) -> None:
    """Log the calls of a manager's hooks, whatever the level of the program's log is."""
    LOGGER.setLevel(logging.DEBUG)
    manager.add_hookcall_monitoring(_before, _after)


def _before(hook: str, methods: Sequence[pluggy.HookImpl], arguments: Mapping[str, Any]) -> None:
    names = [f"{each.plugin_name} (wrapper)" if each.wrapper else each.plugin_name for each in reversed(methods)]
    given = ", ".join(f"{name}={_REPR.repr(value)}" for name, value in arguments.items())
    LOGGER.debug("%s(%s) asks %s", hook, given, ", ".join(names) or "nobody")


def _after(
    outcome: pluggy.Result[Any], hook: str, _methods: Sequence[pluggy.HookImpl], _arguments: Mapping[str, Any]
) -> None:
    if outcome.exception is None:
        LOGGER.debug("%s gave %s", hook, _REPR.repr(outcome.get_result()))
    else:
        LOGGER.debug("%s raised %s", hook, type(outcome.exception).__name__)
