"""The child's side: loads the plugin, gives it a context, drives what it returns, and tells the worker how it went."""

import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from ytworker.context import Cancelled, Context, Deferred
from ytworker.engine.classify import ErrorClassifier
from ytworker.engine.driving import as_item, drive
from ytworker.engine.messages import Message, decode, encode_about, error_message, task_of
from ytworker.engine.port import Exchange, MessagePort, Sleep, utc_now
from ytworker.errors import PluginUnavailableError
from ytworker.model import SECOND, Clock, ErrorClass, ErrorInfo, Task, to_datetime, to_microseconds
from ytworker.plugins.discovery import USABLE
from ytworker.plugins.parameters import as_json, validate
from ytworker.plugins.registry import PluginRegistry
from ytworker.redaction import redact

_NOT_A_PLUGINS = frozenset({ErrorClass.UNAVAILABLE, ErrorClass.STORE})


class TaskRunner:
    """Runs tasks in this process.

    Args:
        registry: The plugins.
        sleep: How to wait inside an attempt.
        clock: Integer UTC microseconds.
    """

    def __init__(self, registry: PluginRegistry, sleep: Sleep = time.sleep, clock: Clock = utc_now) -> None:
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
        port = MessagePort(exchange, message["of"], self._sleep, self._checked, self._clock)
        return self._last_words(task, message, port)

    def _checked(self, task_type: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Check what a follow-up task is to be given: here, because the worker never imports a plugin."""
        return as_json(validate(task_type, self._registry.parameters(task_type), params))

    def close(self) -> None:
        """Close the plugins that were opened."""
        self._registry.close()

    def _last_words(self, task: Task, message: Message, port: MessagePort) -> str:
        """Write the last message; a failure that cannot be told is told as a bug, or the task would never end."""
        try:
            return encode_about(message["of"], port.with_progress(self._outcome(task, message, port)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin's exception may do anything when it is looked at
            text = f"its failure could not be described ({type(error).__name__}); report this to the plugin's authors"
            failure = ErrorInfo(error_class=ErrorClass.BUG, type="unknown", message=text)
            return encode_about(message["of"], error_message(failure))

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
            stored=message["stored"],
        )
        port.context = context
        with closing(drive(self._registry.scrape(task.type, params, context))) as scraped:
            for yielded in scraped:
                item = as_item(yielded)
                port.item(item, context.expectations.look_at(item))
        port.flush()
        context.expectations.judge(ended=True)


def leave_of(error: BaseException) -> Deferred | Cancelled | None:
    """Give what made a scrape leave of its own or the engine's will; a task group of asyncio hands it on in a group."""
    if isinstance(error, BaseExceptionGroup):
        return next((left for each in error.exceptions if (left := leave_of(each))), None)
    if isinstance(error, Deferred | Cancelled):
        return error
    return None
