"""``ytworker api-plan``: what tasks cost, before anybody is asked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from ytworker_api.parameters import ApiParameters
from ytworker_api.plan import Cost, plan
from ytworker_api.settings import ApiSettings
from ytworker_api.worker import TASK_TYPE

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

_BUCKETS = (
    ("units", "units_per_day"),
    ("search", "searches_per_day"),
    ("statistics", "statistics_per_day"),
)


@app.command()
def api_plan(
    params: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE…", help="Parameters of one task; a value is JSON or text.", show_default=False
        ),
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
    rows = {bucket: (getattr(total, bucket), ApiSettings.model_fields[name].default) for bucket, name in _BUCKETS}
    if as_json:
        typer.echo(json.dumps({bucket: {"cost": cost, "per_day": daily} for bucket, (cost, daily) in rows.items()}))
        return
    typer.echo("QUOTA        COST   A DAY")
    for bucket, (cost, daily) in rows.items():
        typer.echo(f"{bucket:<10}{cost:>7,}{daily:>8,}")


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
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        typer.echo(f"error: {file} cannot be read: {error}", err=True)
        raise typer.Exit(2) from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            task = _task(file, number, line)
            if task.get("type", TASK_TYPE) == TASK_TYPE:
                yield task.get("params", {})


def _task(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        task = json.loads(line)
    except ValueError:
        task = None
    if isinstance(task, dict) and isinstance(task.get("params", {}), dict):
        return task
    typer.echo(f'error: {file}, line {number}: write {{"type": "api_scrape", "params": {{…}}}}', err=True)
    raise typer.Exit(2)
