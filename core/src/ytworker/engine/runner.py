"""The child's side: loads the plugin, gives it a context, drives what it returns, and tells the worker how it went.

Everything crosses to the worker as JSON messages, whether the child is another process or, with the inline executor,
this one.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from ytworker.context import Cancelled, Context, Deferred
from ytworker.engine.classify import ErrorClassifier
from ytworker.engine.messages import MAX_LINE, Message, decode, encode, error_message, task_of
from ytworker.errors import ParametersError, PermanentError, PluginUnavailableError
from ytworker.model import (
    SECOND,
    Clock,
    ErrorClass,
    ErrorInfo,
    Item,
    Microseconds,
    Task,
    to_datetime,
    to_microseconds,
)
from ytworker.pacing import Quota
from ytworker.plugins.discovery import USABLE
from ytworker.plugins.parameters import as_json, validate
from ytworker.plugins.registry import PluginRegistry
from ytworker.redaction import redact

Exchange = Callable[[str], str]
Sleep = Callable[[float], None]
Check = Callable[[str, Mapping[str, Any]], dict[str, Any]]

ITEMS_AT_ONCE = 50
BYTES_AT_ONCE = 1 << 20
"""A batch travels when it is full by either measure; the answer to it is what holds back a scrape that is too fast."""
OFTEN: Microseconds = SECOND // 10
"""Progress that is told more often travels with the next message, and a scrape that asks more often whether it should
stop is given what the last answer said: nobody sees the difference, and each message wakes two processes."""
MAX_COUNT = 2**53
"""What progress can count to: beyond it JSON loses digits, and nobody counts so far."""
_NOT_A_PLUGINS = frozenset({ErrorClass.UNAVAILABLE, ErrorClass.STORE})


def _utc_now() -> Microseconds:
    return time.time_ns() // 1000


class MessagePort:
    """A context's port that speaks in messages; items are gathered and travel in batches.

    Args:
        exchange: Sends one line to the worker and gives its answer.
        sleep: Waits.
        check: Checks the parameters of a follow-up task and gives them as they are stored.
        clock: Integer UTC microseconds, for what a scrape may do more often than is worth a message.

    Attributes:
        context: Whose port this is; its deadline moves while it waits for its turn.
    """

    def __init__(self, exchange: Exchange, sleep: Sleep, check: Check, clock: Clock = _utc_now) -> None:
        self._exchange = exchange
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
            line = encode(self.with_progress(message))
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
            self._say(f'{{"kind":"items","doubts":{encode(doubts)},"items":[{",".join(items)}]}}')

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
        message: Message = {"kind": "acquire", "source": str(source), "cost": int(cost), "hold": hold, "paid": False}
        while True:
            answer = self._granted(message)
            if self.context is not None:
                self.context.deadline = to_datetime(answer["deadline"])
            if answer["wait"] <= 0:
                return
            self.sleep(answer["wait"])
            message["paid"] = True

    def leave(self, source: str) -> None:
        """See :class:`ytworker.context.Port`."""
        self._exchange(encode({"kind": "leave", "source": str(source)}))

    def hesitate(self, source: str) -> None:
        """See :class:`ytworker.context.Port`."""
        self.ask({"kind": "hesitate", "source": str(source)})

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


class TaskRunner:
    """Runs tasks in this process.

    Args:
        registry: The plugins.
        sleep: How to wait inside an attempt.
        clock: Integer UTC microseconds.
    """

    def __init__(self, registry: PluginRegistry, sleep: Sleep = time.sleep, clock: Clock = _utc_now) -> None:
        self._registry = registry
        self._sleep = sleep
        self._clock = clock
        self._prepared = False

    def run(self, line: str, exchange: Exchange) -> None:
        """Do the task that a ``task`` message names, and end with ``done``, ``failed`` or ``deferred``.

        KeyboardInterrupt passes: the worker then gives the task back.
        """
        exchange(self.do(decode(line), exchange))

    def do(self, message: Message, exchange: Exchange) -> str:
        """Do the task that a ``task`` message names and give the last words, which are still to be sent."""
        task = task_of(message)
        return self._last_words(task, message, MessagePort(exchange, self._sleep, self._checked, self._clock))

    def _checked(self, task_type: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Check what a follow-up task is to be given: here, because the worker never imports a plugin."""
        return as_json(validate(task_type, self._registry.parameters(task_type), params))

    def close(self) -> None:
        """Close the plugins that were opened."""
        self._registry.close()

    def _last_words(self, task: Task, message: Message, port: MessagePort) -> str:
        """Write the last message; a failure that cannot be told is told as a bug, or the task would never end."""
        try:
            return encode(port.with_progress(self._outcome(task, message, port)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin's exception may do anything when it is looked at
            text = f"its failure could not be described ({type(error).__name__}); report this to the plugin's authors"
            return encode(error_message(ErrorInfo(error_class=ErrorClass.BUG, type="unknown", message=text)))

    def _outcome(self, task: Task, message: Message, port: MessagePort) -> Message:
        self._registry.warned.clear()
        classifier = ErrorClassifier(lambda error: self._registry.classify(task.type, error))
        try:
            self._scrape(task, message, port)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a plugin raises is an answer
            left = leave_of(error)
            if left is not None:
                until = to_microseconds(left.until) if isinstance(left, Deferred) else None
                return {"kind": "deferred", "until": until, "reason": redact(str(left))}
            for text in self._registry.warned:
                error.add_note(f"warning: {text}")
            info = self._own(task, classifier.describe(error), error)
            if info.error_class is ErrorClass.SUSPECT:
                with suppress(Exception, Cancelled):  # what it found is kept apart, if it can be
                    port.flush()
            return error_message(info)
        return {"kind": "done"}

    def _own(self, task: Task, info: ErrorInfo, error: BaseException) -> ErrorInfo:
        """Take from a plugin the classes that are not its to give: they put a task back, and it would run for ever."""
        mine = isinstance(error, PluginUnavailableError) and self._registry.info(task.type).state not in USABLE
        if info.error_class in _NOT_A_PLUGINS and not mine:
            return replace(info, error_class=ErrorClass.BUG)
        return info

    def _scrape(self, task: Task, message: Message, port: MessagePort) -> None:
        if not self._prepared:
            self._registry.load_extensions()
            self._prepared = True
        params = validate(task.type, self._registry.parameters(task.type), task.params)
        wanted = sorted(self._registry.sections(task.type))
        sections = port.ask({"kind": "need", "sections": wanted})["sections"] if wanted else {}
        known = {"task_id": task.id, "attempt": task.attempt}
        logger = self._registry.logger(task.type, known)
        context = Context(
            task=task,
            port=port,
            logger=logger,
            deadline=to_datetime(self._clock() + round(task.timeout_seconds * SECOND)),
            settings=self._registry.open(task.type, sections),
            checkpoint=message["checkpoint"],
        )
        port.context = context
        with closing(drive(self._registry.scrape(task.type, params, context))) as scraped:
            for yielded in scraped:
                item = as_item(yielded)
                port.item(item, context.expectations.look_at(item))
        port.flush()
        context.expectations.judge(ended=True)


def drive(scraped: Any) -> Generator[Any, None, None]:
    """Iterate over whatever ``scrape`` gave, sync or async.

    Raises:
        TypeError: It is None, or nothing that holds items.
    """
    if isinstance(scraped, Awaitable):
        scraped = asyncio.run(_awaited(scraped))
    if isinstance(scraped, AsyncIterable):
        yield from _drive_async(scraped)
    elif isinstance(scraped, Iterable) and not isinstance(scraped, str | bytes | Mapping):
        yield from scraped
    else:
        msg = f"scrape() gave {type(scraped).__name__}; return a list of items or yield them (an empty list is legal)"
        raise TypeError(msg)


def as_item(yielded: Any) -> Item:
    """Turn what a plugin yielded into an item.

    Raises:
        TypeError: It is neither an Item nor a dict.
        ValueError: The dict does not fit; the message says which fields.
    """
    if isinstance(yielded, Item):
        return yielded
    if not isinstance(yielded, Mapping):
        msg = f"scrape() yielded {type(yielded).__name__}; yield ytworker.Item or a dict"
        raise TypeError(msg)
    lacking = [name for name in ("source", "kind", "id") if not yielded.get(name)]
    if lacking:
        msg = f"scrape() yielded a dict without {', '.join(lacking)}; every item needs source, kind and id"
        raise ValueError(msg)
    try:
        return Item.model_validate(dict(yielded))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        msg = f"scrape() yielded a dict that is no item: {problems}"
        raise ValueError(msg) from None


def leave_of(error: BaseException) -> Deferred | Cancelled | None:
    """Give what made a scrape leave of its own or the engine's will; a task group of asyncio hands it on in a group."""
    if isinstance(error, BaseExceptionGroup):
        return next((left for each in error.exceptions if (left := leave_of(each))), None)
    if isinstance(error, Deferred | Cancelled):
        return error
    return None


def _quota_message(kind: str, source: str, quota: Quota, cost: int = 0) -> Message:
    words = {"source": str(source), "bucket": str(quota.bucket), "zone": quota.zone}
    return {"kind": kind, **words, "limit": int(quota.limit), "cost": int(cost)}


def _countable(number: Any) -> int:
    """Give a whole number that every store can keep."""
    whole = int(number)
    if abs(whole) > MAX_COUNT:
        msg = f"context.progress() counts to {MAX_COUNT} at the most, not to {whole}"
        raise ValueError(msg)
    return whole


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _drive_async(scraped: AsyncIterable[Any]) -> Iterator[Any]:
    """Step an async generator from sync code; its loop lives as long as it does."""
    with asyncio.Runner() as runner:
        iterator = aiter(scraped)
        try:
            while True:
                try:
                    yield runner.run(_awaited(anext(iterator)))
                except StopAsyncIteration:
                    return
        finally:
            if inspect.isasyncgen(iterator):
                runner.run(iterator.aclose())
