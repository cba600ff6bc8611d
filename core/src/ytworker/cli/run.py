"""``ytworker run``: a worker."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import counted, note
from ytworker.cli.state import State

app = make_app()


class _Drain:
    """Set by the first signal; the second one interrupts the task, which then goes back to the queue."""

    def __init__(self) -> None:
        self.stopping = False

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        note("stopping after the current task; once more gives it back to the queue at once")


@contextmanager
def _draining() -> Iterator[_Drain]:
    drain = _Drain()
    before = {number: signal.signal(number, drain.on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield drain
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@app.command()
def run(
    ctx: typer.Context,
    strategy: Annotated[str | None, typer.Option(metavar="ORDER", help="fifo or lifo. [default: lifo]")] = None,
    types: Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this task type.")] = None,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="Leave when nothing is ready.")] = False,
    max_tasks: Annotated[int | None, typer.Option(min=1, metavar="N", help="Leave after so many tasks.")] = None,
) -> None:
    """Work on the queue until SIGTERM or Ctrl-C.

    The first signal lets the current task finish; the second gives it back to the queue, with no attempt counted.
    """
    state: State = ctx.find_object(State) or State()
    if state.log_level is None and "log_level" not in state.settings.origins:
        state.be_talkative()
    with state.service() as service, _draining() as drain:
        usable = service.registry.task_types()
        for name, reason in service.waiting_for_plugins().items():
            note(f"{name}: tasks wait for their plugin, which is {reason}")
        if not usable:
            note("no worker plugin is installed, so no task can be done; try: pip install ytworker-channel")
        try:
            done = service.run(
                strategy=strategy,
                types=tuple(types or ()),
                until_empty=until_empty,
                max_tasks=max_tasks,
                stopping=lambda: drain.stopping,
            )
        except KeyboardInterrupt:
            note("the current task was given back to the queue")
            raise typer.Exit(1) from None
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    note(f"{counted(done, 'task')} done")
