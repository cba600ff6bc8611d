"""``ytworker status``: how the queue is doing."""

import time
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import emit, emit_json, note, seconds_in_words, show_facts
from ytworker.cli.shapes import source_shape, worker_shape
from ytworker.cli.state import State
from ytworker.cli.table import show_table

app = make_app()


@app.command()
def status(ctx: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show how the queue is doing: what waits and since when, who works, who must not be asked."""
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        report = {
            "tasks": {status.value: count for status, count in service.queue.counts().items()},
            "oldest_ready_age_seconds": service.oldest_ready_age(),
            "workers": [worker_shape(each) for each in service.queue.workers()],
            "sources": [source_shape(each, time.time_ns() // 1000) for each in service.queue.sources()],
            "waiting_for_plugins": service.waiting_for_plugins(),
        }
    if json:
        emit_json(report)
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    age = report["oldest_ready_age_seconds"]
    facts = [("oldest ready task waits for", None if age is None else seconds_in_words(age))]
    show_facts([*facts, *report["tasks"].items()])
    for title, rows in (("workers", report["workers"]), ("sources", report["sources"])):
        if rows:
            emit("")
            emit(title)
            show_table([name.upper() for name in rows[0]], [tuple(row.values()) for row in rows])
    for name, reason in report["waiting_for_plugins"].items():
        note(f"{name}: tasks wait for their plugin, which is {reason}")
    if not any(report["tasks"].values()):
        note("the queue is empty; `ytworker scrape TYPE` does a task now, `ytworker enqueue TYPE` puts one in")
