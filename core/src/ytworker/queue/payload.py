"""What a task carries, as text: JSON objects of a sane size and nothing else. Every backend writes with these."""

import json
from collections.abc import Mapping
from typing import Any

from ytworker.errors import PayloadError
from ytworker.model import NewTask

MAX_PARAMS_BYTES = 1 << 20
"""A task says what to do; what it finds goes into items."""

MAX_PRIORITY = 10
MAX_DEPTH = 100
"""Python's parser gives up at a depth that depends on who calls it; what is stored must be readable by everybody."""

_TOO_LARGE = 2**63

_decode = json.JSONDecoder().raw_decode
_encode = json.JSONEncoder(allow_nan=False).encode  # json.dumps would build an encoder at every call


def encode_task(task: NewTask) -> str:
    """Check a task at the last door before the store, and write its parameters as JSON.

    Raises:
        PayloadError: As :func:`encode_params`, or one of its numbers makes no sense.
    """
    priority: Any = task.priority  # nobody has checked what stands in it
    max_attempts: Any = task.max_attempts
    run_at: Any = task.run_at
    depth: Any = task.depth
    whole = isinstance(priority, int) and isinstance(max_attempts, int) and isinstance(run_at, int | None)
    fits = whole and 1 <= priority <= MAX_PRIORITY and 1 <= max_attempts < _TOO_LARGE and task.timeout_seconds > 0
    fits = fits and isinstance(depth, int) and 0 <= depth < _TOO_LARGE
    if not (fits and (run_at is None or abs(run_at) < _TOO_LARGE)):
        msg = (
            f"a task has a priority from 1 to {MAX_PRIORITY}, at least one attempt, more than 0 seconds for each, a "
            f"time in whole microseconds and a depth from 0 on; this one has {task.priority}, {task.max_attempts}, "
            f"{task.timeout_seconds}, {task.run_at} and {task.depth}"
        )
        raise PayloadError(msg)
    return encode_params(task.params)


def encode_params(params: Mapping[str, Any]) -> str:
    """Write parameters as JSON.

    Raises:
        PayloadError: They are no JSON object, or larger than :data:`MAX_PARAMS_BYTES`.
    """
    if type(params) is not dict and not isinstance(params, Mapping):
        msg = f"parameters are a JSON object, such as {{'name': 'value'}}; this is a {type(params).__name__}"
        raise PayloadError(msg)
    text = encode_json(params if type(params) is dict else dict(params), "the parameters")
    if len(text) > MAX_PARAMS_BYTES:
        msg = (
            f"the parameters take {len(text):,} bytes as JSON, at most {MAX_PARAMS_BYTES:,} are stored. "
            "Put large data into a file and its path into the parameters"
        )
        raise PayloadError(msg)
    return text


def encode_json(value: Any, what: str) -> str:
    """Write any JSON value; ``what`` names it in the error.

    Raises:
        PayloadError: It is none.
    """
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"{what} cannot be written as JSON: {str(error) or 'it is nested too deeply'}"
        raise PayloadError(msg) from error
    # Counting brackets is cheap, and mostly enough; only where there are many is it worth to look at their nesting.
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        msg = f"{what} are nested more than {MAX_DEPTH} deep; nobody could be sure to read them again"
        raise PayloadError(msg)
    return text


def decode_json(text: str) -> Any:
    """Read a JSON value; ``json.loads`` takes twice as long for a short one, since it looks for blanks by patterns.

    Raises:
        ValueError: It is no JSON.
    """
    text = text.strip()
    value, end = _decode(text)
    if end != len(text):
        msg = f"there is more after the JSON value, from character {end} on"
        raise ValueError(msg)
    return value


def _depth(value: Any) -> int:
    """Give how deep a JSON value is nested, without recursion."""
    deepest, level = 0, [value]
    while level:
        level = [
            inner
            for each in level
            if isinstance(each, Mapping | list | tuple)
            for inner in (each.values() if isinstance(each, Mapping) else each)
        ]
        deepest += 1
    return deepest - 1
