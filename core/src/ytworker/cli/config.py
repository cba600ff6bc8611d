"""``ytworker config``: the settings and where they come from."""

import json as jsonlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import emit_json, note, show_table
from ytworker.cli.state import State
from ytworker.settings import LoadedSettings

app = make_app(no_args_is_help=True)

_SECRET = re.compile(r"key(?!word)|token|secret|passw|credential|cookie(?!_file)", re.IGNORECASE)
_LOGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)?(?P<login>.*)@", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(r"([?&][^=&\s]*(?:key|token|secret|passw)[^=&\s]*=)[^&\s]+", re.IGNORECASE)
_HIDDEN = "********"


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
    """Hide what must not be shown: values of telling names, and logins in URLs, however deep they lie."""
    if ".extractor_args" in name:  # tokens and visitor data are handed to yt-dlp here, under names of its own
        return _HIDDEN
    own = name.split(".")[2:] if name.startswith("plugins.") else [name]  # a section's name is no secret
    if value in (None, "", [], {}):
        return value
    return _HIDDEN if any(map(_SECRET.search, own)) else _hide(value)


def _hide(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: masked(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(each) for each in value]
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("[", "{")):  # what comes from a variable is still text
        with suppress(ValueError, RecursionError):
            return jsonlib.dumps(_hide(jsonlib.loads(value)))
    return _QUERY.sub(rf"\1{_HIDDEN}", _without_login(value))


def _without_login(text: str) -> str:
    """Hide what stands before the last @ of a URL or a bare ``user:password@host``; a handle such as @NASA stays."""
    match = _LOGIN.match(text)
    if match is None or not (":" in match["login"] or (match["scheme"] and "/" not in match["login"])):
        return text
    return f"{match['scheme'] or ''}{_HIDDEN}@{text[match.end() :]}"
