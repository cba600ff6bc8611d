"""``ytworker plugins``: see and choose what is installed. Listing imports nothing."""

import json as jsonlib
import subprocess
import sys
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import complain, emit_json, note, show_facts, show_table
from ytworker.cli.state import State
from ytworker.plugins.discovery import PluginInfo, PluginKind, PluginState, discover
from ytworker.plugins.registry import PluginRegistry
from ytworker.settings import read_blocklist, write_blocklist

LOAD_SECONDS = 30
"""How long a plugin may take to import before ``plugins show`` gives up on it."""

app = make_app(no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The plugin, or its distribution.")]


@app.callback()
def group() -> None:
    """See and choose what is installed."""


@app.command("list")
def list_plugins(ctx: typer.Context, json: _Json = False) -> None:
    """List plugins with their state; nothing is imported."""
    infos = _infos(ctx)
    if json:
        emit_json([info.to_json() for info in infos])
        return
    show_table(("NAME", "KIND", "DISTRIBUTION", "VERSION", "STATUS", "SUMMARY"), map(_row, infos))
    if not any(info.kind is PluginKind.WORKER for info in infos):
        note(
            f"no worker plugin is installed for {sys.executable}; try: {sys.executable} -m pip install ytworker-channel"
        )


@app.command()
def show(ctx: typer.Context, name: _Name, json: _Json = False) -> None:
    """Show one plugin; it is loaded in a process of its own, so a broken one harms nothing."""
    info = _find(ctx, name)
    facts: dict[str, Any] = info.to_json()
    if info.state is PluginState.FOUND and info.kind is PluginKind.WORKER:
        facts.update(_load_apart(info))
    if json:
        emit_json(facts)
    else:
        parameters = facts.pop("parameters", None) or {}
        show_facts([*facts.items(), *(("parameter", line) for line in _parameters(parameters))])
    if info.state is PluginState.MISSING:
        raise typer.Exit(1)


@app.command()
def block(ctx: typer.Context, name: _Name) -> None:
    """Switch a plugin off for good: it is never imported."""
    if not name.strip() or not name.isprintable():
        complain("a plugin's name is not empty and has no control characters in it")
        raise typer.Exit(2)
    state: State = ctx.find_object(State) or State()
    write_blocklist([*read_blocklist(), name])
    known = {text for info in discover(state.policy_of_flags()).values() for text in (info.name, info.distribution)}
    note(f"{name} is blocked" if name in known else f"{name} is blocked, though nothing of that name is installed")


@app.command()
def unblock(name: _Name) -> None:
    """Switch a plugin on again."""
    blocked = read_blocklist()
    if name not in blocked:
        complain(f"{name} is not blocked; blocked are: {', '.join(blocked) or 'none'}")
        raise typer.Exit(1)
    write_blocklist(each for each in blocked if each != name)
    note(f"{name} is not blocked any more")


def _infos(ctx: typer.Context) -> list[PluginInfo]:
    """Give what is installed, and what is asked for by name without being installed."""
    state: State = ctx.find_object(State) or State()
    registry = PluginRegistry(state.policy)
    infos = registry.infos()
    known = {text for info in infos for text in (info.name, info.distribution)}
    asked = [name for name in (*state.policy.only, *state.policy.block) if name not in known]
    return [*infos, *(registry.info(name) for name in dict.fromkeys(asked))]


def _find(ctx: typer.Context, name: str) -> PluginInfo:
    infos = _infos(ctx)
    found = [info for info in infos if info.name == name] or [info for info in infos if info.distribution == name]
    if found:
        return found[0]
    state: State = ctx.find_object(State) or State()
    return PluginRegistry(state.policy).info(name)


def _row(info: PluginInfo) -> tuple[object, ...]:
    return info.name, info.kind, info.distribution, info.version, info.state, info.reason or info.summary


def _load_apart(info: PluginInfo) -> dict[str, Any]:
    command = [sys.executable, "-m", "ytworker.plugins.probe", info.name, info.distribution or ""]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LOAD_SECONDS, check=True)  # noqa: S603 - our own module, a name from metadata
        return dict(jsonlib.loads(done.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        reason = f"it did not load within {LOAD_SECONDS} s"
    except (subprocess.CalledProcessError, ValueError, IndexError):
        reason = "it ended the process that loaded it"
    return {"status": PluginState.BROKEN.value, "reason": f"{reason}; `ytworker plugins block {info.name}`"}


def _parameters(schema: dict[str, Any]) -> list[str]:
    required = schema.get("required", ())
    return [
        f"{name}{' (required)' if name in required else ''}: {field.get('description', '')}"
        for name, field in schema.get("properties", {}).items()
    ]
