"""Command-line options made from a plugin's parameter model.

Every option is optional here and text: pydantic converts and reports everything at once, so that a missing value, a bad
number and an unknown option stand in one report. What is required, the default, the range and the choices go into the
help instead.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, get_origin

import typer
import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ytworker.cli.lazy import make_app

Parameters = dict[str, Any]
Own = inspect.Parameter
Run = Callable[..., None]

_ANYTHING_GOES = {"ignore_unknown_options": True, "allow_extra_args": True}


def build_command(name: str, summary: str, model: type[BaseModel] | None, own: Run) -> Any:
    """Make the command of one task type.

    Args:
        name: The task type.
        summary: The help.
        model: The plugin's parameters, or None: then ``--param NAME=VALUE`` takes anything.
        own: Called with the context, the given parameters as ``params``, and its own options by name. Its signature
            says what those are; a field of the same name becomes ``--param-NAME``.
    """
    mine = list(inspect.signature(own).parameters.values())[2:]
    taken = {parameter.name for parameter in mine} | {"help"}
    fields = {} if model is None else {f"p_{key}": (key, field) for key, field in model.model_fields.items()}
    options = [_option(key, field, taken, parameter) for parameter, (key, field) in fields.items()]
    if model is None:
        options = [_free_option()]

    def call(ctx: typer.Context, **values: Any) -> None:
        if model is None:
            params = _pairs(values.pop("p_param"), ctx.args)
        else:
            params = {**_given(fields, values), **_leftovers(ctx.args)}
        own(ctx, params, **{key: value for key, value in values.items() if key not in fields})

    call.__signature__ = inspect.Signature([_context(), *options, *mine])  # type: ignore[attr-defined]
    app = make_app()
    app.command(name, help=summary, context_settings=_ANYTHING_GOES)(call)
    return typer.main.get_command(app)


def option_name(field: str, taken: frozenset[str] | set[str] = frozenset()) -> str:
    """Give the option of a field; one that our own commands have already becomes ``--param-NAME``."""
    prefix = "--param-" if field in taken else "--"
    return prefix + field.replace("_", "-")


def _context() -> inspect.Parameter:
    return inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def _option(key: str, field: FieldInfo, taken: set[str], parameter: str) -> inspect.Parameter:
    kind, metavar = _kind(field), _metavar(field)
    name = option_name(field.alias or key, taken)
    if kind is bool:
        name, metavar = f"{name}/--no-{name[2:]}", ""
    option = typer.Option(name, metavar=metavar or None, help=_help(field), show_default=False)
    return _keyword(parameter, Annotated[_optional(kind), option])


def _optional(kind: Any) -> Any:
    return kind | None


def _free_option() -> inspect.Parameter:
    option = typer.Option("--param", metavar="NAME=VALUE", help="A parameter; the value is JSON or text. Repeatable.")
    return _keyword("p_param", Annotated[list[str] | None, option])


def _keyword(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=None)


def _kind(field: FieldInfo) -> Any:
    schema = _schema(field)
    kinds = {part.get("type") for part in (schema, *schema.get("anyOf", ()))} - {"null", None}
    if kinds == {"boolean"}:
        return bool
    return list[str] if kinds == {"array"} else str


def _schema(field: FieldInfo) -> Mapping[str, Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - only where a model is turned into options

    annotation: Any = field.annotation
    metadata = tuple(field.metadata)
    whole: Any = Annotated[(annotation, *metadata)] if metadata and get_origin(annotation) is None else annotation
    return TypeAdapter(whole).json_schema()


def _parts(field: FieldInfo) -> Sequence[Mapping[str, Any]]:
    schema = _schema(field)
    return [part for part in schema.get("anyOf", (schema,)) if part.get("type") != "null"]


def _metavar(field: FieldInfo) -> str:
    part = _parts(field)[0]
    if "enum" in part:
        return "|".join(map(str, part["enum"]))
    return {"integer": "INTEGER", "number": "NUMBER", "object": "JSON"}.get(str(part.get("type")), "TEXT")


def _help(field: FieldInfo) -> str:
    facts = []
    if field.is_required():
        facts.append("required")
    elif field.default not in (None, ...) and field.default_factory is None:
        facts.append(f"default: {field.default}")
    bounds = _bounds(_parts(field)[0])
    if bounds:
        facts.append(bounds)
    tail = f" [{'; '.join(facts)}]" if facts else ""
    return f"{field.description or ''}{tail}".strip()


def _bounds(part: Mapping[str, Any]) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None:
        return f"at least {low}"
    return f"at most {high}" if high is not None else ""


def _given(fields: Mapping[str, tuple[str, FieldInfo]], values: Mapping[str, Any]) -> Parameters:
    given = {}
    for parameter, (key, field) in fields.items():
        value = values.get(parameter)
        if value is not None:
            given[field.alias or key] = _json_or_text(value) if _metavar(field) == "JSON" else value
    return given


def _pairs(pairs: Sequence[str] | None, leftovers: Sequence[str]) -> Parameters:
    if leftovers:
        msg = f"this task type takes its parameters as --param NAME=VALUE; not understood: {' '.join(leftovers)}"
        raise typer.BadParameter(msg)
    params = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            msg = f"--param takes NAME=VALUE, not {pair!r}"
            raise typer.BadParameter(msg)
        params[name] = _json_or_text(value)
    return params


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _leftovers(args: Sequence[str]) -> Parameters:
    """Turn what the parser did not know into parameters, so that the model reports them with everything else."""
    unknown: Parameters = {}
    skip = False
    for number, arg in enumerate(args):
        if skip:
            skip = False
            continue
        name, equals, value = arg.partition("=")
        if not name.startswith("-"):
            unknown[arg] = "given without an option"
            continue
        following = args[number + 1] if number + 1 < len(args) and not args[number + 1].startswith("-") else None
        skip = not equals and following is not None
        unknown[name.lstrip("-").replace("-", "_") or name] = value if equals else (following or "")
    return unknown
