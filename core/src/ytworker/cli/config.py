"""``ytworker config``: the settings and where they come from."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import emit_json, note, show_table
from ytworker.cli.state import State
from ytworker.redaction import masked
from ytworker.settings import LoadedSettings

app = make_app(no_args_is_help=True)


@app.callback()
def group() -> None:
    """See the settings and where they come from."""


@app.command()
def show(ctx: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show every setting, its value and where the value came from; secrets are masked."""
    state: State = ctx.find_object(State) or State()
    rows = list(_rows(state.settings))
    if json:
        emit_json([{"name": name, "value": value, "origin": origin} for name, value, origin in rows])
        return
    show_table(("NAME", "VALUE", "ORIGIN"), rows, wide=("VALUE", "ORIGIN"))
    there = "" if state.settings.config.is_file() else " (not there)"
    note(f"config file: {state.settings.config}{there}")


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
