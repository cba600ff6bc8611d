"""Command groups whose members are imported when they are called, not when they are listed."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
import typer.core
import typer.main


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command lives, and its line in the help.

    Attributes:
        module: The module that holds a :class:`typer.Typer` named ``app``.
        help: One sentence.
    """

    module: str
    help: str

    def build(self, name: str) -> Any:
        """Import the module and give the command."""
        command = typer.main.get_command(import_module(self.module).app)
        command.name = name
        return command


class LazyGroup(typer.core.TyperGroup):
    """A group that knows the names and help lines of its commands and builds one when it is called.

    Subclasses give :meth:`entries`; ``builtin`` is enough for a fixed set.
    """

    builtin: Mapping[str, LazyCommand] = {}
    noun = "command"

    def entries(self, ctx: Any) -> Mapping[str, LazyCommand]:  # noqa: ARG002 - subclasses look at the context
        """Give the commands by name, in the order of the help."""
        return self.builtin

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the commands."""
        return list(self.known(ctx))

    def known(self, ctx: Any) -> Mapping[str, LazyCommand]:
        """Give the commands by name, looked up once for each call of the program."""
        cache = ctx.meta.setdefault(__name__, {})
        if id(self) not in cache:
            cache[id(self)] = self.entries(ctx)
        found: Mapping[str, LazyCommand] = cache[id(self)]
        return found

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give a stand-in that knows its help line; the help calls this for every name."""
        entry = self.known(ctx).get(cmd_name)
        if entry is None:
            return None
        return typer.core.TyperCommand(cmd_name, help=entry.help, short_help=entry.help, rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Build the command that is called."""
        entries = self.known(ctx)
        name = args[0]
        if name not in entries:
            self.unknown(ctx, name)
        return name, entries[name].build(name), args[1:]

    def unknown(self, ctx: Any, name: str) -> None:
        """Leave with a usage error that guesses what was meant."""
        guesses = difflib.get_close_matches(name, self.known(ctx), n=2)
        hint = f" Did you mean {' or '.join(guesses)}?" if guesses else ""
        ctx.fail(f"There is no {self.noun} {name!r}.{hint}")


def make_app(**options: Any) -> typer.Typer:
    """Make a Typer the way all of ours are: plain help, which is twice as fast, and errors that we word ourselves."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, **options)
