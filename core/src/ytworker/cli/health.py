"""``ytworker health`` and ``ytworker doctor``: for supervisors, and for people."""

import socket
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import emit, emit_json
from ytworker.cli.state import State
from ytworker.errors import YtworkerError
from ytworker.health import DISK_FLOOR, Check, Status, liveness, overall, readiness
from ytworker.redaction import printable, redact

MEGABYTE = 1_000_000

app = make_app()

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Floor = Annotated[int, typer.Option("--disk-floor", min=0, metavar="MB", help="How much of the disk must be free.")]


@app.command()
def health(
    ctx: typer.Context,
    live: Annotated[bool, typer.Option("--live", help="Does a worker on this machine live?")] = False,
    ready: Annotated[bool, typer.Option("--ready", help="Can the queue be worked on? (The default.)")] = False,
    pid: Annotated[
        int | None, typer.Option("--pid", min=1, metavar="PID", help="Does the worker with this process id live?")
    ] = None,
    disk_floor: Floor = DISK_FLOOR // MEGABYTE,
    json: Json = False,
) -> None:
    """Say whether all is well by the exit code, 0 or 1, for Docker and other supervisors.

    Live: a worker on this machine renews its lease; with --pid, that very worker. Ready: the queue can be written, its
    schema is the present one, the disk is not full and the clock is right. A source that rests is degraded, which is
    no failure.
    """
    state: State = ctx.find_object(State) or State()
    now = time.time_ns() // 1000
    checks: list[Check] = []
    live = live or pid is not None
    try:
        with state.service() as service:
            if live:
                checks += liveness(service.queue.workers(), host=socket.gethostname(), now=now, pid=pid)
            if ready or not live:
                checks += readiness(service, now=now, disk_floor=disk_floor * MEGABYTE)
    except YtworkerError as error:
        checks.append(Check("store", Status.FAILED, str(error)))
    report(checks, json=json)


def report(checks: Sequence[Check], *, json: bool) -> None:
    """Print checks, and leave with 1 where one failed."""
    status = overall(checks)
    if json:
        shapes = [{**check.to_json(), "message": redact(check.message)} for check in checks]
        emit_json({"status": status.value, "checks": shapes})
    else:
        for check in checks:  # no table: a message that says what to do must not end in an ellipsis
            emit(f"{check.status:<9} {printable(f'{check.name}: {redact(check.message)}')}")
    if status is Status.FAILED:
        raise typer.Exit(1)
