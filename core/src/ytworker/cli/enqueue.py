"""``ytworker enqueue``: put tasks into the queue."""

import json as jsonlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import complain, counted, emit, emit_json, note
from ytworker.cli.state import State
from ytworker.cli.task_types import TaskTypeGroup, in_options
from ytworker.cli.times import moment, span
from ytworker.errors import ParametersError, PluginUnavailableError
from ytworker.model import NewTask, Origin
from ytworker.queue import Enqueued
from ytworker.service import Service

MAX_LINE = 8 << 20
"""Characters. What parameters may take as JSON is far less, however it is escaped."""
_CURE = "write one task a line, as a JSON object, and put large data into a file of its own"

_OPTIONS = {
    "priority": "priority",
    "at": "run_at",
    "key": "key",
    "max_attempts": "max_attempts",
    "timeout": "timeout_seconds",
    "unique": "unique",
    "on_conflict": "on_conflict",
}


def enqueue(  # noqa: PLR0913 - each is an option that people type
    ctx: typer.Context,
    params: dict[str, Any],
    *,
    priority: Annotated[int | None, typer.Option(metavar="1..10", help="10 goes first. [default: 5]")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not before this time, such as 2026-12-01T09:00Z.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--in", metavar="SPAN", help="Not before so long: 90s, 10m, 2h, 1d.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="TEXT", help="At most one live task has this key.")] = None,
    unique: Annotated[
        str | None,
        typer.Option(metavar="live|queued", help="The key is taken until its task ends, or until it starts."),
    ] = None,
    on_conflict: Annotated[
        str | None,
        typer.Option(
            metavar="keep|replace|raise-priority", help="What becomes of the task that has the key. [default: keep]"
        ),
    ] = None,
    max_attempts: Annotated[int | None, typer.Option(metavar="N", help="How many attempts may count.")] = None,
    from_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read tasks from JSON Lines; - is standard input.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the ids as JSON.")] = False,
) -> None:
    """Put tasks into the queue and print their ids."""
    state: State = ctx.find_object(State) or State()
    task_type = str(ctx.info_name)
    given = (priority, at, after, key, unique, on_conflict, max_attempts)
    if from_file is not None and (params or any(each is not None for each in given)):
        msg = "--from-file takes everything from its lines; leave out the parameters and the other options"
        raise typer.BadParameter(msg)
    with state.service() as service:
        if from_file is not None:
            tasks = _from_file(service, task_type, from_file)
        else:
            options = {"priority": priority, "key": key, "max_attempts": max_attempts, "run_at": _moment(at, after)}
            options |= {"unique": unique, "on_conflict": on_conflict}
            tasks = [_from_options(service, task_type, params, options)]
        results = service.queue.enqueue([replace(task, origin=Origin.CLI) for task in tasks])
    if json:
        emit_json({"ids": [str(result.id) for result in results]})
    else:
        for result in results:
            emit(str(result.id))
    _tell_conflicts(results)


def _tell_conflicts(results: Sequence[Enqueued]) -> None:
    """Say where a task with the key was there: the number on stdout looks the same."""
    old = [result for result in results if not result.created]
    changed = sum(result.changed for result in old)
    if len(results) == 1 and old:
        note(f"task {old[0].id} has this key already; it was {'changed' if changed else 'left as it is'}")
    elif old:
        note(f"{counted(len(old), 'line')} met a task with the same key; {changed or 'none'} of these tasks changed")


def _from_options(service: Service, task_type: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> NewTask:
    try:
        return service.check(task_type, params, **options)
    except ParametersError as error:
        complain(f"{task_type}: nothing was enqueued", *in_options(error, enqueue))
        raise typer.Exit(2) from None


def _from_file(service: Service, task_type: str, file: Path) -> list[NewTask]:
    """Check every line; one bad line is enough to enqueue nothing."""
    tasks: list[NewTask] = []
    problems: list[str] = []
    for number, line in enumerate(_lines(file), 1):
        try:
            tasks += [_from_line(service, task_type, line)] if line.strip() else []
        except (ParametersError, PluginUnavailableError, ValueError) as error:
            problems.append(f"line {number}: {error}")
    if problems:
        complain(f"{file}: nothing was enqueued", *problems)
        raise typer.Exit(2)
    return tasks


def _lines(file: Path) -> Iterator[str]:
    try:
        with nullcontext(sys.stdin) if str(file) == "-" else file.open(encoding="utf-8-sig") as stream:
            # Never all at once, or a device without an end would fill the memory.
            for number, line in enumerate(iter(partial(stream.readline, MAX_LINE + 1), ""), 1):
                if len(line) > MAX_LINE:
                    complain(
                        f"{file}: line {number} is longer than {MAX_LINE:,} characters; nothing was enqueued", _CURE
                    )
                    raise typer.Exit(2)
                yield line
    except (OSError, ValueError) as error:
        complain(f"{file} cannot be read: {error}")
        raise typer.Exit(2) from None


def _from_line(service: Service, task_type: str, line: str) -> NewTask:
    try:
        entry = jsonlib.loads(line)
    except RecursionError:
        msg = "it is nested too deeply"
        raise ValueError(msg) from None
    if not isinstance(entry, dict):
        msg = "a line is a JSON object with type and params"
        raise ValueError(msg)  # noqa: TRY004 - the caller reports bad lines as one kind
    unknown = entry.keys() - _OPTIONS.keys() - {"type", "params"}
    if unknown:
        msg = f"unknown fields: {', '.join(sorted(unknown))}; known are type, params, {', '.join(_OPTIONS)}"
        raise ValueError(msg)
    options = {ours: entry[theirs] for theirs, ours in _OPTIONS.items() if entry.get(theirs) is not None}
    if "run_at" in options:
        options["run_at"] = moment(str(options["run_at"]))
    params = entry.get("params", {})
    if not isinstance(params, dict):
        msg = "params is a JSON object"
        raise ValueError(msg)  # noqa: TRY004
    return service.check(str(entry.get("type", task_type)), params, **options)


def _moment(at: str | None, after: str | None) -> datetime | None:
    if at is not None and after is not None:
        msg = "give --at or --in, not both"
        raise typer.BadParameter(msg)
    try:
        if at is not None:
            return moment(at)
        return None if after is None else datetime.now(UTC) + span(after)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error)) from None


class EnqueueGroup(TaskTypeGroup):
    """One command for each task type that enqueues it."""

    own = staticmethod(enqueue)


app = make_app(cls=EnqueueGroup, no_args_is_help=True)


@app.callback()
def group() -> None:
    """Put tasks into the queue. `ytworker enqueue TYPE --help` shows its parameters."""
