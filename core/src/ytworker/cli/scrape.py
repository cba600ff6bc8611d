"""``ytworker scrape``: one task, now, in the foreground."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ytworker.cli.lazy import make_app
from ytworker.cli.output import (
    as_json,
    complain,
    counted,
    emit,
    emit_json,
    in_local_time,
    note,
    seconds_in_words,
)
from ytworker.cli.pace import PaceOption
from ytworker.cli.shapes import shape_of
from ytworker.cli.state import State
from ytworker.cli.table import show_table
from ytworker.cli.task_types import TaskTypeGroup, in_options
from ytworker.engine.sharing import Observer
from ytworker.errors import ParametersError
from ytworker.model import SECOND, Origin, Outcome, Task, TaskStatus
from ytworker.queue import ItemFilter
from ytworker.redaction import printable
from ytworker.service import Scraped, Service

INTERRUPTED = 130
"""What shells call a program that Ctrl-C ended: 128 + SIGINT."""


def scrape(
    ctx: typer.Context,
    params: dict[str, Any],
    *,
    max_attempts: Annotated[int | None, typer.Option(metavar="N", help="How many attempts may count.")] = None,
    pace: PaceOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the task and its items as one JSON object.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print one item as JSON a line.")] = False,
) -> None:
    """Do one task and print what it found."""
    state: State = ctx.find_object(State) or State()
    state.choose_pace(pace)
    with state.service() as service:
        task_type = str(ctx.info_name)
        try:
            task = service.check(task_type, params, max_attempts=max_attempts)
        except ParametersError as error:
            complain(f"{task_type}: nothing was enqueued", *in_options(error, scrape))
            raise typer.Exit(2) from None
        waits = _Waits()
        for wrong, right in service.misspelt_sections(task_type).items():
            note(f"warning: nothing that runs here reads plugins.{wrong}; did you mean plugins.{right}?")
        with _progress() as observe, _interruptible():
            try:
                scraped = service.scrape(replace(task, origin=Origin.CLI), observe=observe, waiting=waits)
            except KeyboardInterrupt:
                note(waits.interrupted(service))
                raise typer.Exit(INTERRUPTED) from None
        _show(service, scraped, whole=json, lines=jsonl)


def _show(service: Service, scraped: Scraped, *, whole: bool, lines: bool) -> None:
    task = scraped.task
    good = task.state is TaskStatus.COMPLETED and task.outcome is not Outcome.SUSPECT
    items = list(service.items(ItemFilter(task_id=task.id)))
    if whole:
        emit_json({"task": shape_of(task), "items": items})
    elif good and lines:
        for item in items:
            emit(as_json(item))
    elif good and items:
        _show_items(items)
    if not good:
        _explain(scraped)
        raise typer.Exit(1)
    found = f"{counted(len(items), 'item')}, stored by task {task.id}"
    apart = sum(1 for _ in service.items(ItemFilter(task_id=task.id, suspect=True)))
    if apart:
        verb = "is" if apart == 1 else "are"
        note(f"{counted(apart, 'item')} {verb} kept apart; `ytworker items list --suspect --task {task.id}` shows why")
    note(found if items else "nothing was found, which is a legal answer")


def _explain(scraped: Scraped) -> None:
    task, error = scraped.task, scraped.error
    if task.state is TaskStatus.CANCELLED:
        note(f"error: task {task.id} was cancelled meanwhile; `ytworker tasks retry {task.id}` queues it again")
        return
    why = error.message if error else task.reason or "its items look wrong and are kept apart"
    label = f"[{error.error_class}] " if error else ""
    if task.state is TaskStatus.SCHEDULED and task.run_at is not None:
        then = f"task {task.id} goes on after {in_local_time(task.run_at)} when `ytworker run` runs"
        note(f"error: {label}{why} ({then})")
    elif task.state is TaskStatus.DEAD:
        note(f"error: {label}{why} (task {task.id} is dead; `ytworker tasks show {task.id}` tells more)")
    else:
        note(f"error: {label}{why} (task {task.id} is {task.state})")


class _Waits:
    """Says that a retry is waited for, and what an interruption found."""

    def __init__(self) -> None:
        self._task: Task | None = None

    def __call__(self, task: Task) -> None:
        """Tell of a wait before it starts."""
        self._task = task
        error = task.error
        why = f"[{error.error_class}] {error.message}" if error else task.reason or ""
        seconds = max(0.0, (task.run_at or 0) / SECOND - time.time())
        note(
            f"attempt {task.attempt} of {task.max_attempts} failed: {why}; trying again in {seconds_in_words(seconds)}"
        )

    def interrupted(self, service: Service) -> str:
        """Say what became of the task: between two attempts it stays scheduled, in one it goes back."""
        if self._task is not None and service.task(self._task.id).state is TaskStatus.SCHEDULED:
            return f"interrupted: task {self._task.id} waits for its next attempt; `ytworker run` goes on with it"
        return "interrupted: the task is queued again, no attempt was counted; `ytworker run` goes on with it"


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM and a lost terminal end the scrape the way Ctrl-C does: its task goes back to the queue."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress() -> Iterator[Observer | None]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        number = bar.add_task("starting", total=None)

        def observe(done: int, total: int | None, note: str | None) -> None:
            words = escape(printable(note or "")[:60])
            bar.update(number, completed=done, total=total, description=words or "scraping")

        yield observe


def _show_items(items: list[dict[str, Any]]) -> None:
    columns = ("#", "ID", "PUBLISHED", "VIEWS", "LIKES", "LENGTH", "TITLE")
    rows = [(number, *item_row(item)) for number, item in enumerate(items, 1)]
    show_table(columns, rows, right=("#", "VIEWS", "LIKES", "LENGTH"))


def item_row(item: dict[str, Any]) -> tuple[str, ...]:
    """Give the cells of one item: id, day, views, likes, length, title; what is unknown is a dash."""
    metrics = item["metrics"]
    return (
        item["id"],
        (item["published_at"] or "-")[:10],
        _count(metrics["views"], metrics["precision"]["views"]),
        _count(metrics["likes"], metrics["precision"]["likes"]),
        _length(item["duration_seconds"]),
        item["title"] or "-",
    )


def _count(value: int | None, precision: str | None) -> str:
    if value is None:
        return "-"
    return f"{'~' if precision == 'rounded' else ''}{value:,}"


def _length(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class ScrapeGroup(TaskTypeGroup):
    """One command for each task type that does it now."""

    own = staticmethod(scrape)


app = make_app(cls=ScrapeGroup, no_args_is_help=True)


@app.callback()
def group() -> None:
    """Do one task now, here, and print what it finds. `ytworker scrape TYPE --help` shows its parameters."""
