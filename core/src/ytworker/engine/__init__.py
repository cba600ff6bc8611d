"""The engine: claims tasks, lets plugins do them, and decides what their endings mean.

Nothing is imported before it is used: the process that starts children is started while all this is still loading.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ytworker.engine.classify import ErrorClassifier
    from ytworker.engine.factory import WorkerFactory
    from ytworker.engine.poller import TaskPoller
    from ytworker.engine.retry import RetryStrategy
    from ytworker.engine.worker import BaseWorker, PluginWorker, WorkerProtocol

_HOMES = {
    "BaseWorker": "worker",
    "ErrorClassifier": "classify",
    "PluginWorker": "worker",
    "RetryStrategy": "retry",
    "TaskPoller": "poller",
    "WorkerFactory": "factory",
    "WorkerProtocol": "worker",
}

__all__ = [
    "BaseWorker",
    "ErrorClassifier",
    "PluginWorker",
    "RetryStrategy",
    "TaskPoller",
    "WorkerFactory",
    "WorkerProtocol",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
