"""``ytworker enqueue``: put tasks into the queue."""

import json as jsonlib
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import complain, emit, emit_json
from ytworker.cli.state import State
from ytworker.cli.task_types import TaskTypeGroup, in_options
from ytworker.errors import ParametersError, PluginUnavailableError
from ytworker.model import NewTask
from ytworker.service import Service

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_OPTIONS = {
    "priority": "priority",
    "at": "run_at",
    "key": "key",
    "max_attempts": "max_attempts",
    "timeout": "timeout_seconds",
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
    max_attempts: Annotated[int | None, typer.Option(metavar="N", help="How many attempts may count.")] = None,
    from_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read tasks from JSON Lines; - is standard input.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the ids as JSON.")] = False,
) -> None:
    """Put tasks into the queue and print their ids."""
    state: State = ctx.find_object(State) or State()
    task_type = str(ctx.info_name)
    if from_file is not None and (params or any(each is not None for each in (priority, at, after, key, max_attempts))):
        msg = "--from-file takes everything from its lines; leave out the parameters and the other options"
        raise typer.BadParameter(msg)
    with state.service() as service:
        if from_file is not None:
            tasks = _from_file(service, task_type, from_file)
        else:
            options = {"priority": priority, "key": key, "max_attempts": max_attempts, "run_at": _moment(at, after)}
            tasks = [_from_options(service, task_type, params, options)]
        ids = service.enqueue_many(tasks)
    if json:
        emit_json({"ids": ids})
    else:
        for task_id in ids:
            emit(task_id)


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
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        complain(f"{file} cannot be read: {error}")
        raise typer.Exit(2) from None
    yield from text.split("\n")  # and nowhere else: JSON may hold the other line breaks of Unicode as they are


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
        options["run_at"] = _time(str(options["run_at"]))
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
            return _time(at)
        return None if after is None else datetime.now(UTC) + _span(after)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error)) from None


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no time; write 2026-12-01T09:00:00Z, or without Z for local time"
        raise ValueError(msg) from None
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        msg = f"{text!r} is too far away"
        raise ValueError(msg) from None


def _span(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})\s*([smhd])", text.strip())
    if match is None:
        msg = f"{text!r} is no span; write 90s, 10m, 2h or 1d"
        raise ValueError(msg)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


class EnqueueGroup(TaskTypeGroup):
    """One command for each task type that enqueues it."""

    own = staticmethod(enqueue)


app = make_app(cls=EnqueueGroup, no_args_is_help=True)


@app.callback()
def group() -> None:
    """Put tasks into the queue. `ytworker enqueue TYPE --help` shows its parameters."""
