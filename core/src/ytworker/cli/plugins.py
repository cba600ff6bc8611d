"""``ytworker plugins``: see, check and choose what is installed, and start a new one. Listing imports nothing."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import complain, counted, emit, emit_json, note, show_facts
from ytworker.cli.state import State
from ytworker.cli.table import show_table
from ytworker.plugins import apart, left_out
from ytworker.plugins.discovery import CORE, PluginInfo, PluginKind, PluginState, discover
from ytworker.plugins.registry import PluginRegistry
from ytworker.settings import blocked_plugins, preferred_plugins

app = make_app(no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The plugin, or its distribution.")]
_Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Plugins or distributions; all of them.")]


@app.callback()
def group() -> None:
    """See, check and choose what is installed, and start a new one."""


@app.command("list")
def list_plugins(ctx: typer.Context, json: _Json = False) -> None:
    """List plugins with their state; nothing is imported."""
    infos = list(left_out.marked(_infos(ctx)))
    if json:
        emit_json([info.to_json() for info in infos])
        return
    show_table(("NAME", "KIND", "DISTRIBUTION", "VERSION", "STATUS", "SUMMARY"), map(_row, infos))
    if not any(info.kind is PluginKind.WORKER for info in infos):
        note(
            f"no worker plugin is installed for {sys.executable}; "
            f"try: {sys.executable} -m pip install ytworker-channel, or: ytworker install ytworker-channel"
        )


@app.command()
def show(ctx: typer.Context, name: _Name, json: _Json = False) -> None:
    """Show one plugin.

    It is loaded in a process of its own, so a broken one harms nothing.
    """
    info = _find(ctx, name)[0]
    facts = {**info.to_json(), **info.about()}
    if info.state is PluginState.FOUND:
        facts.update(apart.load_apart(info))
    if json:
        emit_json(facts)
    else:
        parameters = facts.pop("parameters", None) or {}
        pages = [("page", page.replace(", ", ": ", 1)) for page in facts.pop("pages", ())]
        lists = {key: ", ".join(value) for key, value in facts.items() if isinstance(value, list)}
        show_facts([*{**facts, **lists}.items(), *pages, *(("parameter", line) for line in _parameters(parameters))])
    if info.state is PluginState.MISSING:
        raise typer.Exit(1)


@app.command()
def check(ctx: typer.Context, names: _Names = None, json: _Json = False) -> None:
    """Load plugins, and say which cannot be used and why.

    Each is loaded in a process of its own; the reason says what to do about it. Exits with 1 if there is such a one.
    """
    infos = [info for name in names for info in _find(ctx, name)] if names else _infos(ctx)
    tried = [info for info in infos if info.distribution != CORE]
    facts = apart.check(tried)
    for info, known in zip(tried, facts, strict=True):
        if known["status"] == PluginState.LOADED:
            left_out.forget(info)
    if json:
        emit_json(facts)
    else:
        show_table(("NAME", "KIND", "DISTRIBUTION", "STATUS", "LOADED IN", "REASON"), map(_checked_row, facts))
    bad = [each for each in facts if each["status"] not in {PluginState.LOADED, PluginState.BLOCKED}]
    if bad:
        note(f"{counted(len(bad), 'plugin')} of {len(facts)} cannot be used")
        raise typer.Exit(1)


@app.command()
def block(ctx: typer.Context, name: _Name) -> None:
    """Switch a plugin off for good: it is never imported."""
    _require_name(name)
    names = blocked_plugins()
    names.write([*names.read(), name])
    note(f"{name} is blocked{_unless_known(ctx, name)}")


@app.command()
def unblock(name: _Name) -> None:
    """Switch a plugin on again."""
    names = blocked_plugins()
    if name not in names.read():
        complain(f"{name} is not blocked; blocked are: {', '.join(names.read()) or 'none'}")
        raise typer.Exit(1)
    names.write(each for each in names.read() if each != name)
    note(f"{name} is not blocked any more")


@app.command()
def prefer(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The distribution that wins.")],
    undo: Annotated[bool, typer.Option("--undo", help="Do not prefer it any more.")] = False,
) -> None:
    """Settle a conflict of two distributions.

    Where both provide a plugin of the same name, this one is used.
    """
    _require_name(name)
    names = preferred_plugins()
    if undo:
        if name not in names.read():
            complain(f"{name} is not preferred; preferred are: {', '.join(names.read()) or 'none'}")
            raise typer.Exit(1)
        names.write(each for each in names.read() if each != name)
        note(f"{name} is not preferred any more")
        return
    rivals = [info for info in _infos(ctx) if info.name == name and info.state is PluginState.CONFLICT]
    if rivals:
        complain(f"{name} is the name that they fight for: {rivals[0].reason}")
        raise typer.Exit(2)
    names.write([*names.read(), name])
    note(f"{name} wins from now on{_unless_known(ctx, name)}")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its distribution, such as ytworker-feeds.")],
    task_type: Annotated[str | None, typer.Option(metavar="TYPE", help="The task type that it answers.")] = None,
    directory: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to; its name by default.")] = None,
    author: Annotated[str | None, typer.Option(metavar="NAME", help="Who holds the copyright.")] = None,
) -> None:
    """Start a plugin: a project that passes its tests.

    It has a suite with the conformance kit, types, a style and CI, all of which pass at once.
    """
    from ytworker.scaffold import name_project, write_project  # noqa: PLC0415 - only here

    try:
        project = name_project(name, task_type, author)
        folder = directory or Path(project.distribution)
        files = write_project(project, folder)
    except (ValueError, FileExistsError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    except OSError as error:
        complain(f"{folder} cannot be written: {error.strerror}. Choose another folder with --directory")
        raise typer.Exit(1) from None
    for file in files:
        emit(str(file))
    note(f"{project.distribution} answers {project.task_type}. Next:")
    note(f"  cd {shlex.quote(str(folder))}")
    note("  python3 -m venv .venv && . .venv/bin/activate")
    note("  python -m pip install --upgrade pip && python -m pip install --editable . --group dev")
    note("  python -m pytest")


def _require_name(name: str) -> None:
    if not name.strip() or not name.isprintable():
        complain("a plugin's name is not empty and has no control characters in it")
        raise typer.Exit(2)


def _unless_known(ctx: typer.Context, name: str) -> str:
    state: State = ctx.find_object(State) or State()
    infos = discover(state.policy_of_flags()).values()
    known = {text for info in infos for text in (info.name, info.distribution, *info.rivals)}
    return "" if name in known else ", though nothing of that name is installed"


def _infos(ctx: typer.Context) -> list[PluginInfo]:
    """Give what is installed, and what is asked for by name without being installed."""
    state: State = ctx.find_object(State) or State()
    registry = PluginRegistry(state.policy)
    infos = registry.infos()
    known = {text for info in infos for text in (info.name, info.distribution)}
    asked = [name for name in (*state.policy.only, *state.policy.block) if name not in known]
    return [*infos, *(registry.info(name) for name in dict.fromkeys(asked))]


def _find(ctx: typer.Context, name: str) -> list[PluginInfo]:
    """Give the plugins of a name, or of a distribution; one that is not installed is ``missing``."""
    infos = _infos(ctx)
    found = [info for info in infos if info.name == name] or [info for info in infos if info.distribution == name]
    if found:
        return found
    state: State = ctx.find_object(State) or State()
    return [PluginRegistry(state.policy).info(name)]


def _row(info: PluginInfo) -> tuple[object, ...]:
    return info.name, info.kind, info.distribution, info.version, info.state, info.reason or info.summary


def _checked_row(facts: dict[str, Any]) -> tuple[object, ...]:
    seconds = facts.get("load_seconds")
    took = None if seconds is None else f"{seconds * 1000:.0f} ms"
    return facts["name"], facts["kind"], facts["distribution"], facts["status"], took, facts["reason"]


def _parameters(schema: dict[str, Any]) -> list[str]:
    required = schema.get("required", ())
    return [
        f"{name}{' (required)' if name in required else ''}: {field.get('description', '')}"
        for name, field in schema.get("properties", {}).items()
    ]
