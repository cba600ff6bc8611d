"""Checking task parameters against a plugin's model: every problem at once, unknown names included."""

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from ytworker.errors import ParametersError

MAX_BYTES = 1 << 20
"""Parameters are instructions, not data: a mebibyte of JSON is more than any scrape needs."""


def validate(task_type: str, model: type[BaseModel] | None, params: Mapping[str, Any]) -> BaseModel | dict[str, Any]:
    """Check parameters.

    Args:
        task_type: For the messages.
        model: The plugin's model, or None where it takes any JSON object.
        params: What was given.

    Returns:
        An instance of the model, or a plain dict where there is none.

    Raises:
        ParametersError: With every problem.
    """
    problems = list(_not_json(params))
    if problems:
        raise ParametersError(task_type, problems)
    if model is None:
        return dict(params)
    problems = [*_unknown(model, params), *_secret(model, params)]
    known = {name: value for name, value in params.items() if name in _names(model)}
    try:
        valid = model.model_validate(known)
    except ValidationError as error:
        problems += [_describe(problem) for problem in error.errors(include_url=False)]
    if problems:
        raise ParametersError(task_type, problems)
    return valid


def as_json(params: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    """Give checked parameters as they are stored: what was set, in JSON types."""
    if isinstance(params, BaseModel):
        return params.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return dict(params)


def _not_json(params: Mapping[str, Any]) -> Iterator[str]:
    try:
        size = len(json.dumps(params, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        yield f"parameters must be JSON: {error}"
        return
    if size > MAX_BYTES:
        yield f"parameters take {size} bytes as JSON, at most {MAX_BYTES} are allowed; pass a reference instead"


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _unknown(model: type[BaseModel], params: Mapping[str, Any]) -> Iterator[str]:
    names = _names(model)
    for name in params:
        if name not in names:
            guess = difflib.get_close_matches(name, names, n=1)
            yield f"{name}: unknown parameter" + (
                f"; did you mean {guess[0]}?" if guess else f"; known are {', '.join(sorted(names))}"
            )


def _secret(model: type[BaseModel], params: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(params.keys() & _secret_fields(model)):
        yield f"{name}: a secret belongs into the plugin's settings, never into a task: tasks are stored and shown"


@cache
def _secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """Name the fields that hold secrets, such as ``SecretStr``: their JSON Schema says ``writeOnly``."""
    try:
        fields = model.model_json_schema().get("properties", {})
    except PydanticInvalidForJsonSchema:
        return frozenset()
    return frozenset(
        name
        for name, field in fields.items()
        if any(part.get("writeOnly") for part in (field, *field.get("anyOf", ())))
    )


def _describe(problem: Mapping[str, Any]) -> str:
    where = ".".join(map(str, problem["loc"]))
    text = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "missing":
        text = "is required"
    return f"{where}: {text}" if where else text
