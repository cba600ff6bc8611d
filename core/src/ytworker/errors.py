"""Every error that ytworker raises or lets a plugin raise.

::

    YtworkerError
    ├── TaskError                 one attempt failed; knows its class, retry_after and source
    │   ├── RetryableError        worth another attempt                         transient
    │   │   ├── OfflineError      nobody could be reached: no network           transient
    │   │   ├── ThrottledError    the source asks us to slow down               throttled
    │   │   ├── BlockedError      the source refuses this identity              blocked
    │   │   ├── QuotaError        the source's quota is used up                 quota
    │   │   ├── NotYetError       what was asked for does not exist yet         not_yet
    │   │   └── SuspectError      the answer is hollow or mixed up              suspect
    │   ├── PermanentError        another attempt would fail alike              invalid
    │   │   ├── GoneError         removed, private, terminated or never there   gone
    │   │   └── RestrictedError   there, but not for us                         restricted
    │   └── ConfigError           the settings must change first                config
    ├── SettingsError             the settings cannot be used
    ├── ParametersError           task parameters that do not fit, all at once
    ├── PluginUnavailableError    no usable plugin answers this task type
    ├── PluginsRefusedError       strict_plugins is on, and a plugin cannot be used
    ├── ChildrenError             no child process can be started here
    └── QueueError                the queue refused
        ├── StaleClaimError       a newer claim holds the task: this writer lost its lease
        ├── TaskNotFoundError     no such task
        ├── PayloadError          parameters that are no JSON object, or too large
        ├── OrderNotOfferedError  this queue does not keep the claim order
        └── StoreError            the store cannot be opened, read or written
            ├── UnstorableError   a value that no store can keep
            ├── StoreMovedError   the file that is open is not at its place any more
            └── SchemaError       the store was made by another version or another program

A plugin raises the classes below TaskError, or any other exception: what is unknown becomes a ``bug``.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from ytworker.model import ErrorClass

MAX_RETRY_AFTER = 366 * 24 * 3600
"""Seconds; nobody waits for longer than a year."""


class YtworkerError(Exception):
    """The base of every error here."""


class TaskError(YtworkerError):
    """One attempt failed.

    Args:
        message: What happened, why, and what to do next. Never holds a secret.
        error_class: What kind of failure it is; the default is the class's own.
        retry_after: Seconds that the far side asked us to wait. Clamped to 1 s .. 24 h by the engine.
        source: Whom the failure is about: the identity that cools down or pauses.
    """

    default_class: ClassVar[ErrorClass] = ErrorClass.BUG
    offline: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        error_class: ErrorClass | None = None,
        retry_after: float | None = None,
        source: str | None = None,
    ) -> None:
        super().__init__(message)
        self.error_class = error_class or self.default_class
        self.retry_after = as_seconds(retry_after)
        self.source = None if source is None else str(source)


def as_seconds(value: object) -> float | None:
    """Make a plugin's ``retry_after`` fit: an error about an error would hide the first one."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
        return None
    return float(min(max(value, 0), MAX_RETRY_AFTER))


class RetryableError(TaskError):
    """Worth another attempt."""

    default_class = ErrorClass.TRANSIENT


class OfflineError(RetryableError):
    """Nobody could be reached at all: a name did not resolve, the network is down, the proxy is not there."""

    offline = True


class ThrottledError(RetryableError):
    """The source asks us to slow down; it cools down for all workers."""

    default_class = ErrorClass.THROTTLED


class BlockedError(RetryableError):
    """The source refuses this identity (a bot check); it cools down for hours."""

    default_class = ErrorClass.BLOCKED


class QuotaError(RetryableError):
    """The source's quota is used up; ``retry_after`` reaches to its reset."""

    default_class = ErrorClass.QUOTA


class NotYetError(RetryableError):
    """What was asked for does not exist yet (a premiere); ``retry_after`` reaches to when it should."""

    default_class = ErrorClass.NOT_YET


class SuspectError(RetryableError):
    """The answer is hollow, mixed up or of an unknown shape; nothing of it may pass for data."""

    default_class = ErrorClass.SUSPECT


class PermanentError(TaskError):
    """Another attempt would fail alike."""

    default_class = ErrorClass.INVALID


class GoneError(PermanentError):
    """Removed, private, terminated, or never there."""

    default_class = ErrorClass.GONE


class RestrictedError(PermanentError):
    """It exists, but not for us: members only, an age gate, another country."""

    default_class = ErrorClass.RESTRICTED


class ConfigError(TaskError):
    """The settings must change before another attempt makes sense; the source is paused until they do."""

    default_class = ErrorClass.CONFIG


class SettingsError(YtworkerError):
    """The settings cannot be used; the message names the variable or the file, never a value."""


class ParametersError(YtworkerError):
    """Task parameters that do not fit the plugin's model.

    Args:
        task_type: The task type.
        problems: One sentence for each problem of the parameters.
        option_problems: One for each problem of the options beside them, such as ``priority``; also in ``problems``.
    """

    def __init__(self, task_type: str, problems: Sequence[str], option_problems: Sequence[str] = ()) -> None:
        self.task_type = task_type
        self.option_problems = tuple(option_problems)
        self.problems = (*problems, *option_problems)
        super().__init__(f"{task_type}: " + "; ".join(self.problems))


class PluginUnavailableError(YtworkerError):
    """No usable plugin answers this name; ``state`` and ``reason`` say why."""

    def __init__(self, name: str, state: str, reason: str) -> None:
        self.name = name
        self.state = state
        self.reason = reason
        super().__init__(f"{name} is {state}: {reason}")


class PluginsRefusedError(YtworkerError):
    """The settings are strict about plugins, and some cannot be used."""


class ChildrenError(YtworkerError):
    """The worker cannot have child processes, so it cannot run plugins apart from itself."""


class QueueError(YtworkerError):
    """The queue refused."""


class StaleClaimError(QueueError):
    """A newer claim holds the task, or it has ended: whoever writes with the old fence lost the lease."""


class TaskNotFoundError(QueueError):
    """No task has this id."""


class PayloadError(QueueError, ValueError):
    """What a task carries cannot be stored: it is no JSON object, or too large."""


class OrderNotOfferedError(QueueError, ValueError):
    """This queue does not keep the claim order; the message names those that it does."""


class StoreError(QueueError):
    """The store cannot be opened, read or written."""


class UnstorableError(StoreError):
    """A value that no store can keep, such as one that is too large: what made it is at fault, not the store."""


class StoreMovedError(StoreError):
    """The file that is open was moved, deleted or replaced: what is written now would be lost."""


class SchemaError(StoreError):
    """The store was made by another version of ytworker, or by another program."""
