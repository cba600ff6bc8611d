"""The options that choose tasks, the same for every command that takes them."""

import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any

import typer

from ytworker.cli.output import MAX_LIMIT
from ytworker.cli.times import past
from ytworker.model import ErrorClass, TaskStatus
from ytworker.queue import TaskFilter

MAX_ID = 2**63 - 1

_STATES = ", ".join(TaskStatus)
_CLASSES = ", ".join(ErrorClass)

States = Annotated[
    list[TaskStatus] | None, typer.Option("--state", metavar="STATE", help=f"Only tasks in this state: {_STATES}.")
]
Types = Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this task type.")]
Classes = Annotated[
    list[ErrorClass] | None,
    typer.Option("--class", metavar="CLASS", help=f"Only where the latest failure is of this class: {_CLASSES}."),
]
Fingerprints = Annotated[
    list[str] | None, typer.Option("--fingerprint", metavar="HASH", help="Only failures of this one cause.")
]
Since = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Only what ended since: 2h, 7d, or a time such as 2026-12-01T09:00Z.")
]
Before = Annotated[str | None, typer.Option(metavar="WHEN", help="Only what ended before: 2h, 7d (ago), or a time.")]
Ids = Annotated[list[int] | None, typer.Option("--id", min=1, max=MAX_ID, metavar="ID", help="Only this task.")]
Limit = Annotated[int, typer.Option(min=1, max=MAX_LIMIT, metavar="N", help="At most so many.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Everything = Annotated[bool, typer.Option("--all", help="All of them; needed where nothing else is chosen.")]


def task_filter(
    *,
    states: Collection[TaskStatus] | None = None,
    types: Collection[str] | None = None,
    classes: Collection[ErrorClass] | None = None,
    fingerprints: Collection[str] | None = None,
    since: str | None = None,
    before: str | None = None,
    ids: Collection[int] | None = None,
    limit: int | None = None,
) -> TaskFilter:
    """Make a filter of what was typed.

    Raises:
        typer.BadParameter: ``since`` or ``before`` is no moment.
    """
    return TaskFilter(
        ids=ids or None,
        states=states or None,
        types=types or None,
        error_classes=classes or None,
        fingerprints=fingerprints or None,
        ended_since=past(since, "--since"),
        ended_before=past(before, "--before"),
        limit=limit,
    )


# What a command of `ytworker dead` chooses by; typer reads it as a part of the command's signature.
_CHOOSING = {
    "classes": Classes, "types": Types, "since": Since, "before": Before, "fingerprints": Fingerprints, "ids": Ids,
}  # fmt: skip


def chooses_failures(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose among failed tasks.

    Args:
        command: Called with the context, the filter that was typed and its own options.
    """
    context, _, *own = inspect.signature(command).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    options = [inspect.Parameter(name, keyword, annotation=kind, default=None) for name, kind in _CHOOSING.items()]

    def call(ctx: typer.Context, **values: Any) -> None:
        chosen = {name: values.pop(name) for name in _CHOOSING}
        command(ctx, task_filter(**chosen), **values)

    call.__name__, call.__doc__ = command.__name__, command.__doc__
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [context, *options, *(each.replace(kind=keyword) for each in own)]
    )
    return call


def refuse_unclear(which: TaskFilter, *, everything: bool, hint: str) -> None:
    """Leave where nothing was chosen, so that a forgotten option does not concern all tasks.

    Args:
        which: What was chosen, but for the states that the command itself stands for.
        everything: ``--all``.
        hint: How to choose.
    """
    chosen = which != TaskFilter()
    if chosen and everything:
        msg = "--all is all of them; leave it out, or the other options"
        raise typer.BadParameter(msg)
    if not chosen and not everything:
        msg = f"nothing is chosen: {hint}, or take all with --all"
        raise typer.BadParameter(msg)
