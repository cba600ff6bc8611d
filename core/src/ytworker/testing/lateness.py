"""Doing a plugin's scrape after its deadline: with the engine's own attempt, a queue in memory and a fake clock."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ytworker.engine.attempt import Attempt
from ytworker.engine.budgets import Budgets
from ytworker.engine.messages import decode, encode, is_a, task_message
from ytworker.engine.runner import TaskRunner
from ytworker.engine.sharing import AttemptDeps
from ytworker.model import Claim, NewTask, TaskResult
from ytworker.plugins.registry import PluginRegistry
from ytworker.testing.clock import FakeClock
from ytworker.testing.memory import MemoryQueue

_TIMEOUT = 60.0


class _Ticking(FakeClock):
    """A clock that moves a bit whenever somebody looks, so that what is asked once in a while is asked."""

    def __call__(self) -> int:
        self.advance(0.2)
        return super().__call__()


@dataclass(slots=True)
class Lateness:
    """What came of a scrape that began after its deadline.

    Attributes:
        items: How many items it gave.
        result: How the engine ended the attempt; None where the scrape did not come back.
    """

    items: int = 0
    result: TaskResult | None = None


def scrape_late(
    registry: PluginRegistry,
    task_type: str,
    params: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    patience: float,
) -> Lateness:
    """Do a task whose deadline has passed, as the engine does it, and wait for its end.

    Args:
        registry: Has the plugin.
        task_type: The plugin.
        params: Of the task.
        settings: The raw settings sections.
        patience: After how many seconds the scrape counts as one that does not come back; its thread is left behind.
    """
    found = Lateness()
    thread = threading.Thread(target=_scrape, args=(found, registry, task_type, params, settings), daemon=True)
    thread.start()
    thread.join(patience)
    return found


def _scrape(
    found: Lateness,
    registry: PluginRegistry,
    task_type: str,
    params: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
) -> None:
    clock = _Ticking()
    queue = MemoryQueue(clock=clock)
    worker = queue.add_worker(lease_seconds=_TIMEOUT)
    claim = queue.enqueue_and_claim(_task(task_type, params), worker)
    assert isinstance(claim, Claim)  # noqa: S101 - nobody else is there
    attempt = Attempt(claim, _deps(queue, clock, settings))
    clock.advance(_TIMEOUT + 1)

    def exchange(line: str) -> str:
        if is_a("items", line):
            found.items += len(decode(line)["items"])
        return attempt.exchange(line)

    exchange(TaskRunner(registry, clock.sleep, clock).do(decode(encode(task_message(claim))), exchange))
    found.result = attempt.result


def _deps(queue: MemoryQueue, clock: FakeClock, settings: Mapping[str, Mapping[str, Any]]) -> AttemptDeps:
    return AttemptDeps(
        queue=queue,
        budgets=Budgets(queue, clock),
        sections=settings,
        settings_digest="",
        clock=clock,
        steady=clock,
        beat=lambda _seconds: None,
        check=_task,
    )


def _task(task_type: str, params: Mapping[str, Any], **_options: Any) -> NewTask:
    return NewTask(type=task_type, params=params, timeout_seconds=_TIMEOUT)
