"""The root command: global options, the table of commands, and the last stop of every error."""

import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main

from ytworker._version import __version__
from ytworker.cli.lazy import LazyCommand, LazyGroup, make_app
from ytworker.cli.state import State

_BUILTIN = {
    "scrape": LazyCommand("ytworker.cli.scrape", "Do one task now, here, and print what it finds."),
    "enqueue": LazyCommand("ytworker.cli.enqueue", "Put tasks into the queue."),
    "run": LazyCommand("ytworker.cli.run", "Work on the queue."),
    "status": LazyCommand("ytworker.cli.status", "Show how the queue is doing."),
    "tasks": LazyCommand("ytworker.cli.tasks", "Look at tasks."),
    "dead": LazyCommand("ytworker.cli.dead", "Look at tasks that ended without success."),
    "items": LazyCommand("ytworker.cli.items", "Look at what was collected."),
    "plugins": LazyCommand("ytworker.cli.plugins", "See and choose what is installed."),
    "config": LazyCommand("ytworker.cli.config", "See the settings and where they come from."),
}


class PluginCommand(LazyCommand):
    """A command that a distribution brings through the group ``ytworker.commands``."""

    def build(self, name: str) -> Any:
        """Load the plugin's ``typer.Typer``; a broken one costs one line."""
        from ytworker.plugins.discovery import PluginKind, Policy  # noqa: PLC0415 - only when it is called
        from ytworker.plugins.registry import PluginRegistry  # noqa: PLC0415

        command = typer.main.get_command(PluginRegistry(Policy()).load(name, PluginKind.COMMAND))
        command.name = name
        return command


class RootGroup(LazyGroup):
    """Our own commands, and behind them those of plugins; a built-in name wins."""

    builtin = _BUILTIN

    def entries(self, ctx: Any) -> Mapping[str, LazyCommand]:
        """Give all commands by name."""
        return {**self._of_plugins(ctx), **self.builtin} if _wants_plugins(ctx) else self.builtin

    def _of_plugins(self, ctx: Any) -> Mapping[str, LazyCommand]:
        from ytworker.plugins.discovery import PluginKind, PluginState, discover  # noqa: PLC0415 - reads all metadata

        policy = _state(ctx).policy_of_flags()
        found = discover(policy, [PluginKind.COMMAND]).values()
        return {
            info.name: PluginCommand(_target(info.entry_point), info.summary or f"From {info.distribution}.")
            for info in found
            if info.state is PluginState.FOUND
        }


def _target(entry_point: EntryPoint | None) -> str:
    return entry_point.value if entry_point else ""


def _wants_plugins(ctx: Any) -> bool:
    return not _state(ctx).no_plugins


def _state(ctx: Any) -> State:
    return ctx.obj if isinstance(ctx.obj, State) else State()


app = make_app(cls=RootGroup, no_args_is_help=True)


@app.callback()
def root(  # noqa: PLR0913, PLR0917 - each is an option that people type
    ctx: typer.Context,
    queue: Annotated[str | None, typer.Option(metavar="URL", help="The queue; a path is a SQLite file.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="The TOML file to read.")] = None,
    no_plugins: Annotated[bool, typer.Option("--no-plugins", help="Use no plugin at all.")] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Use this plugin and no other.")] = None,
    block: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Do not use this plugin.")] = None,
    log_level: Annotated[str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(metavar="FORMAT", help="console or json.")] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Collect video metadata with plugins, through a queue that loses nothing.

    Start with `ytworker plugins list`, then `ytworker scrape TYPE --help`.
    """
    if version:
        typer.echo(f"ytworker {__version__}")
        raise typer.Exit
    ctx.obj = State(
        queue=queue,
        config=config,
        no_plugins=no_plugins,
        only=tuple(only or ()),
        block=tuple(block or ()),
        log_level=log_level,
        log_format=log_format,
    )


def run() -> None:
    """Run the program; every error of ours becomes a sentence on stderr and an exit code."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - what is not ours is raised again
        sys.exit(_exit_code(error))


def _exit_code(error: Exception) -> int:
    """Tell an error of ours; another one passes, with its traceback for whoever mends it."""
    from ytworker import errors  # noqa: PLC0415 - brings pydantic, which --help does not need
    from ytworker.cli.output import complain  # noqa: PLC0415

    if not isinstance(error, errors.YtworkerError):
        raise error
    if isinstance(error, errors.ParametersError):
        complain(f"{error.task_type}:", *error.problems)
    else:
        complain(str(error))
    usage = (errors.ParametersError, errors.PluginUnavailableError, errors.SettingsError)
    return 2 if isinstance(error, usage) else 1
