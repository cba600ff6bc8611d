"""ytworker: a durable task queue and plugin host for workers that collect video metadata.

Everything a plugin author needs comes from here; nothing is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ytworker._version import __version__

if TYPE_CHECKING:
    from ytworker.context import Budget, Cancelled, Checkpoint, Context, Deferred
    from ytworker.derived import engagement_rate, like_ratio, views_per_day, views_per_hour
    from ytworker.errors import (
        BlockedError,
        ChildrenError,
        ConfigError,
        GoneError,
        NotYetError,
        OfflineError,
        ParametersError,
        PermanentError,
        PluginsRefusedError,
        PluginUnavailableError,
        QuotaError,
        RestrictedError,
        RetryableError,
        SettingsError,
        SuspectError,
        TaskError,
        ThrottledError,
        YtworkerError,
    )
    from ytworker.hookspecs import Scraped, WorkerPlugin, hookimpl
    from ytworker.model import (
        Author,
        ErrorClass,
        Item,
        ItemContext,
        MetricPrecision,
        Metrics,
        Outcome,
        Task,
        TaskResult,
        TaskStatus,
    )
    from ytworker.plugins.base import PluginBase
    from ytworker.service import Service, open  # noqa: A004 - `ytworker.open` reads well and shadows nothing outside

_HOMES = {
    "Author": "model",
    "BlockedError": "errors",
    "Budget": "context",
    "Cancelled": "context",
    "Checkpoint": "context",
    "ChildrenError": "errors",
    "ConfigError": "errors",
    "Context": "context",
    "Deferred": "context",
    "ErrorClass": "model",
    "GoneError": "errors",
    "Item": "model",
    "ItemContext": "model",
    "MetricPrecision": "model",
    "Metrics": "model",
    "NotYetError": "errors",
    "OfflineError": "errors",
    "Outcome": "model",
    "ParametersError": "errors",
    "PermanentError": "errors",
    "PluginBase": "plugins.base",
    "PluginUnavailableError": "errors",
    "PluginsRefusedError": "errors",
    "QuotaError": "errors",
    "RestrictedError": "errors",
    "RetryableError": "errors",
    "Scraped": "hookspecs",
    "Service": "service",
    "SettingsError": "errors",
    "SuspectError": "errors",
    "Task": "model",
    "TaskError": "errors",
    "TaskResult": "model",
    "TaskStatus": "model",
    "ThrottledError": "errors",
    "WorkerPlugin": "hookspecs",
    "YtworkerError": "errors",
    "engagement_rate": "derived",
    "hookimpl": "hookspecs",
    "like_ratio": "derived",
    "open": "service",
    "views_per_day": "derived",
    "views_per_hour": "derived",
}

__all__ = [
    "Author",
    "BlockedError",
    "Budget",
    "Cancelled",
    "Checkpoint",
    "ChildrenError",
    "ConfigError",
    "Context",
    "Deferred",
    "ErrorClass",
    "GoneError",
    "Item",
    "ItemContext",
    "MetricPrecision",
    "Metrics",
    "NotYetError",
    "OfflineError",
    "Outcome",
    "ParametersError",
    "PermanentError",
    "PluginBase",
    "PluginUnavailableError",
    "PluginsRefusedError",
    "QuotaError",
    "RestrictedError",
    "RetryableError",
    "Scraped",
    "Service",
    "SettingsError",
    "SuspectError",
    "Task",
    "TaskError",
    "TaskResult",
    "TaskStatus",
    "ThrottledError",
    "WorkerPlugin",
    "YtworkerError",
    "__version__",
    "engagement_rate",
    "hookimpl",
    "like_ratio",
    "open",
    "views_per_day",
    "views_per_hour",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
