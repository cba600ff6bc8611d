"""The engine: claims tasks, lets plugins do them, and decides what their endings mean."""

from ytworker.engine.classify import ErrorClassifier
from ytworker.engine.factory import WorkerFactory
from ytworker.engine.poller import TaskPoller
from ytworker.engine.retry import RetryStrategy
from ytworker.engine.worker import BaseWorker, PluginWorker, WorkerProtocol

__all__ = [
    "BaseWorker",
    "ErrorClassifier",
    "PluginWorker",
    "RetryStrategy",
    "TaskPoller",
    "WorkerFactory",
    "WorkerProtocol",
]
