"""The loop of a worker with children: one thread that hands out tasks, listens to children and talks to the queue.

Each turn of it ends everything that finished since the last one and claims the next tasks in one transaction.
"""

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ytworker.engine.crew import Crew
from ytworker.engine.member import Ended
from ytworker.engine.poller import POLL_SECONDS, TaskPoller
from ytworker.engine.retry import Bury, Decision
from ytworker.engine.sharing import AttemptDeps
from ytworker.engine.telling import tell_claim
from ytworker.engine.worker import REFUSALS, BaseWorker, WorkerDeps, resume_after_new_settings
from ytworker.errors import ChildrenError, PluginsRefusedError
from ytworker.model import SECOND, Claim, Microseconds, TaskResult
from ytworker.queue import ClaimRequest, SchemaError, StoreError, StoreMovedError, Waker

log = logging.getLogger(__name__)

TURN_SECONDS = 1.0
"""The longest wait: the loop says so often that it lives."""


class CrewWorker(BaseWorker):
    """Lets children do its tasks, several at a time.

    Args:
        deps: What every worker needs.
        attempts: What attempts share.
        crew: The children; closed at the end.
    """

    def __init__(self, deps: WorkerDeps, attempts: AttemptDeps, crew: Crew) -> None:
        super().__init__(deps)
        self._attempts = attempts
        self._crew = crew

    def __enter__(self) -> Self:
        try:
            resume_after_new_settings(self._attempts)
            return super().__enter__()
        except BaseException:  # nobody would close them then
            self._crew.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._crew.close()
        finally:
            super().__exit__(kind, error, trace)

    @property
    def busy(self) -> int:
        """How many tasks are with children."""
        return self._crew.holds

    def process_task(self, claim: Claim) -> TaskResult:
        """Let a child do one task, and wait for it."""
        self._crew.hand([claim])
        while True:
            self.keep_alive(TURN_SECONDS)
            for ended in self._crew.turn(TURN_SECONDS):
                return ended.result

    def room(self, most: int | None, unsettled: int = 0) -> int:
        """How many tasks may be claimed now, if no more than ``most`` are to be done in all.

        Args:
            most: How many may be done in all; None is any number.
            unsettled: How many have ended and are not counted yet.
        """
        room = self._crew.room()
        return room if most is None else max(0, min(room, most - self.done - self.busy - unsettled))

    @property
    def despair(self) -> ChildrenError | None:
        """Why nothing can be done; see :attr:`Crew.despair`."""
        return self._crew.despair

    def listen(self, alarm: socket.socket) -> None:
        """Let a byte on this socket end a wait."""
        self._crew.listen(alarm)

    def turn(self, seconds: float, waker: Waker | None = None) -> tuple[list[Ended], bool]:
        """Wait for the children, and for the waker; see :meth:`Crew.turn`. Gives what ended, and whether it woke."""
        self.keep_alive(seconds)
        self._crew.attend(waker)
        self._crew.woken = False
        return self._crew.turn(seconds), self._crew.woken

    def recall(self) -> list[Ended]:
        """Take back what has not begun, and what only waits."""
        return self._crew.recall()

    def collect(self) -> list[Ended]:
        """Give what ended and was not given yet."""
        return self._crew.collect()

    def hand(self, claims: Sequence[Claim]) -> None:
        """Give tasks to children; see :meth:`Crew.hand`."""
        self._crew.hand(claims)

    def settle(self, ended: list[Ended], want: int) -> list[Claim]:
        """Write down what ended, and claim up to ``want`` tasks in the same transaction.

        Args:
            ended: What ended. What is written down is taken out, so that it is never written twice.
            want: How many tasks may be claimed.

        Raises:
            StoreError: What is still in ``ended`` was not written.
        """
        if not ended and not want:
            return []
        types = self.types() if want else ()
        request = None
        if types:
            request = ClaimRequest(worker_id=self.id, strategy=self.strategy, types=types, limit=want)
        try:
            endings = [self.ending_of(each.claim, each.result) for each in ended]
            settled = self._deps.queue.settle([ending for ending, _ in endings], request)
        except REFUSALS:  # of one; the others must not suffer from it
            if not ended:
                raise
            while ended:
                self.report_result(ended[0].claim, ended[0].result)
                del ended[0]
            return self.settle([], want) if want else []
        stale = set(map(id, settled.stale))
        for each, (ending, decision) in zip(ended, endings, strict=True):
            self.was_settled(each.claim, each.result, decision, late=id(ending) in stale)
        ended.clear()
        for claim in settled.claims:
            tell_claim(claim, self._deps.queue.url)
        return settled.claims

    def was_settled(self, claim: Claim, result: TaskResult, decision: Decision | None, *, late: bool) -> None:
        """See :meth:`BaseWorker.was_settled`; nobody is suspected any more whom this worker does not meet again."""
        super().was_settled(claim, result, decision, late=late)
        if late or isinstance(decision, Bury):
            self._crew.suspects.acquit(claim.task.id)

    def abandon(self, reason: str) -> list[Ended]:
        """Kill the children and take back their tasks, unburned."""
        return self._crew.abandon(reason)


@dataclass(slots=True, kw_only=True)
class CrewPoller(TaskPoller):
    """Keeps the children of one worker busy; see :class:`TaskPoller`, whose waits and leftovers it shares.

    Attributes:
        worker: Whose children.
        releasing: Tells whether to give everything back at once.
    """

    worker: CrewWorker
    releasing: Callable[[], bool] = field(default=lambda: False)
    _seen: int | None = None
    _due: Microseconds | None = None
    _ended: list[Ended] = field(default_factory=list)
    _unsure: bool = False

    def run(self, *, until_empty: bool = False, max_tasks: int | None = None) -> int:
        """Do tasks until told to stop; see :meth:`TaskPoller.run`."""
        with _alarm(self.worker), self.worker as worker:
            while not self.releasing():
                try:
                    if self._crew_turn(until_empty=until_empty, max_tasks=max_tasks):
                        return worker.done
                except (SchemaError, StoreMovedError):  # waiting does not mend these
                    raise
                except StoreError as error:
                    if until_empty:
                        raise
                    # What has ended is kept, and written down when that works again; what runs would only get stuck.
                    self._ended += worker.abandon("the queue could not be written")
                    if self.stopping():
                        break
                    self._unsure = True
                    self._hold_back(error)
                except (ChildrenError, PluginsRefusedError):
                    self._write_down()  # its tasks go back with the lease
                    raise
            self._part()
        return self.worker.done

    def _write_down(self) -> None:
        """Write down what has ended, if that works; there is something else to tell."""
        self._ended += self.worker.collect()
        try:
            self.worker.settle(self._ended, 0)
        except StoreError as error:
            log.error("how the last %d tasks ended could not be written, they run again: %s", len(self._ended), error)  # noqa: TRY400 - it has no news

    def _start_over(self) -> None:
        """Go on under a new lease after a failure of the store, once what had ended is written down under the old one.

        A claim may have been committed though its answer was lost. Those tasks would stay claimed for as long as this
        worker lives; with the old lease they go back, and their attempts are not counted.
        """
        self.worker.settle(self._ended, 0)
        self.worker.start_over()
        self._seen = None
        self._unsure = False

    def _part(self) -> None:
        """Write down what has ended and give back what has not, once, whether that works or not."""
        worker = self.worker
        self._ended += worker.abandon("the worker stopped before it was done")
        before = worker.returned
        try:
            worker.settle(self._ended, 0)
            worker.parting.given_back += worker.returned - before
        except StoreError:
            log.error("how the last %d tasks ended could not be written: they run again", len(self._ended))  # noqa: TRY400 - the error itself is told by whoever started us
            raise

    def _crew_turn(self, *, until_empty: bool, max_tasks: int | None) -> bool:
        """Hand out tasks and wait for children; True when there is nothing left to stay for."""
        worker = self.worker
        if until_empty and (despair := worker.despair):  # it would wait for ever for what it is to do
            raise despair
        if self._unsure:
            self._start_over()
        self._rescue()
        if self.stopping():
            self._ended += worker.recall()
        want = 0 if self.stopping() else worker.room(max_tasks, len(self._ended))
        if self._ended or (want and self._may_find()):
            self._settle(want)
            self._backoff.reset()
            want = want and worker.room(max_tasks)
        if self._is_idle() and (
            self.stopping() or (max_tasks is not None and worker.done >= max_tasks) or (until_empty and self._is_dry())
        ):
            return True
        waits = want > 0 and self._seen is not None
        ended, woken = worker.turn(0.0 if self._ended else self._pause(want > 0), self.waker if waits else None)
        self._ended += ended
        if woken:
            self._seen = None
        return False

    def _settle(self, want: int) -> None:
        seen = self.queue.version()  # before the look: what another process adds after it must wake us
        ended = bool(self._ended)
        before = self.worker.returned
        found = self.worker.settle(self._ended, want)
        if self.stopping():
            self.worker.parting.recalled += self.worker.returned - before
        self.worker.hand(found)
        self._ended += self.worker.collect()  # no child could be had for these
        if len(found) < want:
            if not found and not ended and self.worker.renew_lease():  # it had lost the right to claim
                return
            self._seen, self._due = seen, self.queue.next_due_at(self.types())
        elif ended:  # what we gave back ourselves is no news to `queue.version`
            self._seen = None

    def _rescue(self) -> None:
        before = self._rescue_at
        TaskPoller._rescue(self)  # noqa: SLF001 - `super()` knows no dataclass with slots
        if self._rescue_at != before:
            self._seen = None

    def _is_idle(self) -> bool:
        return self.worker.busy == 0 and not self._ended

    def _is_dry(self) -> bool:
        return self._seen is not None and not self._may_find()

    def _may_find(self) -> bool:
        """Tell whether a claim could find something that the last one did not."""
        if self._seen is None or (self._due is not None and self.clock() >= self._due):
            self._seen = None
            return True
        if self.queue.version() != self._seen:
            self._seen = None
            return True
        return False

    def _pause(self, room: bool) -> float:
        if not room:
            return TURN_SECONDS
        if self._seen is None:
            return 0.0
        return POLL_SECONDS if self._due is None else min(POLL_SECONDS, max(0.0, (self._due - self.clock()) / SECOND))


@contextmanager
def _alarm(worker: CrewWorker) -> Iterator[None]:
    """Let signals end a wait: Python's handler runs, and the selector would go on waiting without this."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    bell, rope = socket.socketpair()
    with bell, rope:
        bell.setblocking(False)
        rope.setblocking(False)
        worker.listen(bell)
        before = signal.set_wakeup_fd(rope.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
