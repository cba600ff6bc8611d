"""``ytworker sources``: who is asked how much, and who must not be asked for a while; pause and resume them."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import emit, emit_json, in_local_time, note
from ytworker.cli.shapes import FOREVER, source_shape, use_shape
from ytworker.cli.state import State
from ytworker.cli.table import show_table
from ytworker.cli.times import moment, span
from ytworker.model import Microseconds, SourceState, to_microseconds
from ytworker.pacing import SourceUse
from ytworker.redaction import redact, source_name

app = make_app(no_args_is_help=True)

_MAX_REASON = 500

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The source, as `ytworker sources list` writes it.")]


@app.callback()
def group() -> None:
    """See who is asked how much, and whom nobody asks for a while and why; pause and resume them."""


@app.command("list")
def list_sources(ctx: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every source that was asked or had to rest.

    It tells how much it was asked, what is used of its quotas, and why it rests.
    """
    state: State = ctx.find_object(State) or State()
    now = time.time_ns() // 1000
    with state.service() as service:
        resting = {source.name: source for source in service.queue.sources()}
        uses = {use.name: use for use in service.queue.usage()}
    rows = [
        _shape(resting.get(name, SourceState(name=name)), uses.get(name, SourceUse(name=name)), now)
        for name in sorted({*resting, *uses})
    ]
    if json:
        emit_json([row for row, _ in rows])
    elif rows:
        columns = ("NAME", "STATE", "UNTIL", "LAST HOUR", "IN FLIGHT", "CLASS", "STRIKES", "REASON")
        show_table(columns, [_row(*each) for each in rows], right=("LAST HOUR", "IN FLIGHT", "STRIKES"))
        _show_quotas([use for use in uses.values() if use.quotas])
    else:
        note("no source was asked yet, and none had to rest")


def _shape(source: SourceState, use: SourceUse, now: Microseconds) -> tuple[dict[str, Any], Microseconds | None]:
    row = {**source_shape(source, now), "strikes": source.strikes, **use_shape(use)}
    return row, source.paused_until or source.cooling_until


def _row(row: dict[str, Any], until: Microseconds | None) -> tuple[object, ...]:
    ends = None if row["state"] == "free" or until is None else _in_words(until)
    rate, flying = (
        None if row[most] is None else f"{row[used]} of {row[most]}"
        for used, most in (("requests_last_hour", "requests_per_hour"), ("in_flight", "places"))
    )
    return row["name"], row["state"], ends, rate, flying, row["class"], row["strikes"], row["reason"]


def _show_quotas(uses: Sequence[SourceUse]) -> None:
    if uses:
        emit("")
        columns = ("NAME", "QUOTA", "USED", "LIMIT", "RESETS")
        quotas = [
            (use.name, each.bucket, each.used, each.limit, in_local_time(each.reset))
            for use in uses
            for each in use.quotas
        ]
        show_table(columns, quotas, right=("USED", "LIMIT"))


def _in_words(until: Microseconds) -> str:
    return "it is resumed" if until >= FOREVER else in_local_time(until)


@app.command()
def pause(
    ctx: typer.Context,
    name: _Name,
    span_: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="For how long: 90s, 10m, 2h or 1d.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Until when: 2026-12-01T09:00.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Shown to whoever wonders why nothing happens.")] = "",
) -> None:
    """Let nobody ask a source, until it is resumed or for some time. Tasks that need it wait; no attempt is counted."""
    if not name.strip() or not name.isprintable():
        msg = "a source's name is not empty and has no control characters in it"
        raise typer.BadParameter(msg)
    name, ends = source_name(name), _end(span_, until)
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        known = {source.name for source in service.queue.sources()}
        service.queue.pause(name, ends, redact(reason.strip())[:_MAX_REASON] or "no reason was given")
    note(f"{name} is paused until {_in_words(ends)}; `ytworker sources resume` with its name ends that")
    if name not in known:
        note("nothing of that name ever had to rest; `ytworker sources list` shows how names are written")


@app.command()
def resume(ctx: typer.Context, name: _Name) -> None:
    """End the pause and the cool-down of a source. What waits for it is due at once."""
    state: State = ctx.find_object(State) or State()
    with state.service() as service:
        known = {source.name for source in service.queue.sources()}
        name = name if name in known else source_name(name)
        if name not in known:
            note(f"error: no source {name!r} ever had to rest; `ytworker sources list` shows those that had")
            raise typer.Exit(1)
        service.queue.resume(name)
    note(f"{name} may be asked again")


def _end(length: str | None, until: str | None) -> Microseconds:
    if length is not None and until is not None:
        msg = "give --for or --until, not both"
        raise typer.BadParameter(msg)
    now = datetime.now(UTC)
    try:
        ends = moment(until) if until is not None else now + span(length) if length is not None else None
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error)) from None
    if ends is None:
        return FOREVER
    if ends <= now + timedelta(0):
        msg = "that is over already; name a time to come"
        raise typer.BadParameter(msg)
    return min(FOREVER, to_microseconds(ends))
