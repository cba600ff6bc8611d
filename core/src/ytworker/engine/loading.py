"""Plugins that end children while they are loaded: the worker counts that, and goes on without them.

An extension is loaded for every task. One that ends its process there, or does not come back, would hurt all of them,
and no exception tells who it was. So a child says what it is about to load, and when that is over.
"""

import logging
from collections import Counter

from ytworker.errors import PluginsRefusedError
from ytworker.logs import LogEvent, event
from ytworker.plugins import left_out
from ytworker.plugins.discovery import PluginKind, PluginState
from ytworker.plugins.registry import PluginRegistry

MOST_DEATHS = 3
"""So many children in a row; one may have been killed by somebody else."""

Plugin = tuple[PluginKind, str]

log = logging.getLogger(__name__)


class Loading:
    """What comes of loading plugins in the children of one worker.

    Args:
        registry: Knows the plugins, and learns which of them are left out.
        strict: Whether the worker must stop rather than go on without one.
    """

    def __init__(self, registry: PluginRegistry, *, strict: bool = False) -> None:
        self._registry = registry
        self._strict = strict
        self._deaths: Counter[Plugin] = Counter()
        self._reasons: dict[Plugin, str] = {}

    def left_out(self) -> list[tuple[str, str, str]]:
        """Give the kind, the name and the reason of what children must not load."""
        return [(kind.value, name, reason) for (kind, name), reason in self._reasons.items()]

    def survived(self, plugin: Plugin) -> None:
        """Take notice that a child lives on after it has loaded a plugin, or has failed to in an orderly way."""
        del self._deaths[plugin]
        left_out.forget(self._registry.info(plugin[1], plugin[0]))

    def died(self, plugin: Plugin, how: str) -> str:
        """Count a child that a plugin has ended, and give the reason for which its task goes back.

        Args:
            plugin: What it was loading.
            how: What became of the child, in words.

        Raises:
            PluginsRefusedError: It was one too many, and every plugin is required.
        """
        kind, name = plugin
        info = self._registry.info(name, kind)
        self._deaths[plugin] += 1
        what = f"a process {how} while it loaded the {kind} {name} of {info.distribution}"
        told = event(LogEvent.PLUGIN_FAILED)
        if self._deaths[plugin] < MOST_DEATHS:
            log.warning("%s; the task goes back, with no attempt counted", what, extra=told)
            return what
        cure = f"upgrade or uninstall {info.distribution}, or run `ytworker plugins block {name}`"
        reason = f"{what}, {MOST_DEATHS} times in a row; {cure}"
        if self._strict:
            msg = f"strict_plugins is on, and {reason}"
            raise PluginsRefusedError(msg)
        self._reasons[plugin] = reason
        self._registry.learn(name, PluginState.BROKEN.value, reason, kind)
        left_out.record(info)
        log.error("this worker goes on without a plugin: %s", reason, extra=told)
        return what
