"""``ytworker config``: the settings and where they come from."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import emit, emit_json, note
from ytworker.cli.state import State
from ytworker.cli.table import show_table
from ytworker.redaction import masked
from ytworker.secret_references import is_reference, resolve
from ytworker.settings import LoadedSettings

app = make_app(no_args_is_help=True)


@app.callback()
def group() -> None:
    """See the settings and where they come from."""


@app.command()
def show(ctx: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show every setting and where its value came from.

    Secrets are masked.
    """
    state: State = ctx.find_object(State) or State()
    rows = list(_rows(state.settings))
    if json:
        shape = ("name", "value", "origin", "resolves")
        emit_json([dict(zip(shape, (*row, _resolves(row[1])), strict=True)) for row in rows])
        return
    show_table(("NAME", "VALUE", "ORIGIN"), map(_row, rows), wide=("VALUE", "ORIGIN"))
    there = "" if state.settings.config.is_file() else " (not there)"
    note(f"config file: {state.settings.config}{there}")


@app.command()
def path(ctx: typer.Context) -> None:
    """Print where the config file is, or would be; it need not be there."""
    from ytworker.settings import config_path  # noqa: PLC0415 - only here

    state: State = ctx.find_object(State) or State()
    emit(str(config_path(state.config)))


def _row(row: tuple[str, Any, str]) -> tuple[object, ...]:
    name, value, origin = row
    words = {None: "", True: " (there)", False: " (not there)"}[_resolves(value)]
    return name, f"{value}{words}" if words else value, origin


def _resolves(value: Any) -> bool | None:
    """Tell whether a secret is where the setting says; None for what refers to none. The secret itself is not kept."""
    if not is_reference(value):
        return None
    try:
        resolve(value)
    except ValueError:
        return False
    return True


def _rows(settings: LoadedSettings) -> Iterator[tuple[str, Any, str]]:
    values = settings.values.model_dump(mode="json")
    tables = {name: values.pop(name) for name in ("retry", "plugins")}
    for name, value in values.items():
        yield name, masked(name, value), settings.origins.get(name, "default")
    for table, sections in tables.items():
        for name, value in _flat(table, sections):
            yield name, masked(name, value), settings.origins.get(name, "default")


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(f"{prefix}.{key}", value)
        else:
            yield f"{prefix}.{key}", value
