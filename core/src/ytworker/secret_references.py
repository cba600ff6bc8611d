"""Secrets by reference: a setting says where its value is, and only the process that needs it looks there.

``env:NAME`` is a variable, ``file:/path`` a file (a mounted secret, a credential of systemd), ``keyring:SERVICE/USER``
what the system's keyring holds.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_BYTES = 64 << 10
"""No secret is longer; a path that leads to something else must not fill the memory."""

_OURS = "YTWORKER_"
_REFERENCE = re.compile(r"env:[A-Za-z_]\w*|file:(?:/(?!/)|~/).+|keyring:[^/\s]+/.+", re.DOTALL)


def is_reference(value: object) -> bool:
    """Tell whether a value says where a secret is instead of being one."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def resolve(reference: str) -> str:
    """Look a secret up.

    Args:
        reference: See :func:`is_reference`.

    Raises:
        ValueError: It is not there, or cannot be read; the message holds the reference and never the secret.
    """
    kind, _, place = reference.partition(":")
    value = {"env": _from_variable, "file": _from_file, "keyring": _from_keyring}[kind](place)
    if not value:
        msg = f"{reference} is empty"
        raise ValueError(msg)
    return value


def resolve_all(value: Any) -> tuple[Any, list[str]]:
    """Put secrets in the place of their references, however deep they lie, and give them once more in a list.

    Raises:
        ValueError: See :func:`resolve`.
    """
    found: list[str] = []

    def walk(each: Any) -> Any:
        if is_reference(each):
            found.append(resolve(each))
            return found[-1]
        if isinstance(each, Mapping):
            return {key: walk(inner) for key, inner in each.items()}
        return [walk(inner) for inner in each] if isinstance(each, list) else each

    return walk(value), found


def marks(value: Any) -> list[str]:
    """Tell of each reference, however deep it lies, what changes when its secret does; nobody learns a secret by it.

    Of a variable, which this process has anyway, these are 16 bits of a digest; of a file when it was changed, and its
    size. A keyring is not asked: it may want to be unlocked.
    """
    if isinstance(value, Mapping):
        return [mark for key in sorted(value) for mark in marks(value[key])]
    if isinstance(value, list):
        return [mark for each in value for mark in marks(each)]
    return [_mark(value)] if is_reference(value) else []


def _mark(reference: str) -> str:
    kind, _, place = reference.partition(":")
    try:
        if kind == "env":
            return hashlib.sha256(os.environ[place].encode()).hexdigest()[:4]
        if kind == "file":
            found = Path(place).expanduser().stat()
            return f"{found.st_mtime_ns} {found.st_size}"
    except (KeyError, OSError, RuntimeError, ValueError):
        return "nothing is there"
    return ""


def _from_variable(name: str) -> str:
    if name.upper().startswith(_OURS):
        msg = f"env:{name} names a variable of ours, which no child process gets; choose another name"
        raise ValueError(msg)
    if name not in os.environ:
        msg = f"the variable of env:{name} is not set"
        raise ValueError(msg)
    return os.environ[name].strip()


def _from_file(path: str) -> str:
    try:
        place = Path(path).expanduser()
        if place.exists() and not (place.is_file() or place.is_dir()):
            msg = f"file:{path} cannot be read: it is no regular file"  # a pipe or a terminal might never answer
            raise ValueError(msg)
        with place.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            msg = f"file:{path} is longer than {MAX_BYTES >> 10} KiB, which no secret is"
            raise ValueError(msg)
        return content.decode().strip()
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        why = "it is no text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or error
        msg = f"file:{path} cannot be read: {why}"
        raise ValueError(msg) from None


def _from_keyring(place: str) -> str:
    service, _, user = place.partition("/")
    try:
        import keyring  # noqa: PLC0415 - few need it, so it is no dependency
    except ImportError:
        msg = f"keyring:{place} needs the package keyring: pip install keyring"
        raise ValueError(msg) from None
    try:
        value = keyring.get_password(service, user)
    except Exception as error:
        msg = f"keyring:{place} cannot be read: {type(error).__name__}; is the keyring unlocked?"
        raise ValueError(msg) from error
    if value is None:
        msg = f"keyring:{place} is not there; put it there: keyring set {service} {user}"
        raise ValueError(msg)
    return str(value)
