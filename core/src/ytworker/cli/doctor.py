"""``ytworker doctor``: everything that may be odd here, in one list."""

import time

import typer

from ytworker import doctor as looks
from ytworker.cli.health import MEGABYTE, Floor, Json, report
from ytworker.cli.lazy import make_app
from ytworker.cli.state import State
from ytworker.errors import YtworkerError
from ytworker.health import DISK_FLOOR, Check, Status
from ytworker.plugins.registry import PluginRegistry

app = make_app()


@app.command()
def doctor(ctx: typer.Context, disk_floor: Floor = DISK_FLOOR // MEGABYTE, json: Json = False) -> None:
    """Look at versions, settings, plugins and the queue, and say what is odd. Exits with 1 if something is broken.

    Plugins are not imported. The whole queue is read.
    """
    state: State = ctx.find_object(State) or State()
    now = time.time_ns() // 1000
    checks = looks.of_program()
    try:
        config = state.settings.config
        there = "is read" if config.is_file() else "is not there; the defaults hold"
        checks.append(Check("settings", Status.OK, f"{config} {there}"))
        checks += [Check("settings", Status.DEGRADED, warning) for warning in state.settings.warnings]
        checks += looks.of_plugins(PluginRegistry(state.policy).infos(), looks.day_of(now))
        with state.service() as service:
            checks += looks.of_queue(service, now=now, disk_floor=disk_floor * MEGABYTE)
    except YtworkerError as error:
        checks.append(Check("queue", Status.FAILED, str(error)))
    report(checks, json=json)
