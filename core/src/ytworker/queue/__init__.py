"""The durable task queue: its protocol, its claim orders and its backends.

The author of a backend imports everything from here and from :mod:`ytworker`.
"""

from ytworker.errors import (
    OrderNotOfferedError,
    PayloadError,
    QueueError,
    SchemaError,
    StaleClaimError,
    StoreError,
    StoreMovedError,
    TaskNotFoundError,
)
from ytworker.model import Claim, Doubted, ErrorInfo, NewTask, OnConflict, SourceState, UniqueWhile
from ytworker.queue.grouping import GroupCommit
from ytworker.queue.merging import as_record, content_hash, merge
from ytworker.queue.naming import queue_name
from ytworker.queue.payload import encode_json, encode_params, encode_task
from ytworker.queue.protocol import QueueCare, QueueFacts, QueueWakes, TaskQueue, Waker
from ytworker.queue.records import (
    Attempt,
    ClaimRequest,
    Completion,
    CoolDown,
    Deferral,
    Ending,
    Enqueued,
    Event,
    Failure,
    ItemFilter,
    Problem,
    Purged,
    Requeued,
    Return,
    Settled,
    TaskFilter,
    WorkerInfo,
)
from ytworker.queue.settling import SettleOneByOne
from ytworker.queue.strategies import (
    AGED_SHARE,
    ORDERS,
    ClaimingStrategy,
    FIFOStrategy,
    LIFOStrategy,
    PriorityStrategy,
    WeightedRandomStrategy,
    get_strategy,
)

__all__ = [
    "AGED_SHARE",
    "ORDERS",
    "Attempt",
    "Claim",
    "ClaimRequest",
    "ClaimingStrategy",
    "Completion",
    "CoolDown",
    "Deferral",
    "Doubted",
    "Ending",
    "Enqueued",
    "ErrorInfo",
    "Event",
    "FIFOStrategy",
    "Failure",
    "GroupCommit",
    "ItemFilter",
    "LIFOStrategy",
    "NewTask",
    "OnConflict",
    "OrderNotOfferedError",
    "PayloadError",
    "PriorityStrategy",
    "Problem",
    "Purged",
    "QueueCare",
    "QueueError",
    "QueueFacts",
    "QueueWakes",
    "Requeued",
    "Return",
    "SchemaError",
    "SettleOneByOne",
    "Settled",
    "SourceState",
    "StaleClaimError",
    "StoreError",
    "StoreMovedError",
    "TaskFilter",
    "TaskNotFoundError",
    "TaskQueue",
    "UniqueWhile",
    "Waker",
    "WeightedRandomStrategy",
    "WorkerInfo",
    "as_record",
    "content_hash",
    "encode_json",
    "encode_params",
    "encode_task",
    "get_strategy",
    "merge",
    "queue_name",
]
