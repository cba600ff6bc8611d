"""``ytworker config``: the settings and where they come from."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import emit_json, note, show_table
from ytworker.cli.state import State
from ytworker.settings import LoadedSettings

app = make_app(no_args_is_help=True)

_SECRET = re.compile(r"key|token|secret|password|passwd|credential|cookie(?!_file)", re.IGNORECASE)


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
    show_table(("NAME", "VALUE", "ORIGIN"), rows)
    there = "" if state.settings.config.is_file() else " (not there)"
    note(f"config file: {state.settings.config}{there}")


def _rows(settings: LoadedSettings) -> Iterator[tuple[str, Any, str]]:
    values = settings.values.model_dump(mode="json")
    plugins = values.pop("plugins")
    for name, value in values.items():
        yield name, masked(name, value), settings.origins.get(name, "default")
    for name, value in _flat("plugins", plugins):
        yield name, masked(name, value), settings.origins.get(name, "?")


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(f"{prefix}.{key}", value)
        else:
            yield f"{prefix}.{key}", value


def masked(name: str, value: Any) -> Any:
    """Hide what must not be shown: values of telling names, and the password in a URL."""
    if value in (None, "", [], {}):
        return value
    if _SECRET.search(name.rpartition(".")[2]):
        return "********"
    if isinstance(value, str) and "@" in value and "://" in value:
        host = urlsplit(value).netloc.rpartition("@")[2]
        return f"{urlsplit(value).scheme}://********@{host}"
    return value
