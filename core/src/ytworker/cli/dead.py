"""``ytworker dead``: look at dead letters."""

from typing import Annotated

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import MAX_LIMIT, emit_json, note
from ytworker.cli.state import State
from ytworker.cli.tasks import show_tasks
from ytworker.model import ErrorClass, TaskStatus
from ytworker.queue import TaskFilter

app = make_app(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look at tasks that ended without success."""


@app.command("list")
def list_dead(
    ctx: typer.Context,
    classes: Annotated[list[ErrorClass] | None, typer.Option("--class", help="Only this class of error.")] = None,
    types: Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this task type.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, metavar="N", help="At most so many.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List dead letters, newest first."""
    state: State = ctx.find_object(State) or State()
    which = TaskFilter(states=[TaskStatus.DEAD], types=types or (), error_classes=classes or (), limit=limit)
    with state.service() as service:
        found = service.tasks(which)
    if json:
        emit_json([task.to_json() for task in found])
    elif not found:
        note("no dead letters: every task that ended, ended well")
    else:
        show_tasks(found)
        note("`ytworker tasks show ID` shows every attempt of a task")
