"""``ytworker db``: care for the queue's store."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import bytes_in_words, complain, counted, emit, emit_json, in_local_time, note
from ytworker.cli.state import State
from ytworker.errors import QueueError
from ytworker.queue import Problem
from ytworker.service import Service

app = make_app(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Care for the queue: check it, back it up, bring a backup back, give space back."""


@app.command()
def check(
    ctx: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended without guessing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for damage. Exits with 1 if anything is left to do."""
    with _service(ctx) as service:
        problems = service.care().check(repair=repair)
    if json:
        emit_json([_problem(each) for each in problems])
    else:
        for each in problems:
            emit(_line(each))
    left = sum(not each.repaired for each in problems)
    note(_verdict(len(problems), left, repair=repair))
    if left:
        raise typer.Exit(1)


@app.command()
def backup(
    ctx: typer.Context,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="Where to.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Copy the queue to FILE. It goes on meanwhile, and the copy is consistent."""
    if target.is_symlink() or (target.exists() and not (force and target.is_file())):
        complain(f"{target} is there already; choose another name, or replace a plain file with --force")
        raise typer.Exit(2)
    if not target.absolute().parent.is_dir():
        complain(f"{target} cannot be written: there is no folder {target.absolute().parent}; make it first")
        raise typer.Exit(2)
    with _service(ctx) as service:
        service.care().backup(target, force=force)
    size = bytes_in_words(target.stat().st_size)
    note(f"backed up to {target} ({size}); `ytworker db restore {target}` brings it back")


@app.command()
def restore(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `ytworker db backup` wrote.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Replace everything by a backup. Refused while workers run."""
    if not source.is_file():
        complain(f"there is no file {source}; name one that `ytworker db backup` wrote")
        raise typer.Exit(2)
    with _service(ctx) as service:
        care = service.care()
        _refuse_while_workers_run(service)
        _confirm(service, source, yes=yes)
        care.restore(source)
        kept = sum(service.queue.counts().values())
    note(f"restored from {source}: {counted(kept, 'task')}; `ytworker status` shows them")


@app.command()
def migrate(ctx: typer.Context) -> None:
    """Bring the schema up to date. Every command does so when it opens the queue; this one tells."""
    with _service(ctx) as service:
        versions = getattr(service.queue, "schema_versions", None)
        if versions is None:
            msg = "the backend of this queue reports no schema versions; see its own documentation"
            raise QueueError(msg)
        found, now = versions()
    if found == now:
        note(f"the schema has version {now}, which is this ytworker's: there was nothing to do")
    elif found == 0:
        note(f"the queue was made new, with schema version {now}")
    else:
        note(f"the schema had version {found} and has version {now} now; older versions of ytworker refuse it")


@app.command()
def vacuum(ctx: typer.Context) -> None:
    """Give unused space back to the disk. Others wait meanwhile."""
    with _service(ctx) as service:
        before, after = service.care().vacuum()
    freed = f"{bytes_in_words(max(0, before - after))} were given back"
    note(f"{bytes_in_words(before)} before, {bytes_in_words(after)} now: {freed}")


def _service(ctx: typer.Context) -> Service:
    state: State = ctx.find_object(State) or State()
    return state.service()


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "count": problem.count,
        "examples": [str(each) for each in problem.examples],
        "repaired": problem.repaired,
    }


def _line(problem: Problem) -> str:
    such = f", such as {', '.join(map(str, problem.examples))}" if problem.examples else ""
    mended = "repaired: " if problem.repaired else ""
    return f"{mended}{problem.code}: {problem.message} ({counted(problem.count, 'row')}{such})"


def _verdict(found: int, left: int, *, repair: bool) -> str:
    if not found:
        return "nothing is wrong with the queue"
    if not left:
        return f"{counted(found, 'problem')} found, and all of it repaired"
    if repair:
        return f"{counted(left, 'problem')} left that cannot be mended without guessing; see each, or restore a backup"
    return f"{counted(left, 'problem')} found; `ytworker db check --repair` mends what needs no guessing"


def _refuse_while_workers_run(service: Service) -> None:
    workers = service.living_workers()
    if workers:
        told = [
            f"process {each.pid} on {each.host}, whose lease lasts until {in_local_time(each.lease_until)}"
            for each in workers
        ]
        complain("workers run on this queue; stop them, or wait until the lease of a dead one has lapsed", *told)
        raise typer.Exit(1)


def _confirm(service: Service, source: Path, *, yes: bool) -> None:
    if yes:
        return
    there = counted(sum(service.queue.counts().values()), "task")
    if not _somebody_is_there():
        complain(f"this replaces everything in the queue ({there}) by {source}; say --yes if that is meant")
        raise typer.Exit(2)
    if not typer.confirm(f"Replace everything in the queue ({there}) by {source}?", err=True):
        note("nothing was changed")
        raise typer.Exit(1)


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()
