"""``ytworker tasks``: look at tasks."""

from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import (
    MAX_LIMIT,
    as_json,
    emit,
    emit_json,
    in_local_time,
    note,
    printable,
    show_facts,
    show_table,
)
from ytworker.cli.state import State
from ytworker.errors import TaskNotFoundError
from ytworker.model import Task, TaskStatus, rfc3339
from ytworker.queue import Attempt, ItemFilter, TaskFilter

app = make_app(no_args_is_help=True)

_PARAMS_SHOWN = 60


@app.callback()
def group() -> None:
    """Look at tasks."""


@app.command("list")
def list_tasks(
    ctx: typer.Context,
    states: Annotated[list[TaskStatus] | None, typer.Option("--state", help="Only tasks in this state.")] = None,
    types: Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this task type.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, metavar="N", help="At most so many.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tasks, newest first."""
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        found = service.tasks(TaskFilter(states=states or (), types=types or (), limit=limit))
    if json:
        emit_json([task.to_json() for task in found])
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
    """Show one task with every failed attempt."""
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        try:
            task = service.task(task_id)
        except TaskNotFoundError as error:
            note(f"error: {error}")
            raise typer.Exit(1) from None
        attempts = service.queue.attempts(task_id)
        items = sum(1 for _ in service.items(ItemFilter(task_id=task_id)))
    if json:
        emit_json({**task.to_json(), "items": items, "attempts": [_attempt(each) for each in attempts]})
        return
    _show(task, attempts, items)


def show_tasks(tasks: list[Task]) -> None:
    """Print tasks as a table."""
    columns = ("ID", "TYPE", "STATE", "ATTEMPT", "PARAMS", "WHY")
    show_table(columns, map(_row, tasks), right=("ID", "ATTEMPT"), wide=("PARAMS", "WHY"))


def _row(task: Task) -> tuple[object, ...]:
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
        ", ".join(f"{name}={_short(value)}" for name, value in task.params.items()),
        why,
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else as_json(value)
    return text if len(text) <= _PARAMS_SHOWN else text[: _PARAMS_SHOWN - 1] + "…"


def _show(task: Task, attempts: list[Attempt], items: int) -> None:
    facts = task.to_json()
    for name in ("error", "error_class", "fingerprint", "params"):
        facts.pop(name)
    show_facts([*facts.items(), ("params", as_json(dict(task.params))), ("items", items)])
    for attempt in attempts:
        emit("")
        show_facts(_attempt(attempt).items())
        for line in attempt.error.traceback.splitlines():
            emit("    " + printable(line))


def _attempt(attempt: Attempt) -> dict[str, Any]:
    error = attempt.error
    return {
        "attempt": attempt.number,
        "at": rfc3339(attempt.at),
        "error_class": error.error_class.value,
        "type": error.type,
        "error": error.message,
        "fingerprint": error.fingerprint,
        "source": error.source,
        "worker": str(attempt.worker_id),
        "plugin_version": attempt.plugin_version,
    }
