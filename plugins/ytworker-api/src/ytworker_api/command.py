"""``ytworker api-plan``: what tasks cost, before anybody is asked."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from pydantic import ValidationError

from ytworker import Service
from ytworker_api.costs import Cost, plan
from ytworker_api.parameters import ApiParameters
from ytworker_api.settings import NAME, SECTION, ApiSettings
from ytworker_api.worker import TASK_TYPE

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

_MAX_LINE = 8 << 20
"""Characters, as `enqueue --from-file` takes them; a device without an end has no line."""
_LIMITS = {"units": "units_per_day", "search": "searches_per_day", "statistics": "statistics_per_day"}


class Opener(Protocol):
    """What the command line gives to the commands of plugins, as ``ctx.obj``."""

    def service(self) -> Service:
        """Open the queue that the global options name."""


@app.command()
def api_plan(
    ctx: typer.Context,
    params: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE…", help="Parameters of one task.", show_default=False),
    ] = None,
    from_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Tasks as `enqueue --from-file` takes them, one a line.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what tasks of the Data API cost at the most, by quota. Nothing is asked and nothing enqueued."""
    if (from_file is None) == (not params):
        msg = "give the parameters of a task, such as resource=channel channel=@NASA top_n=500, or --from-file"
        raise typer.BadParameter(msg)
    tasks = [_pairs(params or [])] if from_file is None else list(_lines(from_file))
    total = sum((_cost(number, each) for number, each in enumerate(tasks, 1)), Cost())
    opener: Opener = ctx.obj
    with opener.service() as service:
        limits, used = _limits(service), list(_used(service))
    rows = {bucket: {"cost": getattr(total, bucket), "per_day": limit} for bucket, limit in limits.items()}
    if as_json:
        typer.echo(json.dumps({"tasks": len(tasks), "quotas": rows, "used": used}))
        return
    typer.echo("QUOTA        COST   A DAY")
    for bucket, row in rows.items():
        typer.echo(f"{bucket:<10}{row['cost']:>7,}{row['per_day']:>8,}")
    for each in used:
        typer.echo(f"{each['source']} has used {each['used']:,} of {each['quota']} today", err=True)


def _limits(service: Service) -> dict[str, int]:
    """Read how much there is a day; the other settings, the key among them, are not looked at."""
    section = service.settings.values.plugins.get(SECTION, {})
    given = {name: section[name] for name in _LIMITS.values() if name in section}
    try:
        settings = ApiSettings.model_validate(given)
    except ValidationError as error:
        names = ", ".join(f"plugins.{SECTION}.{problem['loc'][0]}" for problem in error.errors(include_input=False))
        typer.echo(f"error: {names}: write a whole number of at least 1", err=True)
        raise typer.Exit(2) from None
    return {bucket: getattr(settings, name) for bucket, name in _LIMITS.items()}


def _used(service: Service) -> Iterator[dict[str, Any]]:
    """Tell what each key has used since the last midnight Pacific."""
    now = time.time_ns() // 1000
    for source in service.queue.usage():
        if source.name.startswith(NAME):
            for quota in source.quotas:
                if quota.reset > now:
                    yield {"source": source.name, "quota": quota.bucket, "used": quota.used}


def _cost(number: int, params: dict[str, Any]) -> Cost:
    try:
        return plan(ApiParameters.model_validate(params))
    except ValidationError as error:
        typer.echo(f"error: task {number} does not fit", err=True)
        for problem in error.errors(include_url=False, include_input=False):
            where = ".".join(map(str, problem["loc"]))
            typer.echo(f"  {where + ': ' if where else ''}{problem['msg'].removeprefix('Value error, ')}", err=True)
        raise typer.Exit(2) from None


def _pairs(words: list[str]) -> dict[str, Any]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            msg = f"{word!r} is no NAME=VALUE"
            raise typer.BadParameter(msg)
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    """Read a list or a number; everything else, ids with nothing but digits too, is text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, list) else text


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """Give the parameters of the tasks of this type; others cost nothing here."""
    try:
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(iter(partial(stream.readline, _MAX_LINE + 1), ""), 1):
                if line.strip():
                    task = _task(file, number, line)
                    if task.get("type", TASK_TYPE) == TASK_TYPE:
                        yield task.get("params", {})
    except (OSError, ValueError) as error:
        typer.echo(f"error: {file} cannot be read: {error}", err=True)
        raise typer.Exit(2) from None


def _task(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        task = json.loads(line) if len(line) <= _MAX_LINE else None
    except (ValueError, RecursionError):
        task = None
    if isinstance(task, dict) and isinstance(task.get("params", {}), dict):
        return task
    typer.echo(f'error: {file}, line {number}: write {{"type": "api_scrape", "params": {{…}}}}', err=True)
    raise typer.Exit(2)
