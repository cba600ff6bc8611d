"""The worker's side of one attempt: answers the child's messages and gathers what it yields."""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, ClassVar

from ytworker.engine.asking import PATIENCE_SECONDS, TOLD_SECONDS, Asking
from ytworker.engine.checking import check
from ytworker.engine.messages import LAST_WORDS, Message, decode, encode, error_of, name_of
from ytworker.engine.sharing import AttemptDeps
from ytworker.engine.sighting import Lookout
from ytworker.errors import ParametersError, PayloadError, StaleClaimError, StoreError, UnstorableError
from ytworker.model import (
    SECOND,
    Claim,
    Doubted,
    ErrorClass,
    ErrorInfo,
    Item,
    Microseconds,
    NewTask,
    Origin,
    TaskResult,
)
from ytworker.redaction import redact

MAX_ITEMS = 10_000
MAX_BYTES = 64 << 20
MAX_CHECKPOINT_BYTES = 1 << 20
MAX_FOLLOW_UPS = 1_000
_PROGRESS_INTERVAL: Microseconds = SECOND
_HOLDS_INTERVAL: Microseconds = SECOND


class OfAnotherError(ValueError):
    """A message is of an attempt that does not run.

    Args:
        named: What it is of.
        runs: What could speak.
    """

    def __init__(self, named: str, runs: str) -> None:
        self.named = named
        super().__init__(f"it is of {named:.80}, not of {runs}, or that is over")


class Attempt:
    """One attempt: give :meth:`exchange` to an executor, then read :attr:`result`.

    Args:
        claim: The task.
        deps: What it shares with others.
    """

    def __init__(self, claim: Claim, deps: AttemptDeps) -> None:
        self._claim = claim
        self.name = name_of(claim)
        self._deps = deps
        self._thread = threading.get_ident()
        self._talking = threading.Lock()  # without children, threads of a scrape come here, too
        self._deadline: Microseconds = 0
        self._items: list[Item] = []
        self._apart: list[Doubted] = []
        self._bytes = 0
        self._stored = 0
        self._follow_ups: list[NewTask] = []
        self._asked_for = 0
        self._shown: tuple[int, int | None] = (0, None)
        self._suspect: str | None = None
        self._progress_at: Microseconds = 0
        self._told_to_stop = False
        self._lost = False
        self._equipped = False
        self._too_much = False
        self._asked_at: Microseconds = deps.steady()  # it was claimed just now
        self._began_at: Microseconds = 0
        self._rests_until: Microseconds = 0
        self._waited_until: Microseconds = 0
        self._lookout = Lookout()
        self._asking = Asking(claim, lambda: self._deps, self._lookout)
        self.result: TaskResult | None = None
        self.store_error: StoreError | None = None
        self.begin()

    def begin(self) -> None:
        """Start the clock of the deadline, for an attempt that did not run at once."""
        self._began_at = self._deps.steady()
        self._deadline = self._began_at + round(self._claim.task.timeout_seconds * SECOND)

    @property
    def claim(self) -> Claim:
        """The task."""
        return self._claim

    @property
    def over(self) -> bool:
        """Whether it has its result."""
        return self.result is not None

    @property
    def lost(self) -> bool:
        """Whether somebody took the task away; asks the queue, but not more than once a second."""
        return self._has_lost()

    @property
    def rests(self) -> bool:
        """Whether it only waits, for its turn or because its plugin wants to, and may as well go back.

        One that would lose something by that does so only if the wait is long.
        """
        left = (self._rests_until - self._deps.steady()) / SECOND
        return left > (PATIENCE_SECONDS if self._asking.unsaved or self._items else 0.0)

    def fail(self, error: ErrorInfo | None = None) -> None:
        """End an attempt whose process will not answer any more; without an error it is past its deadline."""
        self._end(TaskResult(success=False, error=error or self._late(), earlier=self._stored))

    def give_back(self, reason: str | None = None) -> None:
        """End an attempt as if its task had not been claimed."""
        self._end(TaskResult(success=False, reason=reason, earlier=self._stored))

    def exchange(self, line: str) -> str:
        """Answer one message of the child, or of any thread of a scrape in this process."""
        with self._talking:
            if threading.get_ident() == self._thread:
                return self._answer(line)
            return self._answer_stranger(line)

    def _answer_stranger(self, line: str) -> str:
        """Answer another thread, through a handle of its own: the queue's belongs to the thread that opened it."""
        ours = self._deps
        try:
            with closing(ours.queue.connect()) as queue:
                self._deps = replace(ours, queue=queue, budgets=replace(ours.budgets, queue=queue))
                return self._answer(line)
        except StoreError as error:
            return self._fail_to_store(error)
        finally:
            self._deps = ours

    def _answer(self, line: str) -> str:
        message = self._understand(line)
        sleep = float(message.get("sleep", 0.0))
        self._deps.beat(max(sleep, self.seconds_left))
        self._rest(sleep if sleep >= TOLD_SECONDS else 0.0)
        handler = self._handlers[message["kind"]]
        try:
            if "progress" in message:
                self._show(**message["progress"], last=message["kind"] in LAST_WORDS)
            return encode(handler(self, message))
        except StaleClaimError as error:
            self._told_to_stop = True
            return encode({"stop": str(error)})
        except (PayloadError, UnstorableError) as error:
            return encode({"error": str(error)})
        except StoreError as error:
            return self._fail_to_store(error)

    def _understand(self, line: str) -> Message:
        """Read a message of this attempt; whatever is wrong with it shows here, where it costs nobody else."""
        message = decode(line)
        if self.over or message["of"] != self.name:
            raise OfAnotherError(str(message["of"]), self.name)
        check(message)
        return message

    def _fail_to_store(self, error: StoreError) -> str:
        """Keep what is the worker's business, not the plugin's: it must not pass through its hands."""
        self.store_error = error
        self._told_to_stop = True
        return encode({"stop": str(error)})

    @property
    def seconds_left(self) -> float:
        """How long the attempt may still take; negative when it is late."""
        return (self._deadline - self._deps.steady()) / SECOND

    def _need(self, message: Message) -> Message:
        if self._equipped:  # the answer may be much longer than the question
            msg = "it has its settings"
            raise ValueError(msg)
        self._equipped = True
        sections = {name: dict(self._deps.sections.get(name, {})) for name in message["sections"]}
        plain = json.loads(json.dumps(sections, default=str))  # TOML has dates, JSON has not
        return {"sections": plain}

    def _take(self, message: Message) -> Message:
        size = len(json.dumps(message["items"], allow_nan=False))
        count = len(self._items) + len(self._apart) + len(message["items"])
        if self._too_much or count > MAX_ITEMS or self._bytes + size > MAX_BYTES:
            self._too_much = True  # a plugin may swallow the error and go on yielding: nothing more is kept
            limit = f"{MAX_ITEMS} items or {MAX_BYTES >> 20} MiB between two checkpoints"
            cure = "call context.checkpoint.save(...) now and then: it stores what was yielded"
            return {"error": f"scrape() yielded more than {limit}; {cure}"}
        doubts = message.get("doubts", {})
        for place, each in enumerate(message["items"]):
            item, doubt = Item.model_validate(each), doubts.get(str(place))
            self._lookout.see(item)
            if doubt is None:
                self._items.append(item)
            else:
                self._apart.append(Doubted(item, redact(doubt)))
        self._bytes += size
        return {}

    def _checkpoint(self, message: Message) -> Message:
        value = message["value"]
        if len(json.dumps(value, allow_nan=False)) > MAX_CHECKPOINT_BYTES:
            return {
                "error": f"a checkpoint takes at most {MAX_CHECKPOINT_BYTES >> 20} MiB as JSON; save where, not what"
            }
        self._deps.queue.checkpoint(
            self._claim,
            self._items,
            value,
            suspect=self._suspect,
            apart=self._apart,
            follow_ups=self._follow_ups,
        )
        self._stored += len(self._items)
        self._items, self._apart, self._bytes, self._follow_ups = [], [], 0, []
        self._asking.saved()
        return {}

    def _show(self, done: int, total: int | None, note: str | None, *, last: bool) -> None:
        note = _without_secrets(note)
        self._shown = done, total
        if self._deps.observe is not None:
            self._deps.observe(done, total, note)
        now = self._deps.steady()
        if not last and now - self._progress_at >= _PROGRESS_INTERVAL:  # the end is told by the task's ending
            self._progress_at = now
            self._deps.queue.progress(self._claim, done, total, note)

    def _ask(self, message: Message) -> Message:
        """Answer what concerns a source; whoever wants something of one is told first if it should stop."""
        stop = self._stop() if message["kind"] in {"acquire", "reserve"} else {}
        answer = stop or self._asking.answer(message)
        self._told_to_stop = self._told_to_stop or "stop" in answer
        if "wait" not in answer:
            return answer
        if answer["wait"] >= TOLD_SECONDS and self._deps.observe is not None:
            self._deps.observe(*self._shown, f"waits {answer['wait']:.0f} s for its turn")
        self._rest(answer["wait"])
        # The deadline is there for scrapes that hang. Waiting for our own pace is none of that, and takes no time; but
        # two threads that wait at the same time wait only once.
        now, until = self._deps.steady(), self._deps.steady() + round(answer["wait"] * SECOND)
        self._deadline += max(0, until - max(now, self._waited_until))
        self._waited_until = max(until, self._waited_until)
        self._deps.beat(self.seconds_left)
        return {**answer, "left": self.seconds_left}

    def _rest(self, seconds: float) -> None:
        self._rests_until = self._deps.steady() + round(seconds * SECOND)

    def _enqueue(self, message: Message) -> Message:
        json.dumps([message["params"], message["options"]], allow_nan=False)  # 1e999 is JSON, and no number
        self._asked_for += 1
        if self._asked_for > MAX_FOLLOW_UPS:
            return {"error": f"one attempt may enqueue at most {MAX_FOLLOW_UPS} follow-up tasks"}
        if self._claim.task.depth >= self._deps.max_depth:
            chain = f"{self._claim.task.depth} tasks led to this one, each enqueued by the one before"
            cure = "Look for a task type that enqueues itself without an end, or raise the setting max_depth"
            return {"error": f"{chain}, and it enqueues one more. {cure}"}
        problems = list(message.get("problems", ()))
        try:
            task = self._deps.check(message["type"], message["params"], **message["options"])
        except ParametersError as error:
            problems += error.problems
        except TypeError as error:
            return {"error": str(error)}
        if problems:
            return {"type": message["type"], "problems": problems}
        self._bytes += len(json.dumps(task.params))
        if self._bytes > MAX_BYTES:
            limit = f"follow-up tasks and items took more than {MAX_BYTES >> 20} MiB between two checkpoints"
            return {"error": f"{limit}; call context.checkpoint.save(...) now and then: it stores both"}
        self._follow_ups.append(replace(task, depth=self._claim.task.depth + 1, origin=Origin.PARENT))
        return {}

    def _doubt(self, message: Message) -> Message:
        self._suspect = redact(str(message["reason"]))
        return {}

    def _poll(self, _message: Message) -> Message:
        return self._stop()

    def _stop(self) -> Message:
        if self._deps.stopping() or self.seconds_left <= 0:
            self._told_to_stop = True
            return {"stop": "the worker is stopping"}
        if self._has_lost():
            self._told_to_stop = True
            return {"stop": "the task was cancelled, or another worker holds it now"}
        return {}

    def _has_lost(self) -> bool:
        """Tell whether somebody took the task away; the queue is asked once a second, a loss is for good."""
        now = self._deps.steady()
        if not self._lost and now - self._asked_at >= _HOLDS_INTERVAL:  # a scrape may ask in a tight loop
            self._asked_at = now
            self._lost = not self._deps.queue.holds(self._claim)
        return self._lost

    def _done(self, _message: Message) -> Message:
        if self._told_to_stop:  # it may have ended early because of that: what it gave need not be all
            return self._deferred({"until": None, "reason": "the worker is stopping"})
        return self._end(
            TaskResult(
                success=True,
                data=tuple(self._items),
                apart=tuple(self._apart),
                suspect=self._suspect,
                earlier=self._stored,
                follow_ups=tuple(self._follow_ups),
            )
        )

    def _failed(self, message: Message) -> Message:
        error = self._believable(error_of(message))
        apart: tuple[Doubted, ...] = ()  # other failures leave nothing behind
        if error.error_class is ErrorClass.SUSPECT:
            apart = (*(Doubted(item, error.message) for item in self._items), *self._apart)
        return self._end(TaskResult(success=False, error=error, earlier=self._stored, apart=apart))

    def _believable(self, error: ErrorInfo) -> ErrorInfo:
        """Doubt what a child cannot know: a task that goes back uncounted by its plugin's word would run for ever."""
        usable = self._deps.is_usable(self._claim.task.type)
        if error.error_class is ErrorClass.STORE or (error.error_class is ErrorClass.UNAVAILABLE and usable):
            return replace(error, error_class=ErrorClass.BUG)
        return error

    def _deferred(self, message: Message) -> Message:
        if message["until"] is None and self.seconds_left <= 0:
            return self._end(TaskResult(success=False, error=self._late(), earlier=self._stored))
        if message["until"] is None and not self._told_to_stop:  # to give it back would run it again at once, for ever
            return self._end(TaskResult(success=False, error=_left_unasked(), earlier=self._stored))
        until, reason = message["until"], _without_secrets(message["reason"])
        result = TaskResult(success=False, deferred_until=until, reason=reason, earlier=self._stored)
        return self._end(replace(result, waits_for=self._asking.waits_for))

    def _end(self, result: TaskResult) -> Message:
        version, digest = self._deps.version_of(self._claim.task.type), self._deps.settings_digest
        shared: dict[str, Any] = {"settings_digest": digest, "plugin_version": version, "sights": self._lookout.tell()}
        lasted = self._deps.steady() - self._began_at
        asked: dict[str, Any] = {"sources": frozenset(self._asking.sources), "requests": self._asking.requests}
        self.result = replace(result, lasted=lasted, **asked, **shared)
        return {}

    def _late(self) -> ErrorInfo:
        seconds = self._claim.task.timeout_seconds
        return ErrorInfo(
            error_class=ErrorClass.RESOURCE,
            type="ytworker.DeadlineExceeded",
            message=f"the attempt took longer than {seconds:g} s. Ask for less, or allow more with timeout_seconds",
            fingerprint="deadline",
        )

    _handlers: ClassVar[Mapping[str, Callable[["Attempt", Message], Message]]] = {
        "need": _need,
        "items": _take,
        "checkpoint": _checkpoint,
        **dict.fromkeys(Asking.handlers, _ask),
        "enqueue": _enqueue,
        "suspect": _doubt,
        "poll": _poll,
        "done": _done,
        "failed": _failed,
        "deferred": _deferred,
    }


def _left_unasked() -> ErrorInfo:
    return ErrorInfo(
        error_class=ErrorClass.BUG,
        type="ytworker.context.Cancelled",
        message="scrape() raised Cancelled, but nobody asked it to stop; context.defer(until, reason) puts a task off",
        fingerprint="left-unasked",
    )


def _without_secrets(text: str | None) -> str | None:
    return None if text is None else redact(text)
