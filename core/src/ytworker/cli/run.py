"""``ytworker run``: a worker."""

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import counted, note
from ytworker.cli.state import State
from ytworker.cli.times import span
from ytworker.errors import PluginUnavailableError
from ytworker.logs import LogEvent, event
from ytworker.plugins.discovery import USABLE
from ytworker.queue import ORDERS, ClaimingStrategy, get_strategy
from ytworker.service import Service

log = logging.getLogger(__name__)

app = make_app()


_ORDERS_HELP = f"{', '.join(ORDERS[:-1])} or {ORDERS[-1]}. [default: lifo]"
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _Drain:
    """Set by the first signal; the second one interrupts the task, which then goes back to the queue.

    Args:
        tell: How to say so.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.stopping = False
        self._tell = tell

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self._tell("stopping after the current task; once more gives it back to the queue at once")


@contextmanager
def _draining(tell: Callable[[str], None]) -> Iterator[_Drain]:
    drain = _Drain(tell)
    before = {number: signal.signal(number, drain.on_signal) for number in _SIGNALS}
    try:
        yield drain
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log(text: str) -> None:
    """Tell something as a line of the log: whoever reads JSON Lines must find nothing else among them."""
    log.info("%s", text, extra=event(LogEvent.WORKER_MESSAGE))


def _refuse_unknown(service: Service, types: Sequence[str]) -> None:
    """Leave where a type is named that no plugin answers: the worker would wait for it in silence."""
    for name in types:
        info = service.registry.info(name)
        if info.state not in USABLE:
            raise PluginUnavailableError(name, info.state.value, info.reason or "")


def _order(state: State, strategy: str | None, aging: str | None) -> ClaimingStrategy:
    values = state.settings.values
    try:
        seconds = values.aging_seconds
        if aging is not None:
            seconds = None if aging.strip() == "0" else span(aging).total_seconds() or None
        return get_strategy(strategy or values.strategy, aging_seconds=seconds)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def run(
    ctx: typer.Context,
    strategy: Annotated[str | None, typer.Option(metavar="ORDER", help=_ORDERS_HELP)] = None,
    aging: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Now and then take the oldest task once it waited for: 10m, 2h. 0 is off."),
    ] = None,
    types: Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this task type.")] = None,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="Leave when nothing is ready.")] = False,
    max_tasks: Annotated[int | None, typer.Option(min=1, metavar="N", help="Leave after so many tasks.")] = None,
) -> None:
    """Work on the queue until SIGTERM or Ctrl-C.

    The first signal lets the current task finish; the second gives it back to the queue, with no attempt counted.
    """
    state: State = ctx.find_object(State) or State()
    order = _order(state, strategy, aging)
    tell = _log if state.log_as_worker() else note
    with state.service() as service, _draining(tell) as drain:
        usable = service.registry.task_types()
        _refuse_unknown(service, types or ())
        for name, reason in service.waiting_for_plugins().items():
            tell(f"{name}: tasks wait for their plugin, which is {reason}")
        if not usable:
            tell("no worker plugin is installed, so no task can be done; try: pip install ytworker-channel")
        try:
            done = service.run(
                strategy=order,
                types=tuple(types or ()),
                until_empty=until_empty,
                max_tasks=max_tasks,
                stopping=lambda: drain.stopping,
            )
        except KeyboardInterrupt:
            tell("the current task was given back to the queue")
            raise typer.Exit(1) from None
    tell(f"{counted(done, 'task')} done")
