"""What a scrape is given: its task, its settings, and the few ways in which it may talk to the engine.

The context knows no engine. It speaks through a :class:`Port`; in a worker that port turns every call into a JSON
message, in a plugin author's test it is :class:`ytworker.testing.FakePort`.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from logging import Logger, LoggerAdapter
from typing import Any, NoReturn, Protocol

from pydantic import BaseModel

from ytworker.errors import ConfigError
from ytworker.expectations import TOLERANCE, Expectation, Expectations, Identity, Test
from ytworker.holds import Holds
from ytworker.model import Task
from ytworker.pacing import Quota

AnyLogger = Logger | LoggerAdapter[Logger]


class Deferred(BaseException):
    """Leaves the scrape because it asked to wait; a BaseException, so that ``except Exception`` does not swallow it."""

    def __init__(self, until: datetime, reason: str) -> None:
        if until.tzinfo is None:
            msg = "a deferral needs an aware datetime, such as datetime.now(UTC) + timedelta(hours=1)"
            raise ValueError(msg)
        super().__init__(reason)
        self.until = until
        self.reason = reason


class Cancelled(BaseException):
    """Leaves the scrape because its task was cancelled or its claim is no longer valid."""


class Port(Protocol):
    """The far side of a context."""

    def progress(self, done: int, total: int | None, note: str | None) -> None:
        """Show how far the scrape is."""

    def checkpoint(self, value: Any) -> None:
        """Store the items yielded so far together with ``value``."""

    def acquire(self, source: str, cost: int, *, hold: bool) -> None:
        """Block until ``source`` may be asked ``cost`` times; raise Deferred while it cools down.

        With ``hold`` it also waits for one of the source's places in flight and takes it for this attempt, which has
        one of them at the most.
        """

    def leave(self, source: str) -> None:
        """Give this attempt's place in flight back."""

    def hesitate(self, source: str) -> None:
        """Let nobody else ask until this attempt has given its place back: a request of it failed."""

    def reserve(self, source: str, quota: Quota, cost: int) -> int:
        """Take units of a daily quota, say what is left, and raise Deferred to its reset when they do not suffice."""

    def left(self, source: str, quota: Quota) -> int:
        """Say how many units of a daily quota are left."""

    def exhaust(self, source: str, quota: Quota) -> None:
        """Leave nothing of a daily quota until its reset."""

    def sleep(self, seconds: float) -> None:
        """Wait, in a way that the engine and its tests control."""

    def suspect(self, reason: str) -> None:
        """Mark this attempt's items as doubtful."""

    def enqueue(self, task_type: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """Ask for a follow-up task."""

    def cancelled(self) -> bool:
        """Tell whether the scrape should stop."""


class Checkpoint:
    """Where an earlier attempt got to, and the way to say where this one is."""

    def __init__(self, port: Port, value: Any, expectations: Expectations) -> None:
        self._port = port
        self._expectations = expectations
        self.value = value

    def save(self, value: Any) -> None:
        """Commit every item yielded so far together with ``value``, in one transaction.

        What is saved is true whatever becomes of the task; a retry finds it in :attr:`value` and goes on from there.

        Args:
            value: Any JSON value, at most 1 MiB as text.

        Raises:
            SuspectError: The items so far are not what :meth:`Context.expect` expects. Let it pass: nothing is stored.
        """
        self._expectations.judge(ended=False)
        self._port.checkpoint(value)
        self.value = value


class Budget:
    """The pacing of one source, its places in flight and its daily quotas; all processes share them."""

    def __init__(self, port: Port, source: str, holds: Holds) -> None:
        self._port = port
        self._holds = holds
        self.source = source

    def acquire(self, cost: int = 1) -> None:
        """Wait until the source may be asked; call it before a request.

        Where the source may refuse, use :meth:`request` around it instead: after this call nothing keeps another
        process from asking until the refusal is written down.

        Args:
            cost: How many requests follow.

        Raises:
            Deferred: The source cools down or is paused. Let it pass: the task is put off and no attempt is burned.
        """
        self._port.acquire(self.source, cost, hold=False)

    @contextmanager
    def request(self, cost: int = 1) -> Iterator[None]:
        """Wait as :meth:`acquire` does, and hold one of the source's places in flight while the request is made.

        Left without an exception it gives the place back. Left with one the place stays held until the attempt's next
        request of this source ends well, or until the attempt ends: the cool-down that a refusal brings is written in
        the same transaction that frees the place, so that nobody asks in between. Where a source has several places,
        all of them are closed to others for so long. An attempt holds one place of a source at the most; where it nests
        requests, the outermost gives it back. Threads of the scrape wait for each other here.

        Args:
            cost: How many requests follow.

        Raises:
            Deferred: As with :meth:`acquire`, or no place became free for a long time.
            RuntimeError: Another coroutine of this scrape is in such a request, and would wait for this one.
        """
        with self.hold():
            self._port.acquire(self.source, cost, hold=True)
            self._holds.taken.add(self.source)
            yield

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the place that a :meth:`request` inside of it takes, and give it back at the end as that would.

        For requests that are judged together, such as a page that is refused in words and not by its status: judge
        before this ends, and nobody else asks before a refusal is known. It waits for nothing by itself.
        """
        holds = self._holds
        holds.begin(self.source)
        try:
            yield
        except GeneratorExit:  # whoever iterated has seen enough
            self._end()
            raise
        except BaseException as error:
            if isinstance(error, Exception):  # what ends a scrape by its own or the engine's will is no refusal
                self._hesitate()
            holds.end(self.source)
            raise
        self._end()

    def _end(self) -> None:
        if self._holds.end(self.source):
            self._holds.failed.discard(self.source)
            self._port.leave(self.source)

    def _hesitate(self) -> None:
        if self.source in self._holds.taken and self.source not in self._holds.failed:
            self._holds.failed.add(self.source)
            with suppress(Exception, Cancelled):  # the failure itself is what counts
                self._port.hesitate(self.source)

    def reserve(self, bucket: str, cost: int = 1, *, limit: int, zone: str) -> int:
        """Take units of a daily quota, before the call that they pay for; what is taken stays spent.

        Args:
            bucket: Which quota of the source, such as ``search``.
            cost: How many units the call costs.
            limit: How many units there are a day.
            zone: The time zone at whose midnight they are there anew, such as ``America/Los_Angeles``.

        Returns:
            How many units are left.

        Raises:
            Deferred: They do not suffice (until the reset), or the source cools down or is paused. Nothing is taken.
            ConfigError: The call costs more than there is in a day.
            ValueError: The zone is not known, or the cost is less than 1.
        """
        if cost < 1:
            msg = f"budget.reserve() takes a cost of at least 1, not {cost}"
            raise ValueError(msg)
        quota = Quota(bucket, limit, zone)
        if cost > limit:
            msg = f"{self.source}: one call takes {cost} units of the quota {bucket!r}, and {limit} are all for a day; "
            msg += "raise its limit in the settings"
            raise ConfigError(msg, source=self.source)
        return self._port.reserve(self.source, quota, cost)

    def left(self, bucket: str, *, limit: int, zone: str) -> int:
        """Say how many units of a daily quota are left; see :meth:`reserve`."""
        return self._port.left(self.source, Quota(bucket, limit, zone))

    def exhaust(self, bucket: str, *, limit: int, zone: str) -> None:
        """Take all that is left of a daily quota, because the server said that it is used up; see :meth:`reserve`."""
        self._port.exhaust(self.source, Quota(bucket, limit, zone))


class Context:
    """Everything a scrape may use. Later versions add attributes, never arguments.

    Attributes:
        task: The task, with ``attempt`` counting this attempt.
        settings: The validated settings sections that the plugin asked for in ``get_settings``, by name.
        logger: A logger that names the task and the attempt.
        checkpoint: What an earlier attempt saved, and ``save``.
        deadline: When this attempt must have ended, aware UTC.
        expectations: What :meth:`expect` was told, for the engine.
    """

    def __init__(
        self,
        *,
        task: Task,
        port: Port,
        logger: AnyLogger,
        deadline: datetime,
        settings: Mapping[str, BaseModel] | None = None,
        checkpoint: Any = None,
        stored: int | None = None,
    ) -> None:
        self.task = task
        self.settings: Mapping[str, BaseModel] = settings or {}
        self.logger = logger
        self.deadline = deadline
        self.expectations = Expectations(0 if checkpoint is None else stored)
        self.checkpoint = Checkpoint(port, checkpoint, self.expectations)
        self._port = port
        self._holds = Holds()

    @property
    def cancelled(self) -> bool:
        """Whether the scrape should stop: past its deadline, or its task is being given back or was cancelled.

        The answer may be a tenth of a second old, so it is cheap enough for any loop.
        """
        return self._port.cancelled()

    def progress(self, done: int, total: int | None = None, note: str | None = None) -> None:
        """Show how far the scrape is; cheap enough to call for every item.

        Args:
            done: Items or steps done.
            total: How many there will be, if known.
            note: A few words on what happens now.
        """
        self._port.progress(done, total, note)

    def budget(self, source: str) -> Budget:
        """Give the budget of one source, such as ``youtube`` or ``youtube via proxy.example:8080``.

        Raises:
            ValueError: That is no name.
        """
        return Budget(self._port, _name(source), self._holds)

    def sleep(self, seconds: float) -> None:
        """Wait inside the attempt; use it instead of ``time.sleep``, which neither tests nor the engine can shorten."""
        self._port.sleep(seconds)

    def defer(self, until: datetime, reason: str) -> NoReturn:
        """End this attempt and go on later; the attempt is not counted, items since the last checkpoint are dropped.

        Args:
            until: When to go on; aware.
            reason: Shown to the operator beside the waiting task.

        Raises:
            Deferred: Always.
            ValueError: ``until`` has no time zone.
        """
        raise Deferred(until, reason)

    def expect(
        self,
        *,
        minimum: int = 0,
        required: Iterable[str] = (),
        identity: Identity | None = None,
        where: Test | None = None,
        tolerance: float = TOLERANCE,
    ) -> None:
        """Say what the items that follow must be like; call it before the first one, and again for other items.

        An item that misses is kept apart: it is no data and never overwrites any. When all items miss, or several and
        more than ``tolerance`` of them, the attempt fails as ``suspect`` with the field and the share in the message,
        and all that it found since its last checkpoint is kept apart. That is tried once more, then the task is dead.

        Args:
            minimum: How many items there must be at least. Where none is legal, leave it at 0. What earlier attempts
                stored with their checkpoints counts.
            required: Fields that must have a value, by dotted names such as ``metrics.views``. 0 and an empty list are
                values; None and blank text are not.
            identity: What was asked for: the expected values by dotted name, such as ``{"author.id": "UC…"}``, or a
                function that says whether an item is it.
            where: Which items this is about, such as ``lambda item: item.availability == "public"``; all by default.
            tolerance: Which share of those may miss.

        Raises:
            ValueError: No item has such a field, or a number makes no sense.
        """
        names = (required,) if isinstance(required, str) else tuple(required)
        self.expectations.add(
            Expectation(minimum=minimum, required=names, identity=identity, where=where, tolerance=tolerance)
        )

    def suspect(self, reason: str) -> None:
        """Mark this attempt's items as doubtful: they are kept apart and never overwrite good ones.

        Args:
            reason: What does not fit, for the operator.
        """
        self._port.suspect(reason)

    def enqueue(self, task_type: str, params: Mapping[str, Any], **options: Any) -> None:
        """Ask for a follow-up task.

        It is put into the queue in the transaction of the next checkpoint or of the task's completion, so that an
        attempt that fails leaves none behind and its retry makes no second one.

        Args:
            task_type: Its task type.
            params: Its parameters, a JSON object.
            **options: ``priority``, ``key``, ``unique``, ``on_conflict``, ``max_attempts`` and ``timeout_seconds``.

        Raises:
            ParametersError: The parameters do not fit.
        """
        self._port.enqueue(task_type, params, options)


def _name(source: object) -> str:
    if not isinstance(source, str) or not source.strip():
        msg = f"context.budget() takes the name of a source, such as 'youtube', not {source!r}"
        raise ValueError(msg)
    return source
