"""``ytworker tasks``: look at tasks, cancel them, do them again."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from ytworker.cli.filters import (
    Before,
    Classes,
    Everything,
    Fingerprints,
    Ids,
    Limit,
    Since,
    States,
    Types,
    refuse_unclear,
    task_filter,
)
from ytworker.cli.lazy import make_app
from ytworker.cli.output import (
    as_json,
    counted,
    emit,
    emit_json,
    in_local_time,
    note,
    show_facts,
)
from ytworker.cli.shapes import shape_of, shown_params
from ytworker.cli.state import State
from ytworker.cli.table import show_table
from ytworker.errors import QueueError, TaskNotFoundError
from ytworker.model import Task, TaskStatus, rfc3339
from ytworker.queue import Attempt, Event, ItemFilter
from ytworker.redaction import printable, redact
from ytworker.service import Service
from ytworker.tending import ENDED

app = make_app(no_args_is_help=True)

_PARAMS_SHOWN = 60

TaskIds = Annotated[list[int], typer.Argument(metavar="ID", help="The numbers that enqueue printed.")]


@app.callback()
def group() -> None:
    """Look at tasks, cancel them, do them again."""


@app.command("list")
def list_tasks(  # noqa: PLR0913, PLR0917 - each is an option that people type
    ctx: typer.Context,
    states: States = None,
    types: Types = None,
    classes: Classes = None,
    fingerprints: Fingerprints = None,
    since: Since = None,
    before: Before = None,
    ids: Ids = None,
    limit: Limit = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tasks, newest first."""
    which = task_filter(
        states=states,
        types=types,
        classes=classes,
        fingerprints=fingerprints,
        since=since,
        before=before,
        ids=ids,
        limit=limit,
    )
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        found = service.tasks(which)
    if json:
        emit_json([shape_of(task) for task in found])
    elif not found:
        note("no such task; `ytworker enqueue TYPE` makes one, `ytworker scrape TYPE` does one now")
    else:
        show_tasks(found)


@app.command()
def show(
    ctx: typer.Context,
    task_id: Annotated[int, typer.Argument(metavar="ID", help="The number that enqueue printed.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one task with its whole history."""
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        show_task(service, find(service, task_id), json=json)


@app.command()
def cancel(
    ctx: typer.Context,
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID", help="The numbers that enqueue printed.")] = None,
    types: Types = None,
    states: States = None,
    everything: Everything = False,
) -> None:
    """End tasks that wait or run. A running one stops at its next look, and stores nothing more.

    Name them by ID, or choose them with --type and --state.
    """
    which = task_filter(types=types, states=states)
    if ids and (types or states or everything):
        msg = "give ids or --type, --state and --all, not both"
        raise typer.BadParameter(msg)
    if set(which.states or ()) & set(ENDED):
        msg = f"what has ended cannot be cancelled; --state takes {', '.join(s for s in TaskStatus if s not in ENDED)}"
        raise typer.BadParameter(msg)
    if not ids:
        refuse_unclear(which, everything=everything, hint="name tasks by ID, choose them with --type and --state")
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        count = service.cancel(_living(service, ids)) if ids else service.cancel(which)
    note(f"{counted(count, 'task')} cancelled" + ("; `ytworker tasks retry ID` queues one again" if count else ""))
    if ids and count < len(set(ids)):
        raise typer.Exit(1)


@app.command()
def retry(ctx: typer.Context, ids: TaskIds) -> None:
    """Queue dead and cancelled tasks again. All their attempts are before them."""
    state: State = ctx.find_object(State) or State()
    count = 0
    with state.service() as service:
        for task_id in dict.fromkeys(ids):
            try:
                service.retry(task_id)
                count += 1
            except QueueError as error:
                note(f"error: {error}")
    note(f"{counted(count, 'task')} queued again" + ("; `ytworker run` does what is queued" if count else ""))
    if count < len(set(ids)):
        raise typer.Exit(1)


def find(service: Service, task_id: int) -> Task:
    """Give a task, or leave and say that it is not there."""
    try:
        return service.task(task_id)
    except TaskNotFoundError as error:
        note(f"error: {error}")
        raise typer.Exit(1) from None


def show_task(service: Service, task: Task, *, json: bool) -> None:
    """Print one task with its history."""
    attempts, events = service.queue.attempts(task.id), service.events(task.id)
    items = sum(1 for _ in service.items(ItemFilter(task_id=task.id)))
    apart = sum(1 for _ in service.items(ItemFilter(task_id=task.id, suspect=True)))
    if json:
        history = {"attempts": [_attempt(each) for each in attempts], "events": [_event(each) for each in events]}
        emit_json({**shape_of(task), "items": items, "kept_apart": apart, **history})
    else:
        _show(task, attempts, events, {"items": items, "kept_apart": apart})


def _living(service: Service, ids: Sequence[int]) -> list[int]:
    """Give the tasks that can be cancelled, and say of the others why not."""
    living = []
    for task_id in dict.fromkeys(ids):
        try:
            task = service.queue.get(task_id)
        except TaskNotFoundError as error:
            note(f"error: {error}")
            continue
        if task.state in ENDED:
            note(f"error: task {task_id} is {task.state} already; there is nothing to cancel")
        else:
            living.append(task_id)
    return living


def show_tasks(tasks: Sequence[Task], *, causes: bool = False) -> None:
    """Print tasks as a table.

    Args:
        tasks: What to show.
        causes: Whether to show the fingerprints of their failures.
    """
    columns = ("ID", "TYPE", "STATE", "ATTEMPT", *(["FINGERPRINT"] if causes else []), "PARAMS", "WHY")
    rows = (_row(task, causes=causes) for task in tasks)
    show_table(columns, rows, right=("ID", "ATTEMPT"), wide=("PARAMS", "WHY"))


def _row(task: Task, *, causes: bool) -> tuple[object, ...]:
    why = task.reason or (f"[{task.error.error_class}] {task.error.message}" if task.error else None)
    state = f"{task.state} ({task.outcome})" if task.outcome else str(task.state)
    if task.run_at is not None:
        state += f" {in_local_time(task.run_at)}"
    attempt = f"{task.attempt}/{task.max_attempts}"
    return (
        task.id,
        task.type,
        state,
        attempt,
        *([task.error.fingerprint if task.error else None] if causes else []),
        ", ".join(f"{name}={_short(value)}" for name, value in shown_params(task).items()),
        redact(why) if why else None,
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else as_json(value)
    return text if len(text) <= _PARAMS_SHOWN else text[: _PARAMS_SHOWN - 1] + "…"


def _show(task: Task, attempts: Sequence[Attempt], events: Sequence[Event], found: Mapping[str, int]) -> None:
    facts = shape_of(task)
    for name in ("error", "error_class", "fingerprint", "params"):
        facts.pop(name)
    again = [event for event in events if event.kind == "requeued"]
    lineage = f"{counted(len(again), 'time')}, last {in_local_time(again[-1].at)}" if again else None
    show_facts([*facts.items(), ("params", as_json(shown_params(task))), *found.items(), ("requeued", lineage)])
    for attempt in attempts:
        emit("")
        show_facts(_attempt(attempt).items())
        for line in attempt.error.traceback.splitlines():
            emit("    " + printable(redact(line)))
    if events:
        emit("")
        columns = ("AT", "EVENT", "ATTEMPT", "WORKER", "NOTE")
        show_table(columns, map(_event_row, events), right=("ATTEMPT",), wide=("NOTE",))


def _event_row(event: Event) -> tuple[object, ...]:
    return (in_local_time(event.at), event.kind, event.attempt, event.worker_id, redact(event.note or "") or None)


def _event(event: Event) -> dict[str, Any]:
    return {
        "at": rfc3339(event.at),
        "event": event.kind,
        "attempt": event.attempt,
        "worker": None if event.worker_id is None else str(event.worker_id),
        "note": redact(event.note or "") or None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    error = attempt.error
    return {
        "attempt": attempt.number,
        "at": rfc3339(attempt.at),
        "error_class": error.error_class.value,
        "type": error.type,
        "error": redact(error.message),
        "fingerprint": error.fingerprint,
        "source": error.source,
        "worker": str(attempt.worker_id),
        "plugin_version": attempt.plugin_version,
    }
