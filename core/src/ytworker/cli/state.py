"""What the global options say, and what follows from it once a command needs it."""

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ytworker.plugins.discovery import Policy
    from ytworker.service import Service
    from ytworker.settings import LoadedSettings, PaceName


@dataclass
class State:
    """The global options; settings, plugins and queue are opened when they are first asked for.

    Commands of plugins find it as ``ctx.obj``, and :meth:`service` is theirs to use.

    Attributes:
        queue: ``--queue``.
        config: ``--config``.
        no_plugins: ``--no-plugins``.
        only: ``--only``.
        block: ``--block``.
        log_level: ``--log-level``.
        log_format: ``--log-format``.
    """

    queue: str | None = None
    config: Path | None = None
    no_plugins: bool = False
    only: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    log_level: str | None = None
    log_format: str | None = None

    @cached_property
    def settings(self) -> "LoadedSettings":
        """The settings; loading them also starts the log and says what is odd about them."""
        from ytworker.cli.logs import start_log  # noqa: PLC0415 - settings are not needed for --help
        from ytworker.cli.output import note  # noqa: PLC0415
        from ytworker.settings import load_settings  # noqa: PLC0415

        flags = {
            "queue": self.queue,
            "no_plugins": self.no_plugins or None,
            "only": self.only or None,
            "block": self.block or None,
            "log_level": self.log_level,
            "log_format": self.log_format,
        }
        loaded = load_settings(flags, self.config)
        start_log(loaded.values.log_level, loaded.values.log_format)
        for warning in loaded.warnings:
            note(f"warning: {warning}")
        return loaded

    @cached_property
    def policy(self) -> "Policy":
        """Which plugins may be used."""
        from ytworker.plugins.discovery import Policy  # noqa: PLC0415 - settings are not needed for --help

        values = self.settings.values
        return Policy(values.only, values.block, values.no_plugins)

    def choose_pace(self, pace: "PaceName | None") -> None:
        """Let ``--pace`` stand above the setting; the settings may have been loaded already to find the command."""
        if pace is not None:
            self.settings.values.pace = pace

    def policy_of_flags(self) -> "Policy":
        """Which plugins may be used as far as the flags say; enough to list commands, and no settings are read."""
        from ytworker.plugins.discovery import Policy  # noqa: PLC0415

        return Policy(self.only, self.block, self.no_plugins)

    def log_as_worker(self) -> bool:
        """Log what a worker does, unless the user chose a level, and where no terminal is as JSON; True for JSON."""
        from ytworker.cli.logs import start_log  # noqa: PLC0415

        values = self.settings.values
        chosen = self.log_level is not None or "log_level" in self.settings.origins
        form = values.log_format
        if form == "auto":
            form = "console" if sys.stderr.isatty() else "json"
        start_log(values.log_level if chosen else "info", form)
        return form == "json"

    def service(self) -> "Service":
        """Open the queue with its plugins."""
        from ytworker import service  # noqa: PLC0415 - the engine is not needed for --help

        return service.open(settings=self.settings, policy=self.policy)
