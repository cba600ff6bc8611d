"""The layers of the settings: what flags, the environment and the file say, and which of them a value comes from."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as SourceError

from ytworker.errors import SettingsError
from ytworker.settings_sections import PREFIX

_TABLES = tuple(f"{PREFIX}{name}__" for name in ("PLUGINS", "RETRY"))


@dataclass(slots=True)
class Layer:
    """What one source says.

    Attributes:
        values: By the names of settings.
        origin: Names where the value of a dotted path comes from.
    """

    values: dict[str, Any]
    origin: Callable[[str], str]


def from_environment(model: type[BaseSettings]) -> dict[str, Any]:
    """Read the variables that a model has fields for.

    Raises:
        SettingsError: One should be JSON and is not.
    """
    try:
        return EnvSettingsSource(model)()
    except SourceError as error:
        msg = f'a {PREFIX} variable is not valid JSON: {error}. Quote it like \'["a", "b"]\''
        raise SettingsError(msg) from None


def from_file(model: type[BaseSettings], file: Path) -> dict[str, Any]:
    """Read a TOML file; one that is not there holds nothing.

    Raises:
        SettingsError: It cannot be read.
    """
    try:
        return TomlConfigSettingsSource(model, file)() if file.is_file() else {}
    except (ValueError, OSError, RecursionError) as error:  # TOMLDecodeError is a ValueError
        msg = f"{file} cannot be read: {error}"
        raise SettingsError(msg) from None


def unknown_variables(model: type[BaseSettings], *others: str) -> Iterator[str]:
    """Say of each variable with our prefix that nothing reads it: no field of the model, and none of the others."""
    known = {PREFIX + name.upper() for name in model.model_fields} | {*others}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known and not name.startswith(_TABLES):
            bare = [each.removeprefix(PREFIX) for each in sorted(known)]  # the prefix alone makes all names alike
            guess = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1)
            yield f"nothing reads the variable {name}" + (f"; did you mean {PREFIX}{guess[0]}?" if guess else "")


def origins_of(layers: list[Layer]) -> dict[str, str]:
    """Say for each dotted path which layer its value comes from; the first layer wins."""
    origins: dict[str, str] = {}
    for layer in layers:
        for path in _flatten(layer.values):
            origins.setdefault(path, layer.origin(path))
    return origins


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others, table by table."""
    whole = dict(low)
    for key, value in high.items():
        both_tables = isinstance(value, Mapping) and isinstance(whole.get(key), Mapping)
        whole[key] = merged(whole[key], value) if both_tables else value
    return whole
