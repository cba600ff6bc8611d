"""``ytworker run``: a worker."""

import logging
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ytworker.cli.lazy import make_app
from ytworker.cli.output import counted, note, sentence
from ytworker.cli.pace import PaceOption
from ytworker.cli.state import State

if TYPE_CHECKING:
    from ytworker.engine.children import ForkServer
    from ytworker.engine.parting import Parting
    from ytworker.queue import ClaimingStrategy
    from ytworker.service import Service

log = logging.getLogger(__name__)

app = make_app()

_ORDERS_HELP = "fifo, lifo, priority or weighted_random. [default: lifo]"
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]

PARTING_WORDS_SECONDS = 1.0
"""How long the last words may take."""
LEAVE_SECONDS = 5.0
"""How long the second signal leaves the worker to write down what has ended and to give back the rest."""
HURRY_SECONDS = 10.0
"""How long it waits for a queue that is locked, each time, from the first signal on."""


class _Drain:
    """Set by the first signal; the second one gives back what is being done: by killing children, or an interrupt.

    Args:
        line: Gives a text as the line that says it.
        hurry: Told how long the queue may be waited for from the first signal on.
        inline: Whether tasks run in this process.
    """

    def __init__(self, line: Callable[[str], str], hurry: Callable[[float], None], *, inline: bool) -> None:
        self._line = line
        self._hurry = hurry
        self._inline = inline
        self._alarm: Any = None
        self.stopping = False
        self.releasing = False

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        if not self.stopping:
            self.stopping = True
            self._hurry(HURRY_SECONDS)
            self._say("stopping after the current task; once more gives it back to the queue at once")
            return
        if not self.releasing and hasattr(signal, "setitimer"):
            self._alarm = signal.signal(signal.SIGALRM, self._leave)
            signal.setitimer(signal.ITIMER_REAL, LEAVE_SECONDS)
        self.releasing = True
        if self._inline:
            raise KeyboardInterrupt

    def _say(self, text: str) -> None:
        """Say something, unless nobody listens: a full pipe would keep us from all that the signal is for.

        Past Python's streams, which the signal may have interrupted in the middle of a line.
        """
        with suppress(OSError, ValueError):  # it is closed, then
            if sys.platform == "win32" or select.select([], [2], [], 0)[1]:  # there it selects sockets only
                os.write(2, self._line(text).encode())

    def over(self) -> None:
        """Let the second signal have no more consequences."""
        if self._alarm is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._alarm)

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        """Leave in the middle of whatever it is: most likely the queue is locked, or its disk does not answer."""
        try:
            if not self._inline:
                from ytworker.engine.children import abandon_all  # noqa: PLC0415 - see `_fork_server`

                abandon_all()
            # Should even the words not get through, to a terminal that is stopped, the next alarm ends this process.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, PARTING_WORDS_SECONDS)
            self._say(
                "the queue could not be written in time: what this worker held goes back when its lease ends, "
                "and counts as an attempt"
            )
        finally:
            os._exit(1)  # children die with us, and a store survives that as it survives kill -9


@contextmanager
def _draining(line: Callable[[str], str], hurry: Callable[[float], None], *, inline: bool) -> Iterator[_Drain]:
    drain = _Drain(line, hurry, inline=inline)
    # What was to be ignored from the start stays so, as SIGHUP under nohup; but shells do that to SIGINT of any job.
    heard = [each for each in _SIGNALS if each == signal.SIGINT or signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, drain.on_signal) for number in heard}
    try:
        yield drain
    finally:
        drain.over()
        for number, handler in before.items():
            signal.signal(number, handler)


def _log(text: str) -> None:
    """Tell something as a line of the log: whoever reads JSON Lines must find nothing else among them."""
    from ytworker.logs import LogEvent, event  # noqa: PLC0415 - see `_fork_server`

    log.info("%s", text, extra=event(LogEvent.WORKER_MESSAGE))


def _record(text: str) -> str:
    """Give a text as the line that :func:`_log` makes of it."""
    from ytworker.logs import JSONFormatter, LogEvent, event  # noqa: PLC0415 - see `_fork_server`

    told = event(LogEvent.WORKER_MESSAGE)
    return JSONFormatter().format(log.makeRecord(log.name, logging.INFO, "", 0, text, (), None, extra=told)) + "\n"


@contextmanager
def _errors_as_records(wanted: bool) -> Iterator[None]:
    """Tell an error that ends the worker as a line of the log, too, where that is read by a machine."""
    from ytworker.errors import YtworkerError  # noqa: PLC0415 - see `_fork_server`

    try:
        yield
    except YtworkerError as error:
        if not wanted:
            raise
        from ytworker.cli.exits import exit_code  # noqa: PLC0415
        from ytworker.logs import LogEvent, event  # noqa: PLC0415

        log.error("%s", error, extra=event(LogEvent.WORKER_MESSAGE))  # noqa: TRY400 - a sentence, and no traceback
        raise typer.Exit(exit_code(error)) from None


@contextmanager
def _fork_server(inline: bool) -> Iterator["ForkServer | None"]:
    """Start what starts children, before anything else: it loads while we do."""
    if inline:
        yield None
        return
    from ytworker.engine.children import ForkServer  # noqa: PLC0415 - light, unlike all that `run` needs later

    with ForkServer() as server:
        yield server


def _tell_what_is_missing(service: "Service", types: Sequence[str], tell: Callable[[str], None]) -> None:
    """Leave where a type is named that no plugin answers: the worker would wait for it in silence."""
    from ytworker.errors import PluginUnavailableError  # noqa: PLC0415 - see `_fork_server`
    from ytworker.plugins.discovery import USABLE  # noqa: PLC0415

    for name in types:
        info = service.registry.info(name)
        if info.state not in USABLE:
            raise PluginUnavailableError(name, info.state.value, info.reason or "")
    for name, reason in service.waiting_for_plugins().items():
        tell(f"{name}: tasks wait for their plugin, which is {reason}")
    for name, guess in service.misspelt_retries().items():
        hint = f"; did you mean retry.{guess}?" if guess else ", or the plugin that answers it is not installed"
        tell(f"warning: retry.{name} in the settings is no task type{hint}")
    if not service.registry.task_types():
        tell("no worker plugin is installed, so no task can be done; try: pip install ytworker-channel")


def _order(state: State, strategy: str | None, aging: str | None) -> "ClaimingStrategy":
    from ytworker.cli.times import span  # noqa: PLC0415 - see `_fork_server`
    from ytworker.queue import get_strategy  # noqa: PLC0415

    values = state.settings.values
    try:
        seconds = values.aging_seconds
        if aging is not None:
            seconds = None if aging.strip() == "0" else span(aging).total_seconds() or None
        return get_strategy(strategy or values.strategy, aging_seconds=seconds)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _in_words(left: "Parting") -> str:
    """Say what became of the tasks that were being done."""
    if left.kept:
        return (
            "the queue could not be written: the current task goes back when the lease of this worker ends, "
            "and counts as an attempt"
        )
    if left.given_back == 1:
        return "the current task was given back to the queue"
    return f"{left.given_back} tasks were given back to the queue"


@app.command()
def run(  # noqa: PLR0913, PLR0917 - each is an option
    ctx: typer.Context,
    strategy: Annotated[str | None, typer.Option(metavar="ORDER", help=_ORDERS_HELP)] = None,
    aging: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Now and then take the oldest task once it waited for: 10m, 2h. 0 is off."),
    ] = None,
    types: Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this task type.")] = None,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="Leave when nothing is ready.")] = False,
    max_tasks: Annotated[int | None, typer.Option(min=1, metavar="N", help="Leave after so many tasks.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="How many tasks at a time. [default: 2]")
    ] = None,
    pace: PaceOption = None,
    inline: Annotated[
        bool, typer.Option("--inline", help="Do tasks in this very process, one by one: for debugging, and on Windows.")
    ] = False,
) -> None:
    """Work on the queue until SIGTERM or Ctrl-C.

    Each task runs in a child process, so that one that crashes or hangs harms no other. The first signal lets the
    current tasks finish; the second gives them back to the queue, with no attempt counted.
    """
    if inline and concurrency not in {None, 1}:
        msg = "--inline does one task at a time; leave out --concurrency, or --inline"
        raise typer.BadParameter(msg)
    state: State = ctx.find_object(State) or State()
    state.choose_pace(pace)
    with _fork_server(inline) as server:
        from ytworker.engine.parting import Parting  # noqa: PLC0415 - see `_fork_server`

        order = _order(state, strategy, aging)
        records = state.log_as_worker()
        tell = _log if records else note
        with (
            _errors_as_records(records),
            state.service() as service,
            _draining(_record if records else sentence, service.hurry, inline=inline) as drain,
        ):
            _tell_what_is_missing(service, types or (), tell)
            done, left = None, Parting()
            with suppress(KeyboardInterrupt):  # `left` knows what became of the task
                done = service.run(
                    strategy=order,
                    types=tuple(types or ()),
                    until_empty=until_empty,
                    max_tasks=max_tasks,
                    stopping=lambda: drain.stopping,
                    releasing=lambda: drain.releasing,
                    concurrency=None if inline else concurrency or state.settings.values.concurrency,
                    server=server,
                    parting=left,
                )
            if left.given_back or left.kept:
                tell(_in_words(left))
                raise typer.Exit(1)
    back = f"; {counted(left.recalled, 'task')} went back to the queue" if left.recalled else ""
    tell("nothing had to be given back" if done is None else f"{counted(done, 'task')} done{back}")
