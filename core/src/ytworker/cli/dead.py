"""``ytworker dead``: look at dead letters, queue them again, delete them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from ytworker.cli.filters import DryRun, Everything, Limit, chooses_failures, refuse_unclear
from ytworker.cli.lazy import make_app
from ytworker.cli.output import counted, emit_json, in_local_time, note
from ytworker.cli.shapes import shape_of
from ytworker.cli.state import State
from ytworker.cli.table import show_table
from ytworker.cli.tasks import find, show_task, show_tasks
from ytworker.failures import FailureGroup
from ytworker.model import TaskStatus
from ytworker.queue import TaskFilter
from ytworker.redaction import redact
from ytworker.service import Service
from ytworker.tending import MOST_COUNTED

app = make_app(no_args_is_help=True)

_SHOWN = 50
_HINT = "choose with --class, --type, --since, --before, --fingerprint or --id"


@app.callback()
def group() -> None:
    """Look at tasks that ended without success, queue them again, delete them."""


@app.command("list")
@chooses_failures
def list_dead(
    ctx: typer.Context,
    which: TaskFilter,
    limit: Limit = _SHOWN,
    flat: Annotated[bool, typer.Option("--flat", help="One line for each task, newest first.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List dead letters by their cause.

    The most frequent stands first; --flat lists the tasks.
    """
    with _service(ctx) as service:
        tasks = service.tasks(_dead(replace(which, limit=limit))) if flat else []
        groups = [] if flat else service.dead_letters(which)
    if json:
        emit_json([shape_of(task) for task in tasks] if flat else [_shape(group) for group in groups[:limit]])
    elif tasks:
        show_tasks(tasks, causes=True)
        note("`ytworker dead show ID` shows every attempt, `ytworker dead requeue` queues them again")
    elif groups:
        _show_groups(groups, limit)
    elif which == TaskFilter():
        note("no dead letters: every task that ended, ended well")
    else:
        note("no such dead letter; `ytworker dead list` without options lists all")


def _shape(group: FailureGroup) -> dict[str, Any]:
    shape = group.to_json()
    shape["sample"]["error"] = redact(shape["sample"]["error"] or "") or None
    return shape


def _show_groups(groups: Sequence[FailureGroup], limit: int) -> None:
    columns = ("COUNT", "CLASS", "FIRST SEEN", "LAST SEEN", "FINGERPRINT", "TYPES", "SAMPLE", "WHY")
    show_table(columns, map(_row, groups[:limit]), right=("COUNT", "SAMPLE"), wide=("TYPES", "WHY"))
    looked_at = sum(group.count for group in groups)
    if looked_at >= MOST_COUNTED:
        note(f"these are the newest {looked_at:,}; there may be more of each, --since and --before show others")
    if len(groups) > limit:
        note(f"{counted(len(groups) - limit, 'cause')} more; --limit shows them")
    note(
        "`ytworker dead requeue --fingerprint HASH` queues a group again, `ytworker dead show SAMPLE` shows every "
        "attempt of one, `ytworker dead list --flat` lists the tasks"
    )


def _row(group: FailureGroup) -> tuple[object, ...]:
    return (
        group.count,
        group.error_class,
        in_local_time(group.first_seen),
        in_local_time(group.last_seen),
        group.fingerprint,
        ", ".join(group.types),
        group.sample.id,
        redact(group.sample.error.message) if group.sample.error else None,
    )


@app.command()
def show(
    ctx: typer.Context,
    task_id: Annotated[int, typer.Argument(metavar="ID", help="The number of the task.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one dead letter with its whole history."""
    with _service(ctx) as service:
        task = find(service, task_id)
        if task.state is not TaskStatus.DEAD:
            note(f"error: task {task_id} is {task.state}, no dead letter; `ytworker tasks show {task_id}` shows it")
            raise typer.Exit(1)
        show_task(service, task, json=json)


@app.command()
@chooses_failures
def requeue(ctx: typer.Context, which: TaskFilter, everything: Everything = False, dry_run: DryRun = False) -> None:
    """Queue dead letters again. All their attempts are before them, and their history stays."""
    refuse_unclear(which, everything=everything, hint=_HINT)
    with _service(ctx) as service:
        if dry_run:
            _preview(service, _dead(which), lambda all_: service.requeue(all_, dry_run=True).count, "queued again")
            return
        done = service.requeue(_dead(which))
    note(f"{_letters(done.count)} queued again" + ("; `ytworker run` does what is queued" if done.count else ""))
    if done.skipped:
        note(f"{_letters(done.skipped)} left: a live task has the key of each; wait until it has ended, or cancel it")
    _insist(which.ids, done.count)


@app.command()
@chooses_failures
def purge(ctx: typer.Context, which: TaskFilter, everything: Everything = False, dry_run: DryRun = False) -> None:
    """Delete dead letters for good. Their history goes with them; items that they stored stay."""
    refuse_unclear(which, everything=everything, hint=_HINT)
    with _service(ctx) as service:
        if dry_run:
            _preview(service, _dead(which), lambda all_: service.purge(all_, dry_run=True), "deleted")
            return
        count = service.purge(_dead(which))
    note(f"{_letters(count)} deleted" + ("; `ytworker db vacuum` gives the space back to the disk" if count else ""))
    _insist(which.ids, count)


def _service(ctx: typer.Context) -> Service:
    state: State = ctx.find_object(State) or State()
    return state.service()


def _dead(which: TaskFilter) -> TaskFilter:
    return replace(which, states=(TaskStatus.DEAD,))


def _letters(count: int) -> str:
    return counted(count, "dead letter")


def _preview(service: Service, which: TaskFilter, count_of: Callable[[TaskFilter], int], done: str) -> None:
    """Show the first of what would be done, and say how many there are."""
    found = service.tasks(replace(which, limit=_SHOWN))
    if found:
        show_tasks(found, causes=True)
    count = count_of(which)
    least = "at least " if count >= MOST_COUNTED else ""
    note(f"{least}{_letters(count)} would be {done}; nothing was changed")


def _insist(ids: Collection[int] | None, count: int) -> None:
    """Leave as failed where somebody named tasks and not all of them were dead letters."""
    missing = len(set(ids or ())) - count
    if ids and missing > 0:
        note(f"error: {missing} of the ids could not be done; `ytworker tasks show ID` shows the state of each")
        raise typer.Exit(1)
