"""``ytworker items``: look at what was collected."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import MAX_LIMIT, as_json, complain, counted, emit_json, note
from ytworker.cli.scrape import item_row
from ytworker.cli.state import State
from ytworker.cli.table import show_table
from ytworker.queue import ItemFilter
from ytworker.redaction import redact

SCHEMA = {"schema": "ytworker.item", "schema_version": 1}
"""Stands on every exported line, so that a reader can tell what it reads."""

app = make_app(no_args_is_help=True)


class Format(StrEnum):
    """What ``items export`` can write."""

    JSONL = "jsonl"


@app.callback()
def group() -> None:
    """Look at what was collected."""


@app.command("list")
def list_items(
    ctx: typer.Context,
    task: Annotated[int | None, typer.Option(metavar="ID", help="Only what this task found, in its order.")] = None,
    task_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only what this type found.")] = None,
    suspect: Annotated[bool, typer.Option("--suspect", help="Only what was kept apart, and why.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, metavar="N", help="At most so many.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List items, the latest seen first."""
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        found = list(service.items(ItemFilter(task_id=task, task_type=task_type, limit=limit, suspect=suspect)))
    if json:
        emit_json(found)
    elif suspect:
        _show_suspects(found)
    elif not found:
        note("no items yet; `ytworker scrape TYPE` collects some, `ytworker plugins list` shows the types")
    else:
        columns = ("ID", "PUBLISHED", "VIEWS", "LIKES", "LENGTH", "TITLE")
        show_table(columns, map(item_row, found), right=("VIEWS", "LIKES", "LENGTH"))


def _show_suspects(found: list[dict[str, Any]]) -> None:
    if not found:
        note("nothing is kept apart: every item looked as its plugin expects")
        return
    rows = [(each["task"], *item_row(each), redact(each["reason"])) for each in found]
    columns = ("TASK", "ID", "PUBLISHED", "VIEWS", "LIKES", "LENGTH", "TITLE", "WHY")
    show_table(columns, rows, right=("TASK", "VIEWS", "LIKES", "LENGTH"), wide=("TITLE", "WHY"))


@app.command()
def export(
    ctx: typer.Context,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.JSONL,  # noqa: ARG001 - one so far
    task: Annotated[int | None, typer.Option(metavar="ID", help="Only what this task found, in its order.")] = None,
    task_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only what this type found.")] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to; standard output by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Write all items, one JSON object a line.

    They come from one consistent snapshot.
    """
    state: State = ctx.find_object(State) or State()
    which = ItemFilter(task_id=task, task_type=task_type)
    with state.service() as service, closing(service.items(which)) as items:
        if output is None:
            count = _write(items, sys.stdout)
        else:
            with _replacing(output, force=force) as file:
                count = _write(items, file)
    note(f"{counted(count, 'item')} exported")


def _write(items: Iterator[dict[str, Any]], file: TextIO) -> int:
    count = 0
    for item in items:
        file.write(as_json({**SCHEMA, **item}) + "\n")
        count += 1
    return count


@contextmanager
def _replacing(path: Path, *, force: bool) -> Iterator[TextIO]:
    """Write beside the target and move it there when it is whole: whoever reads it sees the old or the new file."""
    if path.is_symlink() or (path.exists() and not (force and path.is_file())):
        complain(f"{path} is there already; choose another name, or replace a plain file with --force")
        raise typer.Exit(2)
    try:
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".ytworker-", suffix=".part")
    except OSError as error:
        complain(f"{path} cannot be written: {error.strerror}")
        raise typer.Exit(2) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise
