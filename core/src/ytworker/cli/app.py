"""The root command: global options, the table of commands, and the last stop of every error."""

# ruff: noqa: ARG001 - the options of `root` are read from the context, see `_state`
import errno
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
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
    "workers": LazyCommand("ytworker.cli.workers", "See who works on the queue."),
    "sources": LazyCommand("ytworker.cli.sources", "See who must not be asked for a while, pause and resume them."),
    "tasks": LazyCommand("ytworker.cli.tasks", "See tasks, cancel them, do them again."),
    "dead": LazyCommand("ytworker.cli.dead", "See what ended without success, queue it again or delete it."),
    "items": LazyCommand("ytworker.cli.items", "Look at what was collected."),
    "db": LazyCommand("ytworker.cli.db", "Check the queue, back it up, give space back."),
    "plugins": LazyCommand("ytworker.cli.plugins", "See, check and choose what is installed, start a new one."),
    "install": LazyCommand("ytworker.cli.install", "Install plugins where this program lives."),
    "uninstall": LazyCommand("ytworker.cli.uninstall", "Remove plugins from where this program lives."),
    "health": LazyCommand("ytworker.cli.health", "Say by the exit code whether all is well."),
    "doctor": LazyCommand("ytworker.cli.doctor", "Look at everything that may be odd here."),
    "config": LazyCommand("ytworker.cli.config", "See the settings and where they come from."),
}


@dataclass(frozen=True, slots=True)
class PluginCommand(LazyCommand):
    """A command that a distribution brings through the group ``ytworker.commands``."""

    state: State

    def build(self, name: str) -> Any:
        """Load the plugin's ``typer.Typer`` if all settings let us; a broken one costs one line."""
        from ytworker.errors import PluginUnavailableError  # noqa: PLC0415 - only when it is called
        from ytworker.plugins.discovery import PluginKind, discover  # noqa: PLC0415
        from ytworker.plugins.registry import PluginRegistry  # noqa: PLC0415

        registry = PluginRegistry(catalogue=discover(self.state.policy, [PluginKind.COMMAND]))
        loaded = registry.load(name, PluginKind.COMMAND)
        try:
            command = typer.main.get_command(loaded)
        except Exception as error:
            reason = f"its entry point is no usable typer.Typer ({error}); `ytworker plugins block {name}` hides it"
            raise PluginUnavailableError(name, "broken", reason) from error
        command.name = name
        return command


class RootGroup(LazyGroup):
    """Our own commands, and behind them those of plugins; a built-in name wins."""

    builtin = _BUILTIN

    def entries(self, ctx: Any) -> Mapping[str, LazyCommand]:
        """Give all commands by name."""
        state = _state(ctx)
        return self.builtin if state.no_plugins else {**self.builtin, **self._of_plugins(state), **self.builtin}

    def unknown(self, ctx: Any, name: str) -> None:
        """Say why a command that is installed cannot be used; guess what was meant by one that is not."""
        from ytworker.plugins.discovery import PluginKind, discover  # noqa: PLC0415 - only on the way out
        from ytworker.redaction import printable  # noqa: PLC0415

        info = discover(_state(ctx).policy_of_flags(), [PluginKind.COMMAND]).get((PluginKind.COMMAND, name))
        if info is not None:
            ctx.fail(printable(f"{name} is {info.state}: {info.reason}"))
        super().unknown(ctx, name)

    def _of_plugins(self, state: State) -> Mapping[str, LazyCommand]:
        from ytworker.plugins.discovery import PluginKind, PluginState, discover  # noqa: PLC0415 - reads all metadata

        # A conflict may be settled by a lasting block, which stands in the settings; they are read when it is called.
        shown = {PluginState.FOUND, PluginState.CONFLICT}
        found = discover(state.policy_of_flags(), [PluginKind.COMMAND]).values()
        return {
            info.name: PluginCommand("", info.summary or f"From {info.distribution}.", state)
            for info in found
            if info.state in shown
        }


def _state(ctx: Any) -> State:
    """Give what the global options say; a group looks for its commands before its callback runs."""
    if not isinstance(ctx.obj, State):
        given = ctx.params
        ctx.obj = State(
            queue=given.get("queue"),
            config=Path(given["config"]) if given.get("config") else None,
            no_plugins=bool(given.get("no_plugins")),
            only=tuple(given.get("only") or ()),
            block=tuple(given.get("block") or ()),
            strict_plugins=bool(given.get("strict_plugins")),
            trace_hooks=bool(given.get("trace_hooks")),
            log_level=given.get("log_level"),
            log_format=given.get("log_format"),
        )
    return ctx.obj


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ytworker {__version__}")
        raise typer.Exit


app = make_app(cls=RootGroup, no_args_is_help=True)


@app.callback()
def root(  # noqa: PLR0913, PLR0917 - each is an option that people type
    ctx: typer.Context,
    queue: Annotated[str | None, typer.Option(metavar="URL", help="The queue; a path is a SQLite file.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="The TOML file to read.")] = None,
    no_plugins: Annotated[bool, typer.Option("--no-plugins", help="Use no plugin at all.")] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Use this plugin and no other.")] = None,
    block: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Do not use this plugin.")] = None,
    strict_plugins: Annotated[
        bool, typer.Option("--strict-plugins", help="Refuse to work while any installed plugin cannot be used.")
    ] = False,
    trace_hooks: Annotated[bool, typer.Option("--trace-hooks", help="Log every call of a hook.")] = False,
    log_level: Annotated[str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(metavar="FORMAT", help="auto, console or json.")] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    """Collect video metadata with plugins, through a queue that loses nothing.

    Start with `ytworker plugins list`, then `ytworker scrape TYPE --help`.
    """
    _state(ctx)


def run() -> None:
    """Run the program; every error of ours becomes a sentence on stderr and an exit code."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - what is not ours is raised again
        sys.exit(_exit_code(error))


def _tell_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write a traceback for whoever mends it; what a library raises may hold a key or a password."""
    from ytworker.redaction import printable, redact  # noqa: PLC0415 - only when something broke

    text = redact("".join(traceback.format_exception(kind, error, trace)))
    sys.stderr.write("".join(f"{printable(line)}\n" for line in text.splitlines()))


def _exit_code(error: Exception) -> int:
    """Tell an error of ours; another one passes, with its traceback for whoever mends it."""
    from ytworker import errors  # noqa: PLC0415 - brings pydantic, which --help does not need
    from ytworker.cli.exits import exit_code  # noqa: PLC0415
    from ytworker.cli.output import complain  # noqa: PLC0415

    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EIO}:
        complain(f"the output could not be written: {error.strerror}; what was to be done is done")
        return 1
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
        complain(f"{error.strerror}; allow more (`ulimit -n` says how many), or lower --concurrency")
        return 1
    if not isinstance(error, errors.YtworkerError):
        sys.excepthook = _tell_traceback
        raise error
    if isinstance(error, errors.ParametersError):
        complain(f"{error.task_type}:", *error.problems)
    else:
        complain(str(error))
    return exit_code(error)
