"""The one place that validates and enqueues: for the command line, for follow-up tasks and for Python users.

::

    with ytworker.open() as service:
        service.enqueue("channel_scrape", {"channel_url": "@NASA"})
"""

import difflib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ytworker.backends import open_queue
from ytworker.engine import BaseWorker, TaskPoller, WorkerFactory
from ytworker.engine.backoff import sleep_until
from ytworker.engine.children import ForkServer
from ytworker.engine.loop import CrewPoller
from ytworker.engine.member import Limits
from ytworker.engine.parting import Parting
from ytworker.engine.retention import Retention, rules
from ytworker.engine.retry import RetryStrategy
from ytworker.engine.sharing import Observer
from ytworker.errors import ParametersError, QueueError, SettingsError
from ytworker.logs import LogEvent, event
from ytworker.looking import Looking
from ytworker.model import SECOND, Claim, ErrorInfo, Microseconds, NewTask, Task, TaskResult, TaskStatus
from ytworker.plugins.discovery import PluginKind, Policy
from ytworker.plugins.parameters import as_json, validate
from ytworker.plugins.registry import PluginRegistry
from ytworker.queue import (
    ClaimingStrategy,
    Enqueued,
    GroupCommit,
    QueueHurries,
    QueueWakes,
    TaskQueue,
    Waker,
    get_strategy,
)
from ytworker.settings import DEFAULT_RETRY, LoadedSettings, load_settings
from ytworker.task_options import as_fields, problems_of

log = logging.getLogger(__name__)

FOREGROUND_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Scraped:
    """What a scrape in the foreground came to.

    Attributes:
        task: The task afterwards.
        error: The failure of the last attempt, if it failed.
    """

    task: Task
    error: ErrorInfo | None


class Service(Looking):
    """A queue together with the plugins and settings that its tasks need.

    Args:
        queue: The queue.
        registry: The plugins.
        settings: The settings.
        clock: Integer UTC microseconds.
        sleep: How to wait.
        steady: Microseconds of a clock that nobody sets; by default ``clock`` where that is given, else the system's.
    """

    def __init__(
        self,
        queue: TaskQueue,
        registry: PluginRegistry,
        settings: LoadedSettings,
        *,
        clock: Callable[[], Microseconds] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        steady: Callable[[], Microseconds] | None = None,
    ) -> None:
        super().__init__(queue, registry, clock or (lambda: time.time_ns() // 1000))
        self._steady = steady or clock or (lambda: time.monotonic_ns() // 1000)
        self.settings = settings
        self._sleep = sleep
        self._loading = threading.RLock()  # a plugin is imported once, whichever thread asks for it first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the queue."""
        self.queue.close()

    # -- putting tasks in

    def check(self, task_type: str, params: Mapping[str, Any], **options: Any) -> NewTask:
        """Validate a task without enqueueing it; from any thread.

        Args:
            task_type: The task type.
            params: Its parameters, a JSON object.
            **options: ``priority``, ``run_at`` (aware datetime), ``key``, ``max_attempts``, ``timeout_seconds``; with a
                key also ``unique`` (``live``, ``queued``) and ``on_conflict`` (``keep``, ``replace``,
                ``raise-priority``), see :class:`ytworker.model.NewTask`.

        Raises:
            ParametersError: With every problem of the parameters and the options.
            PluginUnavailableError: Nothing answers this type.
        """
        with self._loading:
            model = self.registry.parameters(task_type)
        try:
            valid = validate(task_type, model, params)
        except ParametersError as error:
            raise ParametersError(task_type, error.problems, list(problems_of(options))) from None
        return self.checked(task_type, as_json(valid), **options)

    def checked(self, task_type: str, params: Mapping[str, Any], **options: Any) -> NewTask:
        """Make a task out of parameters that were checked where its plugin is; see :meth:`check`. Imports no plugin.

        Raises:
            ParametersError: With every problem of the options.
        """
        problems = list(problems_of(options))
        if problems:
            raise ParametersError(task_type, (), problems)
        defaults = {
            "max_attempts": self.settings.values.max_attempts,
            "timeout_seconds": self.settings.values.timeout_seconds,
        }
        return NewTask(type=task_type, params=params, **{**defaults, **as_fields(options)})

    def enqueue(self, task_type: str, params: Mapping[str, Any], **options: Any) -> str:
        """Validate a task and put it into the queue; see :meth:`check` for arguments and errors.

        Returns:
            Its id, or that of the live task with the same key.
        """
        return self.enqueue_many([self.check(task_type, params, **options)])[0]

    def enqueue_many(self, tasks: Iterable[NewTask]) -> list[str]:
        """Put tasks that :meth:`check` made into the queue, all or none; give their ids."""
        return [str(enqueued.id) for enqueued in self.queue.enqueue(list(tasks))]

    def group_commit(self) -> GroupCommit:
        """Let many threads enqueue what :meth:`check` made, in shared transactions; use it as a context manager."""
        return GroupCommit(self.queue)

    # -- doing them

    def worker_factory(self) -> WorkerFactory:
        """Give the maker of this service's workers."""
        return WorkerFactory(
            queue=self.queue,
            registry=self.registry,
            sections=self.settings.values.plugins,
            clock=self._clock,
            steady=self._steady,
            sleep=self._sleep,
            check=self.checked,
            lease_seconds=self.settings.values.lease_seconds,
            retry=self._retry_of,
            pace=self.settings.values.paced(),
            max_depth=self.settings.values.max_depth,
        )

    def _retry_of(self, task_type: str) -> RetryStrategy:
        return RetryStrategy(**self.settings.values.retry_for(task_type).model_dump())

    def misspelt_sections(self, task_type: str) -> dict[str, str]:
        """Give the plugin sections of the settings that look like a misspelt one of this type, with the right name."""
        read = self.registry.sections(task_type)
        given = [name for name in self.settings.values.plugins if name not in read]
        guesses = {name: difflib.get_close_matches(name, read, n=1) for name in given}
        return {name: guess[0] for name, guess in guesses.items() if guess}

    def misspelt_retries(self) -> dict[str, str]:
        """Give the names under ``retry`` that are no installed task type, with the nearest or ""."""
        known = [info.name for info in self.registry.infos() if info.kind is PluginKind.WORKER]
        names = [name for name in self.settings.values.retry if name not in {*known, DEFAULT_RETRY}]
        return {name: next(iter(difflib.get_close_matches(name, known, n=1)), "") for name in names}

    def scrape(
        self, task: NewTask, *, observe: Observer | None = None, waiting: Callable[[Task], None] | None = None
    ) -> Scraped:
        """Enqueue and claim a task in one transaction, and do it here and now.

        A retry that is due within a minute is waited for, unless nobody could be reached at all; so is a deferral, but
        once only. Interrupted by KeyboardInterrupt, the task is queued again with its attempt taken back.

        Args:
            task: What :meth:`check` made.
            observe: Sees its progress.
            waiting: Told before each wait for a retry.
        """
        self.queue.rescue()  # whoever only ever scrapes by hand has no worker that would
        patient = True
        with self.worker_factory().create(observe=observe, foreground=True) as worker:
            claim: Claim | Enqueued | None = self.queue.enqueue_and_claim(task, worker.id)
            while isinstance(claim, Claim):
                result = worker.process_task(claim)
                worker.report_result(claim, result)
                after = self.queue.get(claim.task.id)
                put_off = after.attempt < claim.task.attempt  # these do not count, so they alone would never end
                claim = self._retry(worker, after, result, waiting) if patient or not put_off else None
                patient = patient and not put_off
        if isinstance(claim, Enqueued):
            why = "is enqueued, but not due yet" if claim.created else f"with the key {task.key!r} is live already"
            msg = f"task {claim.id} {why}; `ytworker tasks show {claim.id}` shows it"
            raise QueueError(msg)
        return Scraped(self.queue.get(after.id), result.error)

    def _retry(
        self, worker: BaseWorker, task: Task, result: TaskResult, waiting: Callable[[Task], None] | None
    ) -> Claim | None:
        if task.state is not TaskStatus.SCHEDULED or task.run_at is None or (result.error and result.error.offline):
            return None
        if task.run_at - self._clock() > FOREGROUND_WAIT_SECONDS * SECOND:
            return None
        if waiting is not None:
            waiting(task)
        while (left := task.run_at - self._clock()) > 0:  # a sleep may end early, and the clock may be set
            wait = min(left / SECOND, FOREGROUND_WAIT_SECONDS)
            worker.keep_alive(wait)
            self._sleep(wait)
        return self.queue.claim_task(worker.id, task.id)

    def run(  # noqa: PLR0913 - each is a choice of its own
        self,
        *,
        strategy: ClaimingStrategy | None = None,
        types: Sequence[str] = (),
        until_empty: bool = False,
        max_tasks: int | None = None,
        stopping: Callable[[], bool] = lambda: False,
        releasing: Callable[[], bool] = lambda: False,
        concurrency: int | None = None,
        server: ForkServer | None = None,
        parting: Parting | None = None,
    ) -> int:
        """Work on the queue until told to stop.

        Args:
            strategy: In which order to claim; what the settings say by default.
            types: The task types to claim; empty for all.
            until_empty: Stop when nothing is ready; what is scheduled for later is left.
            max_tasks: Stop after so many tasks.
            stopping: Tells whether to stop once the running tasks are done.
            releasing: Tells whether to give the running tasks back at once; only asked with children.
            concurrency: How many child processes do tasks; None lets this very process do them, one by one.
            server: Starts the children; made here by default. It is closed at the end.
            parting: Told what became of the tasks that were being done at the end, also where an error ends the run.

        Returns:
            How many tasks were done; one that went back to the queue is not.

        Raises:
            ChildrenError: This system cannot have children; or, with ``until_empty``, none could be had for a while.
            PluginsRefusedError: ``strict_plugins`` is on, and a plugin ends children while it is loaded.
        """
        values = self.settings.values
        order = strategy or get_strategy(values.strategy, aging_seconds=values.aging_seconds)
        self._make_ready(order)
        days = rules(keep_completed_days=values.keep_completed_days, keep_dead_days=values.keep_dead_days)
        shared: dict[str, Any] = {
            "queue": self.queue,
            "clock": self._clock,
            "sleep": sleep_until(stopping) if self._sleep is time.sleep else self._sleep,
            "stopping": stopping,
            "rescue_seconds": values.lease_seconds / 3,
            "retention": Retention(days),
        }
        factory = self.worker_factory()
        if concurrency is None:
            worker = factory.create(strategy=order, types=types, draining=stopping)
            poller = TaskPoller(worker=worker, types=worker.types, **shared)
        else:
            crew = factory.create_crew(
                server or ForkServer(),
                size=concurrency,
                limits=self._limits(),
                strategy=order,
                types=types,
                strict=values.strict_plugins,
                draining=stopping,
            )
            poller = CrewPoller(worker=crew, types=crew.types, releasing=releasing, **shared)
        poller.waker = self._waker()
        if parting is not None:
            poller.worker.parting = parting
        try:
            return poller.run(until_empty=until_empty, max_tasks=max_tasks)
        finally:
            if poller.waker is not None:
                poller.waker.close()

    def hurry(self, seconds: float) -> None:
        """Wait for the store no longer than that, from now on; see :class:`ytworker.queue.QueueHurries`."""
        if isinstance(self.queue, QueueHurries):
            self.queue.hurry(seconds)

    def _waker(self) -> Waker | None:
        """Let the queue end waits, if it can and they are real ones."""
        return self.queue.waker() if isinstance(self.queue, QueueWakes) and self._sleep is time.sleep else None

    def _limits(self) -> Limits:
        values = self.settings.values
        return Limits(
            memory_mb=values.memory_mb,
            recycle_after_tasks=values.recycle_after_tasks,
            recycle_rss_mb=values.recycle_rss_mb,
            grace_seconds=values.grace_seconds,
            max_processes=values.max_processes,
        )

    def _make_ready(self, order: ClaimingStrategy) -> None:
        """Let the queue offer what the settings name, if somebody set it or the order is not there."""
        wanted = self.settings.values.orders
        if order.name not in wanted:
            msg = (
                f"the order {order.name} is not among those that the setting orders keeps ready ({', '.join(wanted)}); "
                "add it there, or choose one of these"
            )
            raise SettingsError(msg)
        if "orders" not in self.settings.origins and order.name in self.queue.orders():
            return
        missing = [name for name in wanted if name not in self.queue.orders()]
        if missing:
            names = " and ".join(missing)
            told = event(LogEvent.QUEUE_PREPARED)
            log.info("making ready the order %s; with many tasks this takes a while", names, extra=told)
        self.queue.offer(wanted)


def open(  # noqa: A001 - `ytworker.open` reads well and shadows nothing outside
    url: str | None = None,
    *,
    config: Path | None = None,
    settings: LoadedSettings | None = None,
    policy: Policy | None = None,
) -> Service:
    """Open a queue with its plugins.

    Args:
        url: The queue; the setting ``queue`` by default. A plain path is a SQLite file.
        config: The TOML file; the user's own by default.
        settings: Settings that were loaded already; then ``config`` is not looked at.
        policy: Which plugins may be used; what the settings say by default.

    Raises:
        SettingsError: The settings cannot be used.
        StoreError: The queue cannot be opened.
        PluginUnavailableError: No installed backend serves this kind of URL.
    """
    loaded = settings or load_settings({"queue": url}, config)
    values = loaded.values
    policy = policy or Policy(values.only, values.block, values.no_plugins, values.prefer)
    registry = PluginRegistry(policy, trace=values.trace_hooks)
    queue = open_queue(url or values.queue, registry, values.durability, events=values.events)
    return Service(queue, registry, loaded)
