"""The messages between a worker and the process that runs a plugin: JSON objects, one a line.

To the child go ``task`` and the replies; from the child come ``need``, ``items``, ``checkpoint``, ``acquire``,
``hesitate``, ``reserve``, ``left``, ``exhaust``, ``enqueue``, ``suspect`` and ``poll``, and at the end exactly one of
``done``, ``failed`` and ``deferred``. Each says right after its kind which attempt it is ``of``, as the ``task`` did:
nothing may come any more of one that had its last words, least of all for the next one. What else they hold is looked
at in :mod:`ytworker.engine.checking`.

With ``items`` come ``doubts``: why single ones of them, by their place, are to be kept apart. Any message may bring
along how far the scrape is: ``progress`` with ``done``, ``total`` and ``note``. Each is answered by one object;
``{"stop": reason}`` in an answer ends the scrape, ``{"error": …}`` raises in it, and so does ``{"type": …,
"problems": […]}``, which tells what is wrong with the parameters of a follow-up task. Only ``leave``, the end of a
request, gets no answer: nobody has to wait for that.

A child that is a process of its own is greeted with one ``hello``. It may be handed its next tasks before the last
words of the one before, and begins them when its gate lets it (:mod:`ytworker.engine.gate`); last words get no answer
then. What it logs (``log``) and how it is (``state``: its size, what it loads, what it cannot use) it sends without
waiting for an answer.
"""

import json
from dataclasses import asdict
from typing import Any, NoReturn

from ytworker.model import Claim, ErrorClass, ErrorInfo, Task, TaskStatus
from ytworker.redaction import redact, source_name

Message = dict[str, Any]

LAST_WORDS = frozenset({"done", "failed", "deferred"})
MAX_LINE = 16 << 20
"""Bytes. Items travel in batches and a checkpoint takes 1 MiB, so only a single huge item comes near."""


def encode(message: Message) -> str:
    """Write a message as one line of JSON.

    Raises:
        TypeError: It holds something that JSON has no form for.
        ValueError: It holds a number that JSON has no form for.
    """
    return json.dumps(message, allow_nan=False, separators=(",", ":"))


def encode_about(attempt: str, message: Message) -> str:
    """Write a message of a child about the attempt of this name; see :func:`encode`."""
    return encode({"kind": message["kind"], "of": attempt, **message})


def decode(line: str) -> Message:
    """Read a message.

    Raises:
        TypeError: It is no object.
        ValueError: It is no JSON, which has no NaN and no infinity.
    """
    message = _decoder.decode(line)
    if not isinstance(message, dict):
        msg = f"a message is a JSON object, not {type(message).__name__}"
        raise TypeError(msg)
    return message


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is no JSON"
    raise ValueError(msg)


_decoder = json.JSONDecoder(parse_constant=_refuse)


def name_of(claim: Claim) -> str:
    """Name an attempt: no other one of any task has this name."""
    return f"{claim.task.id}-{claim.fence}"


def task_message(claim: Claim) -> Message:
    """Tell a child what to do."""
    task = claim.task
    return {
        "kind": "task",
        "of": name_of(claim),
        "id": task.id,
        "type": task.type,
        "params": dict(task.params),
        "priority": task.priority,
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
        "timeout_seconds": task.timeout_seconds,
        "created_at": task.created_at,
        "checkpoint": claim.checkpoint,
        "stored": claim.stored,
    }


def is_a(kind: str, line: str) -> bool:
    """Tell whether a line is a message of this kind without reading all of it; :func:`encode` writes the kind first."""
    return line.startswith(f'{{"kind":"{kind}"')


def task_of(message: Message) -> Task:
    """Read the task that a child is told to do."""
    names = ("id", "type", "params", "priority", "attempt", "max_attempts", "timeout_seconds", "created_at")
    return Task(state=TaskStatus.CLAIMED, **{name: message[name] for name in names})


def error_message(error: ErrorInfo) -> Message:
    """Tell the worker how a task failed."""
    return {"kind": "failed", "error": {**asdict(error), "offline": bool(error.offline)}}


def error_of(message: Message) -> ErrorInfo:
    """Read how a task failed; what is stored and shown of it holds no secret that the worker knows."""
    values = dict(message["error"])
    values.update({name: redact(values[name]) for name in ("message", "traceback")})
    if values.get("source") is not None:
        values["source"] = source_name(values["source"])
    return ErrorInfo(error_class=ErrorClass(values.pop("error_class")), **values)
