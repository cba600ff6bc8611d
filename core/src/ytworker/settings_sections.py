"""The sections of plugins, ``[plugins.NAME]``: from raw values to the model, in the process that runs the plugin."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ytworker.errors import SettingsError
from ytworker.redaction import remember, remember_secrets
from ytworker.secret_references import resolve_all

PREFIX = "YTWORKER_"
Model = TypeVar("Model", bound=BaseModel)


def variable(*path: str) -> str:
    """Name the variable that sets a value, such as ``YTWORKER_PLUGINS__YTDLP__PROXY``."""
    return PREFIX + "__".join(path).upper()


def decode_section(name: str, model: type[Model], raw: Mapping[str, Any]) -> Model:
    """Turn the raw values of ``[plugins.NAME]`` into the plugin's model.

    What came from the environment is text: lists and tables in it are JSON, a list may also be comma-separated. What
    refers to a secret is looked up here, in the process that needs it, and learnt by heart.

    Raises:
        SettingsError: A value does not fit, nothing reads it, or a secret is not where the setting says. The message
            names the setting and its variable.
    """
    remember(raw)
    values = {key: _looked_up(name, key, _decode(model, key, value)) for key, value in raw.items()}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(('plugins', name, *map(str, problem['loc'])))}: {problem['msg']} "
            f"(also set by {variable('plugins', name, *map(str, problem['loc'][:1]))})"
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise SettingsError(problems) from None


def _looked_up(name: str, key: str, value: Any) -> Any:
    try:
        whole, secrets = resolve_all(value)
    except ValueError as error:
        msg = f"plugins.{name}.{key} (also {variable('plugins', name, key)}) refers to a secret, but {error}"
        raise SettingsError(msg) from None
    remember_secrets(secrets)
    return whole


def _decode(model: type[BaseModel], key: str, value: Any) -> Any:
    if not isinstance(value, str) or key not in model.model_fields:
        return value
    schema = model.model_json_schema()["properties"].get(key, {})
    parts = (schema, *schema.get("anyOf", ()))
    kinds = {"object" if "$ref" in part else part.get("type") for part in parts}
    if not kinds & {"array", "object"} or "string" in kinds:
        return value
    try:
        decoded = json.loads(value)
    except (ValueError, RecursionError):
        decoded = value
    if decoded is None or isinstance(decoded, list | dict):
        return decoded
    listed = "array" in kinds and not value.lstrip().startswith("[")
    return [part.strip() for part in value.split(",") if part.strip()] if listed else value
