"""``ytworker workers``: who works on the queue."""

import time
from typing import Annotated

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import emit_json, in_local_time, note, seconds_in_words
from ytworker.cli.shapes import worker_shape
from ytworker.cli.state import State
from ytworker.cli.table import show_table
from ytworker.model import SECOND, Microseconds
from ytworker.queue import WorkerInfo

app = make_app()


@app.command()
def workers(ctx: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the workers, and those whose lease lapsed and whose tasks nobody has taken over yet."""
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        found = service.queue.workers()
    now = time.time_ns() // 1000
    if json:
        emit_json([{**worker_shape(each), "state": _state(each, now)} for each in found])
    elif found:
        columns = ("ID", "STATE", "HOST", "PID", "VERSION", "STARTED", "SEEN")
        show_table(columns, [_row(each, now) for each in found], right=("ID", "PID"))
    else:
        note("nobody works on the queue; `ytworker run` does")


def _state(worker: WorkerInfo, now: Microseconds) -> str:
    return "alive" if worker.lease_until >= now else "lapsed"


def _row(worker: WorkerInfo, now: Microseconds) -> tuple[object, ...]:
    seen = f"{seconds_in_words(max(0, now - worker.seen_at) / SECOND)} ago"
    started = in_local_time(worker.started_at)
    return worker.id, _state(worker, now), worker.host, worker.pid, worker.version, started, seen
