"""Workers: the life cycle that claims a task, does it and reports what became of it."""

import logging
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol, Self

from ytworker.engine.attempt import Attempt
from ytworker.engine.ending import completion, cool_down, refused, went_back
from ytworker.engine.executor import Executor
from ytworker.engine.lease import LeaseKeeper
from ytworker.engine.messages import encode, task_message
from ytworker.engine.parting import Parting
from ytworker.engine.retry import OUTAGE_SECONDS, Bury, Decision, Defer, Release, Retry, RetryStrategy
from ytworker.engine.sharing import AttemptDeps
from ytworker.engine.tally import Tally
from ytworker.engine.telling import tell_claim, tell_late, tell_result
from ytworker.errors import PayloadError, StoreError, UnstorableError
from ytworker.logs import LogEvent, event
from ytworker.model import SECOND, Claim, Clock, ErrorClass, ErrorInfo, Microseconds, TaskResult
from ytworker.queue import (
    ClaimingStrategy,
    Deferral,
    Ending,
    Failure,
    LIFOStrategy,
    Return,
    TaskQueue,
)
from ytworker.queue.settling import stale_claim

log = logging.getLogger(__name__)


class WorkerProtocol(Protocol):
    """What a poller needs of a worker."""

    def claim_task(self) -> Claim | None:
        """Claim the next task, or None when none is ready."""

    def process_task(self, claim: Claim) -> TaskResult:
        """Do a claimed task; a failure is a result, not an exception."""

    def report_result(self, claim: Claim, result: TaskResult) -> Decision | None:
        """Write down what became of it; None when it succeeded or was put off by its own wish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDeps:
    """What every worker needs.

    Attributes:
        queue: Where tasks come from.
        types: Names the task types to claim, asked before every claim.
        strategy: In which order, to begin with.
        retry: What follows a failure, by task type.
        clock: Integer UTC microseconds.
        lease_seconds: How long a silent worker keeps its tasks.
        random: Draws from [0, 1).
        foreground: Whether it comes for a task of its own and goes again; then its lease does not show that a worker
            lives.
    """

    queue: TaskQueue
    types: Callable[[], Sequence[str]]
    clock: Clock
    strategy: ClaimingStrategy = LIFOStrategy
    retry: Callable[[str], RetryStrategy] = field(default=lambda _type: RetryStrategy())
    lease_seconds: float = 60.0
    random: Callable[[], float] = random.random
    foreground: bool = False


REFUSALS = (
    UnstorableError,
    PayloadError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""A store refuses what it was given, and always will; other endings in the same transaction are innocent."""


class BaseWorker(ABC):
    """The life cycle: registers, claims, processes, reports, and gives back what it still holds at the end.

    Use it as a context manager; inside it holds a lease.

    Attributes:
        id: Of its lease.
        done: How many tasks it has done.
        returned: How many it has put back as they were.
        parting: What becomes at the end of what it holds then.
    """

    def __init__(self, deps: WorkerDeps) -> None:
        self._deps = deps
        self._strategy = deps.strategy
        self._keeper: LeaseKeeper | None = None
        self._tally = Tally(deps.queue)
        self._thread = threading.get_ident()
        self._doing = 0
        self.id = 0
        self.done = 0
        self.returned = 0
        self.parting = Parting()

    @property
    def strategy(self) -> ClaimingStrategy:
        """In which order it claims. Set it at any time and from any thread: the next claim follows the new order.

        The queue must offer the order (:meth:`ytworker.queue.TaskQueue.offer`), or that claim raises ValueError.
        """
        return self._strategy

    @strategy.setter
    def strategy(self, order: ClaimingStrategy) -> None:
        self._strategy = order

    def __enter__(self) -> Self:
        self._register()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tally.add()
        try:
            self._unregister()
            self.parting.given_back += self._doing
        except StoreError:  # the lease lapses instead, and another worker rescues the task
            self.parting.kept += self._doing

    @abstractmethod
    def process_task(self, claim: Claim) -> TaskResult:
        """Do a claimed task; a failure is a result, not an exception."""

    def claim_task(self) -> Claim | None:
        """Claim the next task, or None when none is ready."""
        self.keep_alive()
        claims = self._claim()
        if not claims and self.renew_lease():  # it had lost its lease, and with it the right to claim
            claims = self._claim()
        for claim in claims:
            tell_claim(claim, self._deps.queue.url)
        return claims[0] if claims else None

    def renew_lease(self) -> bool:
        """Renew the lease here and now; True when it was lost and a new one took its place.

        After a suspend of the machine the lease has lapsed though nothing hangs; whoever looks for lapsed leases must
        renew the own one first.
        """
        if self._deps.queue.renew(self.id, lease_seconds=self._deps.lease_seconds):
            return False
        self._replace()
        return True

    def report_result(self, claim: Claim, result: TaskResult) -> Decision | None:
        """Write down what became of a task; a report that comes too late is refused by the queue and logged.

        A result that no store can keep ends its task as a bug.
        """
        try:
            ending, decision = self.ending_of(claim, result)
            stale = self._deps.queue.settle([ending]).stale
        except REFUSALS as error:
            result = refused(result, error)
            ending, decision = self.ending_of(claim, result)
            stale = self._deps.queue.settle([ending]).stale
        self.was_settled(claim, result, decision, late=bool(stale))
        return None if stale else decision

    def was_settled(self, claim: Claim, result: TaskResult, decision: Decision | None, *, late: bool) -> None:
        """Count a task and tell of it, now that its ending is written down; ``late`` if the queue refused it."""
        self._doing = 0
        url = self._deps.queue.url
        if late:
            tell_late(claim, url, stale_claim(claim))
            return
        if went_back(result, decision):
            self.returned += 1
        else:
            self.done += 1
        now = self._deps.clock()
        tell_result(claim, result, decision, url=url, now=now)
        self._tally.take(claim, result, decision, now)

    def types(self) -> Sequence[str]:
        """Name the task types that it claims."""
        return self._deps.types()

    def run_once(self) -> bool:
        """Claim one task, do it and report it; False when none was ready."""
        claim = self.claim_task()
        if claim is None:
            return False
        self._doing = 1
        self.report_result(claim, self.process_task(claim))
        return True

    def keep_alive(self, seconds: float = 0.0) -> None:
        """Tell the lease that the loop lives and may be silent for so long; a lost lease is replaced by a new one.

        What was counted for metrics goes to the queue when it is time. A thread of a scrape in this process may say so,
        too, but the queue is not for its hands.
        """
        if threading.get_ident() == self._thread:
            self._look_after()
        if self._keeper is not None:
            self._keeper.alive_for(seconds)

    def start_over(self) -> None:
        """Go on under a new lease; what is still held under the old one goes back, now or when that lapses.

        Raises:
            StoreError: The store cannot be written yet; the next claim registers the worker.
        """
        self._doing = 0
        with suppress(StoreError):
            self._unregister()
        self._register()

    # -- parts

    def _look_after(self) -> None:
        if self._tally.holds:
            self._tally.add_if_due(self._deps.clock())
        if self._keeper is not None and self._keeper.lost:
            self._replace()

    def _claim(self) -> list[Claim]:
        return self._deps.queue.claim(self.id, self._strategy, self._deps.types())

    def _replace(self) -> None:
        told = event(LogEvent.LEASE_LOST, worker_id=str(self.id))
        log.warning("the lease of this worker lapsed: it goes on under a new one", extra=told)
        self._unregister()
        self._register()

    def _register(self) -> None:
        self._thread = threading.get_ident()
        deps = self._deps
        self.id = deps.queue.add_worker(lease_seconds=deps.lease_seconds, foreground=deps.foreground)
        try:
            self._keeper = LeaseKeeper(deps.queue, self.id, deps.lease_seconds).__enter__()
        except StoreError:
            with suppress(StoreError):  # else it lapses
                deps.queue.remove_worker(self.id)
            raise

    def _unregister(self) -> None:
        if self._keeper is not None:
            self._keeper.__exit__(None, None, None)
            self._keeper = None
        self._deps.queue.remove_worker(self.id)

    def ending_of(self, claim: Claim, result: TaskResult) -> tuple[Ending, Decision | None]:
        """Say what is to be written down for a result, and which decision stands behind it, if any."""
        if result.success:
            return completion(claim, result), None
        if result.error is not None:
            return self._ending_of_failure(claim, result, result.error)
        if result.deferred_until is None:
            return Return(claim=claim, reason=result.reason), None
        until = max(result.deferred_until, self._after(1.0))  # a wait that is over already would be a hot loop
        reason = result.reason or "it asked to wait"
        return Deferral(claim=claim, until=until, reason=reason, source=result.waits_for), None

    def _ending_of_failure(self, claim: Claim, result: TaskResult, error: ErrorInfo) -> tuple[Ending, Decision]:
        if self._is_offline_for_long(claim, error):
            error = replace(error, offline=False)
        strikes = self._strikes(error)
        decision = self._deps.retry(claim.task.type).decide(
            error,
            attempt=claim.task.attempt,
            max_attempts=claim.task.max_attempts,
            strikes=strikes,
            random=self._deps.random,
        )
        version = result.plugin_version
        match decision:
            case Retry() | Bury():
                retry_at = self._after(decision.delay) if isinstance(decision, Retry) else None
                failure = Failure(
                    claim=claim, error=error, retry_at=retry_at, plugin_version=version, apart=result.apart
                )
                return failure, decision
            case Release():
                return Return(claim=claim, reason=error.message), decision
            case Defer(delay):
                until = self._after(delay)
                deferral = Deferral(
                    claim=claim,
                    until=until,
                    reason=error.message,
                    source=error.source,
                    error=error,
                    cool_down=cool_down(result, error, decision, until, strikes),
                    plugin_version=version,
                )
                return deferral, decision

    def _strikes(self, error: ErrorInfo) -> int:
        if error.source is None:
            return 1
        state = self._deps.queue.source(error.source)
        if error.offline:
            return state.strikes  # nobody was asked, so nobody has refused or forgiven anything
        running = state.cooling_until is not None and state.cooling_until > self._deps.clock()
        if state.error_class is error.error_class and running:
            return state.strikes  # several tasks may meet one and the same refusal
        # What was before an outage goes on after it.
        return state.strikes + 1 if state.error_class in {error.error_class, ErrorClass.TRANSIENT} else 1

    def _is_offline_for_long(self, claim: Claim, error: ErrorInfo) -> bool:
        """Tell whether a task has found no network for so long that it cannot be the network.

        Only of an error that names no source: those of a source show there, and one name whose servers fail looks the
        same as an outage.
        """
        if not error.offline or error.source is not None:
            return False
        since = self._after(-OUTAGE_SECONDS)
        number = claim.task.attempt
        same = [each for each in self._deps.queue.attempts(claim.task.id) if each.number == number]
        return any(each.error.fingerprint == error.fingerprint and each.at < since for each in same)

    def _after(self, seconds: float) -> Microseconds:
        return self._deps.clock() + round(seconds * SECOND)


def resume_after_new_settings(attempts: AttemptDeps) -> None:
    """End the pauses of sources that were paused under other settings: what waits for them is due."""
    for source in attempts.queue.sources():
        if source.paused_by not in {None, attempts.settings_digest}:
            attempts.queue.unpause(source.name)


class PluginWorker(BaseWorker):
    """Hands every task to the plugin that answers its type.

    Args:
        deps: What every worker needs.
        executor: Where plugins run.
        attempts: What attempts share; its ``beat`` is this worker's.
    """

    def __init__(self, deps: WorkerDeps, executor: Executor, attempts: AttemptDeps) -> None:
        super().__init__(deps)
        self._executor = executor
        self._attempts = replace(attempts, beat=self.keep_alive)

    def __enter__(self) -> Self:
        resume_after_new_settings(self._attempts)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._executor.close()
        finally:
            super().__exit__(kind, error, trace)

    def process_task(self, claim: Claim) -> TaskResult:
        """Run the task's plugin until it ends; KeyboardInterrupt passes."""
        attempt = Attempt(claim, self._attempts)
        self.keep_alive(claim.task.timeout_seconds)
        self._executor.run(encode(task_message(claim)), attempt.exchange)
        if attempt.store_error is not None:
            raise attempt.store_error
        if attempt.result is None:
            msg = "the executor ended without a result"
            raise RuntimeError(msg)
        return attempt.result
