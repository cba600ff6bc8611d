"""Calling one plugin's hook with every third-party wrapper around it."""

from collections.abc import Callable, Iterable
from typing import Any

import pluggy

from ytworker.hookspecs import HOOKS, PROJECT, HookSpecs
from ytworker.plugins.base import PluginBase

_PLAIN: pluggy.HookimplOpts = {
    "wrapper": False,
    "hookwrapper": False,
    "optionalhook": False,
    "tryfirst": False,
    "trylast": False,
    "specname": None,
}


class HookManager(pluggy.PluginManager):
    """A plugin manager in which the hook methods of a :class:`PluginBase` need no decorator.

    Without this, pluggy would register nothing for an undecorated override, and say nothing.
    """

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(HookSpecs)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Give the options of a hook implementation, or None for anything else."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None and name in HOOKS and isinstance(plugin, PluginBase):
            return _PLAIN
        return options


class Dispatcher:
    """Finds the caller that asks exactly one worker plugin, with all extensions.

    A cached caller knows only the plugins of its time: a worker that registers later would answer too. So every
    registration forgets them all.
    """

    def __init__(self, manager: HookManager) -> None:
        self._manager = manager
        self._callers: dict[tuple[str, int], Callable[..., Any]] = {}

    def forget(self) -> None:
        """Drop the cached callers; call it at every registration."""
        self._callers.clear()

    def caller(self, hook: str, plugin: object, workers: Iterable[object]) -> Callable[..., Any]:
        """Give the caller of a hook that asks ``plugin`` and no other of ``workers``."""
        key = (hook, id(plugin))
        if key not in self._callers:
            others = [worker for worker in workers if worker is not plugin]
            self._callers[key] = self._manager.subset_hook_caller(hook, others)
        return self._callers[key]
