"""``ytworker doctor``: everything that may be odd here, in one list."""

import time
from typing import Annotated

import typer

from ytworker import doctor as looks
from ytworker.cli.health import MEGABYTE, Floor, Json, report
from ytworker.cli.lazy import make_app
from ytworker.cli.state import State
from ytworker.errors import YtworkerError
from ytworker.health import DISK_FLOOR, Check, Status
from ytworker.model import Microseconds
from ytworker.plugins.left_out import marked
from ytworker.plugins.registry import PluginRegistry
from ytworker.service import Service

app = make_app()


@app.command()
def doctor(
    ctx: typer.Context,
    disk_floor: Floor = DISK_FLOOR // MEGABYTE,
    online: Annotated[bool, typer.Option("--online", help="Also ask the sites, a request or two each.")] = False,
    json: Json = False,
) -> None:
    """Look at versions, settings, plugins and the queue, and say what is odd. Exits with 1 if something is broken.

    Plugins are not imported, but for the checks that --online asks for. The whole queue is read.
    """
    state: State = ctx.find_object(State) or State()
    now = time.time_ns() // 1000
    checks = looks.of_program()
    try:
        config = state.settings.config
        there = "is read" if config.is_file() else "is not there; the defaults hold"
        checks.append(Check("settings", Status.OK, f"{config} {there}"))
        checks += [Check("settings", Status.DEGRADED, warning) for warning in state.settings.warnings]
        checks += looks.of_plugins(marked(PluginRegistry(state.policy).infos()), looks.day_of(now))
        with state.service() as service:
            checks += looks.of_queue(service, now=now, disk_floor=disk_floor * MEGABYTE)
            if online:
                checks += _of_sites(state, service, now)
    except YtworkerError as error:
        checks.append(Check("queue", Status.FAILED, str(error)))
    report(checks, json=json)


def _of_sites(state: State, service: Service, now: Microseconds) -> list[Check]:
    from ytworker.online import of_sites  # noqa: PLC0415 - imports the checks of plugins, only where they are asked for

    return [*of_sites(state.policy, state.settings.values.plugins, service.queue.sources(), now)]
