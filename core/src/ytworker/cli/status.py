"""``ytworker status``: how the queue is doing."""

import time
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import emit, emit_json, note, seconds_in_words, show_facts, show_table
from ytworker.cli.state import State
from ytworker.model import Microseconds, SourceState, rfc3339
from ytworker.queue import WorkerInfo
from ytworker.redaction import redact

app = make_app()


@app.command()
def status(ctx: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show how the queue is doing: what waits and since when, who works, who must not be asked."""
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        report = {
            "tasks": {status.value: count for status, count in service.queue.counts().items()},
            "oldest_ready_age_seconds": service.oldest_ready_age(),
            "workers": [_worker(each) for each in service.queue.workers()],
            "sources": [_source(each, time.time_ns() // 1000) for each in service.queue.sources()],
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


def _worker(worker: WorkerInfo) -> dict[str, Any]:
    return {
        "id": str(worker.id),
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "started_at": rfc3339(worker.started_at),
        "seen_at": rfc3339(worker.seen_at),
        "lease_until": rfc3339(worker.lease_until),
    }


def _source(source: SourceState, now: Microseconds) -> dict[str, Any]:
    paused = source.paused_until is not None and source.paused_until > now
    cooling = source.cooling_until is not None and source.cooling_until > now
    return {
        "name": source.name,
        "state": "paused" if paused else ("cooling" if cooling else "free"),
        "until": rfc3339(source.paused_until if paused else source.cooling_until),
        "class": "config" if paused else (source.error_class.value if source.error_class else None),
        "reason": redact((source.pause_reason if paused else source.reason) or "") or None,
    }
