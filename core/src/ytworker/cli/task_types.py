"""Groups with one command for each installed task type: listed from metadata, built from the plugin's model."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ytworker.cli.lazy import LazyCommand, LazyGroup
from ytworker.cli.model_options import Run, build_command, option_name
from ytworker.cli.state import State
from ytworker.errors import ParametersError
from ytworker.plugins.discovery import USABLE, PluginKind, discover
from ytworker.plugins.registry import PluginRegistry
from ytworker.redaction import printable


@dataclass(frozen=True, slots=True)
class TaskTypeCommand(LazyCommand):
    """The command of one task type."""

    registry: PluginRegistry
    own: Run

    def build(self, name: str) -> Any:
        """Import the plugin and make options of its parameters."""
        return build_command(name, self.help, self.registry.parameters(name), self.own)


class TaskTypeGroup(LazyGroup):
    """One command for each task type; subclasses say what to do with the parameters."""

    noun = "task type"
    own: Run

    def entries(self, ctx: Any) -> Mapping[str, LazyCommand]:
        """Give the usable task types by name."""
        state = ctx.obj if isinstance(ctx.obj, State) else State()
        registry = PluginRegistry(catalogue=discover(state.policy, [PluginKind.WORKER, PluginKind.EXTENSION]))
        return {
            info.name: TaskTypeCommand("", info.summary or "", registry, type(self).own)
            for info in registry.infos()
            if info.kind is PluginKind.WORKER and info.state in USABLE
        }

    def unknown(self, ctx: Any, name: str) -> None:
        """Leave with the reason why this type cannot be used."""
        state = ctx.obj if isinstance(ctx.obj, State) else State()
        registry = PluginRegistry(catalogue=discover(state.policy, [PluginKind.WORKER]))
        info = registry.info(name)
        ctx.fail(printable(f"{name} is {info.state}: {info.reason}"))


def in_options(error: ParametersError, own: Run) -> list[str]:
    """Word the problems of parameters with the options that people typed."""
    taken = set(inspect.signature(own).parameters)
    of_parameters = error.problems[: len(error.problems) - len(error.option_problems)]
    return [
        *(_worded(problem, taken) for problem in of_parameters),
        *(_worded(problem.replace("run_at: ", "at: ", 1), set()) for problem in error.option_problems),
    ]


def _worded(problem: str, taken: set[str]) -> str:
    name, colon, rest = problem.partition(": ")
    return f"{option_name(name, taken)}: {rest}" if colon and name.isidentifier() else problem
