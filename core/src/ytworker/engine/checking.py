"""Which fields the messages of a child have, and what they may hold.

A plugin can write to the socket, too. What passes here is of the type that the worker reckons with, is finite, and fits
into a date and into a column of the store; what does not is a :class:`TypeError` or a :class:`ValueError` here, and not
somewhere later, where nobody knows any more who said it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from ytworker.engine.messages import Message
from ytworker.model import MAX_COUNT, ErrorClass, to_microseconds

LONGEST_SLEEP = 86_400
"""Seconds that a scrape may sleep at a time; longer than any attempt had better take."""
MAX_NAME = 1_000
"""Characters of a name: of a source, a section, a task type, an exception."""
MAX_NAMES = 100

Check = Callable[[Any], bool]


def check(message: Message) -> None:
    """Look at every field of a message about a task.

    Raises:
        LookupError: There is no such message, or it lacks a field.
        TypeError: It is of a kind that is no text, or a field of a name that is none.
        ValueError: A field holds something else than it should.
    """
    for name, allows in _FIELDS[message["kind"]].items():
        _look_at(name, message[name], allows)
    for name, allows in _OPTIONAL.items():
        if name in message:
            _look_at(name, message[name], allows)


def whole(value: Any, least: int, most: int) -> int:
    """Read a whole number within these bounds.

    Raises:
        ValueError: It is none.
    """
    if not _is_whole(value) or not least <= value <= most:
        msg = f"a whole number from {least} to {most} is wanted, not {value!r:.80}"
        raise ValueError(msg)
    return int(value)


def text(value: Any) -> str:
    """Read a text.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str):
        msg = f"a text is wanted, not {value!r:.80}"
        raise ValueError(msg)  # noqa: TRY004 - one error for whatever a field holds
    return value


def _look_at(name: str, value: Any, allows: Check) -> None:
    if not allows(value):
        msg = f"{name} cannot be {value!r:.80}"
        raise ValueError(msg)


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_cost(value: Any) -> bool:
    return type(value) is int and value > 0  # a price that nobody can pay is refused in words


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_name(value: Any) -> bool:
    return type(value) is str and len(value) <= MAX_NAME


def _is_flag(value: Any) -> bool:
    return type(value) is bool


def _is_object(value: Any) -> bool:
    return type(value) is dict


def _is_anything(_value: Any) -> bool:
    return True


def _or_none(allows: Check) -> Check:
    return lambda value: value is None or allows(value)


def _list_of(allows: Check, most: int) -> Check:
    return lambda value: type(value) is list and len(value) <= most and all(map(allows, value))


def _is_moment(value: Any) -> bool:
    return type(value) is int and _FIRST <= value <= _LAST


def _is_count(value: Any) -> bool:
    return type(value) is int and -MAX_COUNT <= value <= MAX_COUNT


def _exactly(fields: Mapping[str, Check]) -> Check:
    return lambda value: (
        type(value) is dict
        and value.keys() == fields.keys()
        and all(allows(value[name]) for name, allows in fields.items())
    )


def _is_error_class(value: Any) -> bool:
    return type(value) is str and value in _ERROR_CLASSES


_FIRST = to_microseconds(datetime.min.replace(tzinfo=UTC))
_LAST = to_microseconds(datetime.max.replace(tzinfo=UTC))
_ERROR_CLASSES = frozenset(each.value for each in ErrorClass)
_MAX_LIST = 1 << 20
_QUOTA: Mapping[str, Check] = {
    "source": _is_name,
    "bucket": _is_name,
    "limit": _is_whole,
    "zone": _is_name,
    "cost": _is_whole,
}
_ERROR: Mapping[str, Check] = {
    "error_class": _is_error_class,
    "type": _is_text,
    "message": _is_text,
    "traceback": _is_text,
    "fingerprint": _is_name,
    "retry_after": _or_none(_is_number),
    "source": _or_none(_is_name),
    "offline": _is_flag,
}
_FIELDS: Mapping[str, Mapping[str, Check]] = {
    "need": {"sections": _list_of(_is_name, MAX_NAMES)},
    "items": {"items": _list_of(_is_object, _MAX_LIST)},
    "checkpoint": {"value": _is_anything},
    "acquire": {"source": _is_name, "cost": _is_cost, "hold": _is_flag, "paid": _is_flag},
    "leave": {"source": _is_name},
    "hesitate": {"source": _is_name},
    "reserve": _QUOTA,
    "left": _QUOTA,
    "exhaust": _QUOTA,
    "enqueue": {"type": _is_text, "params": _is_object, "options": _is_object},
    "suspect": {"reason": _is_text},
    "poll": {},
    "done": {},
    "failed": {"error": _exactly(_ERROR)},
    "deferred": {"until": _or_none(_is_moment), "reason": _is_text},
}
_OPTIONAL: Mapping[str, Check] = {
    "sleep": lambda value: _is_number(value) and 0 <= value <= LONGEST_SLEEP,
    "doubts": lambda value: type(value) is dict and all(map(_is_text, value.values())),
    "problems": _list_of(_is_text, _MAX_LIST),
    "progress": _exactly({"done": _is_count, "total": _or_none(_is_count), "note": _or_none(_is_text)}),
}
