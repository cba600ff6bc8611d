"""The durable task queue: its protocol, its claim orders and its backends."""

from ytworker.queue.protocol import Attempt, CoolDown, Enqueued, ItemFilter, TaskFilter, TaskQueue, WorkerInfo
from ytworker.queue.strategies import ClaimingStrategy, FIFOStrategy, LIFOStrategy, get_strategy

__all__ = [
    "Attempt",
    "ClaimingStrategy",
    "CoolDown",
    "Enqueued",
    "FIFOStrategy",
    "ItemFilter",
    "LIFOStrategy",
    "TaskFilter",
    "TaskQueue",
    "WorkerInfo",
    "get_strategy",
]
