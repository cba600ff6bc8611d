"""The durable task queue: its protocol, its claim orders and its backends.

The author of a backend imports everything from here and from :mod:`ytworker`.
"""

from ytworker.errors import QueueError, SchemaError, StaleClaimError, StoreError, TaskNotFoundError
from ytworker.model import Claim, ErrorInfo, NewTask, SourceState
from ytworker.queue.merging import as_record, content_hash, merge
from ytworker.queue.protocol import Attempt, CoolDown, Enqueued, ItemFilter, TaskFilter, TaskQueue, WorkerInfo
from ytworker.queue.strategies import ClaimingStrategy, FIFOStrategy, LIFOStrategy, get_strategy

__all__ = [
    "Attempt",
    "Claim",
    "ClaimingStrategy",
    "CoolDown",
    "Enqueued",
    "ErrorInfo",
    "FIFOStrategy",
    "ItemFilter",
    "LIFOStrategy",
    "NewTask",
    "QueueError",
    "SchemaError",
    "SourceState",
    "StaleClaimError",
    "StoreError",
    "TaskFilter",
    "TaskNotFoundError",
    "TaskQueue",
    "WorkerInfo",
    "as_record",
    "content_hash",
    "get_strategy",
    "merge",
]
