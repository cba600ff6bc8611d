"""Which plugins workers left out, because they ended the processes that loaded them: kept for people to look at.

A worker that starts tries each of them anew. What is written here goes as soon as one of them loads, and does not hold
for another version.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ytworker.errors import SettingsError
from ytworker.plugins.discovery import PluginInfo, PluginState
from ytworker.settings import left_out_plugins

log = logging.getLogger(__name__)


def record(info: PluginInfo) -> None:
    """Remember a plugin; that it cannot be written down is no reason to stop."""
    try:
        names = left_out_plugins()
        names.write([*names.read(), _line(info)])
    except SettingsError as error:
        log.warning("that the plugin %s is left out is not written down: %s", info.name, error)


def forget(info: PluginInfo) -> None:
    """Forget a plugin, because it has been loaded."""
    try:
        names = left_out_plugins()
        known = names.read()
        if _line(info) in known:
            names.write(line for line in known if line != _line(info))
    except SettingsError as error:
        log.debug("%s", error)


def marked(infos: Iterable[PluginInfo]) -> Iterator[PluginInfo]:
    """Give plugins as they are, but as broken those that workers left out.

    Raises:
        SettingsError: The list cannot be read.
    """
    known = left_out_plugins().read()
    for info in infos:
        if info.state is PluginState.FOUND and _line(info) in known:
            reason = (
                "it ended the processes that loaded it, and a worker goes on without it; "
                f"`ytworker plugins check {info.name}` tries it, `ytworker plugins block {info.name}` switches it off"
            )
            yield replace(info, state=PluginState.BROKEN, reason=reason)
        else:
            yield info


def _line(info: PluginInfo) -> str:
    return f"{info.kind} {info.name} {info.distribution} {info.version}"
