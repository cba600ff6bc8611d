"""From a verdict to the exception that the engine understands."""

import errno
import socket

from ytworker import (
    BlockedError,
    ConfigError,
    ErrorClass,
    GoneError,
    NotYetError,
    OfflineError,
    PermanentError,
    RestrictedError,
    RetryableError,
    SuspectError,
    TaskError,
    ThrottledError,
)
from ytworker_ytdlp.errors import NoSuchTabError
from ytworker_ytdlp.taxonomy import Verdict, chain

_TYPES: dict[ErrorClass, type[TaskError]] = {
    ErrorClass.TRANSIENT: RetryableError,
    ErrorClass.THROTTLED: ThrottledError,
    ErrorClass.BLOCKED: BlockedError,
    ErrorClass.NOT_YET: NotYetError,
    ErrorClass.SUSPECT: SuspectError,
    ErrorClass.GONE: GoneError,
    ErrorClass.RESTRICTED: RestrictedError,
    ErrorClass.INVALID: PermanentError,
    ErrorClass.CONFIG: ConfigError,
}
_UNREACHABLE = {
    errno.ECONNREFUSED: "refused the connection",
    errno.ENETUNREACH: "could not be reached",
    errno.EHOSTUNREACH: "could not be reached",
    errno.ENETDOWN: "could not be reached",
    errno.EADDRNOTAVAIL: "could not be reached from this address",
}


def to_error(verdict: Verdict, *, subject: str, source: str) -> TaskError:
    """Make the exception for a verdict: what happened to whom, why, and what to do next.

    Args:
        verdict: What :func:`ytworker_ytdlp.taxonomy.judge` found.
        subject: What was asked for, such as ``@NASA/videos``.
        source: The identity that asked.
    """
    message = f"{subject}: {verdict.message}"
    rule = verdict.rule
    if rule.name == "no_tab":
        return NoSuchTabError(message, source=source)
    kind = _TYPES.get(rule.error_class, TaskError)
    return kind(message, error_class=rule.error_class, retry_after=rule.retry_after, source=source)


def offline_reason(error: BaseException, host: str) -> str | None:
    """Say in a few words why nobody could be reached, or None when somebody was.

    Args:
        error: A transport error with its causes.
        host: Who was to be reached: the site, or the proxy before it.
    """
    for cause in chain(error):
        if isinstance(cause, socket.gaierror):
            return f"{host} could not be resolved"
        if isinstance(cause, OSError) and cause.errno in _UNREACHABLE:
            return f"{host} {_UNREACHABLE[cause.errno]}"
    return None


def offline_error(reason: str, source: str) -> OfflineError:
    """Make the one-line error for a machine without a network."""
    msg = f"no network: {reason}. Check the connection (and plugins.ytdlp.proxy), then the task goes on by itself"
    return OfflineError(msg, source=source)
