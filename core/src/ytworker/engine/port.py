"""The port of a context that speaks in messages: what a scrape asks of its worker, and what it is told.

Everything crosses to the worker as JSON, whether the child is another process or, with the inline executor, this one.
"""

import time
from collections.abc import Callable, Mapping
from operator import index
from typing import Any

from ytworker.context import Cancelled, Context, Deferred
from ytworker.engine.checking import LONGEST_SLEEP
from ytworker.engine.messages import MAX_LINE, Message, decode, encode, encode_about
from ytworker.errors import ParametersError, PermanentError, PluginUnavailableError
from ytworker.model import MAX_COUNT, SECOND, Clock, Item, Microseconds, to_datetime
from ytworker.pacing import Quota
from ytworker.redaction import redact, source_name

Exchange = Callable[[str], str]
Sleep = Callable[[float], None]
Check = Callable[[str, Mapping[str, Any]], dict[str, Any]]

FORKED = "the context works only in the process that it was given to; ask there, before you fork"
EX_FORKED = 70
"""How a process ends that a plugin forked and that came back out of its scrape; an internal error, says BSD."""
ITEMS_AT_ONCE = 50
BYTES_AT_ONCE = 1 << 20
"""A batch travels when it is full by either measure; the answer to it is what holds back a scrape that is too fast."""
OFTEN: Microseconds = SECOND // 10
"""Progress that is told more often travels with the next message, and a scrape that asks more often whether it should
stop is given what the last answer said: nobody sees the difference, and each message wakes two processes."""


def utc_now() -> Microseconds:
    """Give integer UTC microseconds."""
    return time.time_ns() // 1000


class MessagePort:
    """A context's port that speaks in messages; items are gathered and travel in batches.

    Args:
        exchange: Sends one line to the worker and gives its answer.
        attempt: What the attempt is called in the messages.
        sleep: Waits.
        check: Checks the parameters of a follow-up task and gives them as they are stored.
        clock: Integer UTC microseconds, for what a scrape may do more often than is worth a message.

    Attributes:
        context: Whose port this is; its deadline moves while it waits for its turn.
    """

    def __init__(self, exchange: Exchange, attempt: str, sleep: Sleep, check: Check, clock: Clock = utc_now) -> None:
        self._exchange = exchange
        self._attempt = attempt
        self._sleep = sleep
        self._check = check
        self._items: list[str] = []
        self._doubts: dict[str, str] = {}  # by the place in `_items`
        self._bytes = 0
        self._clock = clock
        self._progress: tuple[int, int | None, str | None] | None = None
        self._progress_at: Microseconds = 0
        self._answered_at: Microseconds = 0
        self.context: Context | None = None

    def ask(self, message: Message) -> Message:
        """Send a message and give the answer; the worker may end the scrape with it."""
        try:
            line = encode_about(self._attempt, self.with_progress(message))
        except (TypeError, ValueError, RecursionError) as error:
            msg = f"what is passed on as {message['kind']} must be JSON: {error}"
            raise TypeError(msg) from None
        return self._say(line)

    def _say(self, line: str) -> Message:
        if len(line) >= MAX_LINE:
            msg = f"{len(line)} bytes of JSON at once are too much, {MAX_LINE >> 20} MiB are the most; send less"
            raise PermanentError(msg)
        answer = decode(self._exchange(line))
        if "stop" in answer:
            self._answered_at = 0  # who goes on all the same and looks is told again
            raise Cancelled(answer["stop"])
        self._answered_at = self._clock()
        if "problems" in answer:
            raise ParametersError(answer["type"], answer["problems"])
        if "error" in answer:
            raise PermanentError(answer["error"])
        return answer

    def item(self, item: Item, doubt: str | None = None) -> None:
        """Pass an item on, together with others; ``doubt`` says why it is to be kept apart."""
        text = encode(item.model_dump(mode="json"))
        if self._bytes + len(text) > BYTES_AT_ONCE:
            self.flush()
        if doubt is not None:
            self._doubts[str(len(self._items))] = doubt
        self._items.append(text)
        self._bytes += len(text)
        if len(self._items) >= ITEMS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Send the gathered items."""
        if self._items:
            items, doubts = self._items, self._doubts
            self._items, self._doubts, self._bytes = [], {}, 0
            about = encode_about(self._attempt, {"kind": "items", "doubts": doubts})
            self._say(f'{about[:-1]},"items":[{",".join(items)}]}}')

    def progress(self, done: int, total: int | None, note: str | None) -> None:
        """See :class:`ytworker.context.Port`."""
        whole = None if total is None else _countable(total)
        self._progress = _countable(done), whole, None if note is None else str(note)
        if not self._is_recent(self._progress_at):
            self._progress_at = self._clock()
            self.ask({"kind": "poll"})

    def with_progress(self, message: Message) -> Message:
        """Let a message bring along how far the scrape is, if that is not known yet."""
        if self._progress is None:
            return message
        (done, total, note), self._progress = self._progress, None
        words = None if note is None else redact(note)  # here, because only here the secrets are known
        return {**message, "progress": {"done": done, "total": total, "note": words}}

    def checkpoint(self, value: Any) -> None:
        """See :class:`ytworker.context.Port`."""
        self.flush()
        self.ask({"kind": "checkpoint", "value": value})

    def acquire(self, source: str, cost: int, *, hold: bool) -> None:
        """See :class:`ytworker.context.Port`; whoever waited asks once more, because meanwhile all may have changed."""
        if cost < 1:
            msg = f"a request costs at least 1, not {cost}"
            raise ValueError(msg)
        name = source_name(source)
        message: Message = {"kind": "acquire", "source": name, "cost": index(cost), "hold": hold, "paid": False}
        while True:
            answer = self._granted(message)
            if self.context is not None:
                self.context.deadline = to_datetime(self._clock() + round(answer["left"] * SECOND))
            if answer["wait"] <= 0:
                return
            self._sleep(answer["wait"])
            message["paid"] = True

    def leave(self, source: str) -> None:
        """See :class:`ytworker.context.Port`."""
        self._exchange(encode_about(self._attempt, {"kind": "leave", "source": source_name(source)}))

    def hesitate(self, source: str) -> None:
        """See :class:`ytworker.context.Port`."""
        self.ask({"kind": "hesitate", "source": source_name(source)})

    def reserve(self, source: str, quota: Quota, cost: int) -> int:
        """See :class:`ytworker.context.Port`."""
        return int(self._granted(_quota_message("reserve", source, quota, cost))["left"])

    def left(self, source: str, quota: Quota) -> int:
        """See :class:`ytworker.context.Port`."""
        return int(self.ask(_quota_message("left", source, quota))["left"])

    def exhaust(self, source: str, quota: Quota) -> None:
        """See :class:`ytworker.context.Port`."""
        self.ask(_quota_message("exhaust", source, quota))

    def _granted(self, message: Message) -> Message:
        answer = self.ask(message)
        if "until" in answer:
            raise Deferred(to_datetime(answer["until"]), answer["reason"])
        return answer

    def sleep(self, seconds: float) -> None:
        """See :class:`ytworker.context.Port`; the worker is told first, so that it does not take us for hung."""
        if not 0 <= seconds <= LONGEST_SLEEP:
            msg = f"context.sleep() takes 0 to {LONGEST_SLEEP} seconds; to go on later than that, use context.defer()"
            raise ValueError(msg)
        self.ask({"kind": "poll", "sleep": seconds})
        self._sleep(seconds)

    def suspect(self, reason: str) -> None:
        """See :class:`ytworker.context.Port`."""
        self.ask({"kind": "suspect", "reason": redact(str(reason))})

    def enqueue(self, task_type: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """See :class:`ytworker.context.Port`."""
        message: Message = {"kind": "enqueue", "type": task_type, "options": dict(options)}
        try:
            message["params"] = self._check(task_type, params)
        except ParametersError as error:  # the worker adds what is wrong with the options, and tells all at once
            message.update(params={}, problems=error.problems)
        except PluginUnavailableError as error:
            raise PermanentError(str(error)) from None
        self.ask(message)

    def cancelled(self) -> bool:
        """See :class:`ytworker.context.Port`."""
        if self._is_recent(self._answered_at):
            return False  # any other answer would have ended the scrape
        try:
            self.ask({"kind": "poll"})
        except Cancelled:
            return True
        return False

    def _is_recent(self, moment: Microseconds) -> bool:
        """Tell whether something happened just now; a clock that was set back must not make it so for long."""
        return 0 <= self._clock() - moment < OFTEN


def _quota_message(kind: str, source: str, quota: Quota, cost: int = 0) -> Message:
    words = {"source": source_name(source), "bucket": source_name(quota.bucket), "zone": quota.zone}
    return {"kind": kind, **words, "limit": int(quota.limit), "cost": index(cost)}


def _countable(number: Any) -> int:
    """Give a whole number that every store can keep."""
    whole = int(number)
    if abs(whole) > MAX_COUNT:
        msg = f"context.progress() counts to {MAX_COUNT} at the most, not to {whole}"
        raise ValueError(msg)
    return whole
