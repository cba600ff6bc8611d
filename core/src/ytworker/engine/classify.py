"""What kind of failure an exception is: the core's own rules, which come after a plugin's taxonomy.

The order of evidence: exception type, status code, message. The unknown is a ``bug``.
"""

import errno
import hashlib
import re
import socket
import ssl
import traceback
from collections.abc import Callable

from ytworker.engine.retry import COOLING, RETRIED, RETRIED_ONCE
from ytworker.errors import ParametersError, PluginUnavailableError, SettingsError, StoreError, TaskError, as_seconds
from ytworker.model import ErrorClass, ErrorInfo
from ytworker.redaction import redact

_TYPES: tuple[tuple[type[BaseException], ErrorClass], ...] = (
    (ParametersError, ErrorClass.INVALID),
    (SettingsError, ErrorClass.CONFIG),
    (PluginUnavailableError, ErrorClass.UNAVAILABLE),
    (StoreError, ErrorClass.STORE),
    (MemoryError, ErrorClass.RESOURCE),
    (ssl.SSLCertVerificationError, ErrorClass.CONFIG),
    (ssl.SSLError, ErrorClass.TRANSIENT),
    (ConnectionError, ErrorClass.TRANSIENT),
    (TimeoutError, ErrorClass.TRANSIENT),
    (socket.gaierror, ErrorClass.TRANSIENT),
    (EOFError, ErrorClass.TRANSIENT),
)
_STATUSES = {
    400: ErrorClass.INVALID,
    401: ErrorClass.CONFIG,
    403: ErrorClass.RESTRICTED,
    404: ErrorClass.GONE,
    408: ErrorClass.TRANSIENT,
    410: ErrorClass.GONE,
    429: ErrorClass.THROTTLED,
}
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})
_STATUS_NAMES = ("status", "status_code", "code")
_SERVER_ERRORS = range(500, 600)

MAX_MESSAGE = 2_000
MAX_TRACEBACK = 16_000
_LONGEST = 64_000  # what is longer is cut before it is looked at, which takes time
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_VARIABLE_PARTS = re.compile(r"(['\"]).*?\1|(?<![\w-])[\w-]{11,}(?![\w-])|0[xX][0-9a-fA-F]+|\d+")

Taxonomy = Callable[[BaseException], ErrorClass | None]


class ErrorClassifier:
    """Tells the class of an exception.

    Args:
        taxonomy: A plugin's own, asked before the core's rules; an error that names its class itself needs neither.
    """

    def __init__(self, taxonomy: Taxonomy | None = None) -> None:
        self._taxonomy = taxonomy

    def classify(self, error: BaseException) -> ErrorClass:
        """Give the class of an exception."""
        if isinstance(error, TaskError):
            return error.error_class
        known = self._taxonomy(error) if self._taxonomy else None
        return known or _by_type(error) or _by_status(error) or ErrorClass.BUG

    def is_retryable(self, error: BaseException) -> bool:
        """Say whether a later attempt could end otherwise."""
        return self.classify(error) in RETRIED | RETRIED_ONCE | COOLING | {ErrorClass.NOT_YET, ErrorClass.CONFIG}

    def describe(self, error: BaseException) -> ErrorInfo:
        """Turn an exception into data: class, message in one line, traceback, fingerprint; all without secrets."""
        error_class = self.classify(error)
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        message = redact(" ".join(clean(_text(error)[:_LONGEST]).split())) or kind
        return ErrorInfo(
            error_class=error_class,
            type=kind,
            message=message[:MAX_MESSAGE],
            traceback=redact(clean("".join(traceback.format_exception(error))[-_LONGEST:]))[-MAX_TRACEBACK:],
            fingerprint=_fingerprint(error, error_class, kind, message),
            retry_after=as_seconds(error.retry_after) if isinstance(error, TaskError) else None,
            source=None if not isinstance(error, TaskError) or error.source is None else str(error.source),
            offline=isinstance(error, TaskError) and error.offline,
        )


def clean(text: str) -> str:
    """Take control characters and what cannot be encoded out of a text that came from outside."""
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode()


def _by_type(error: BaseException) -> ErrorClass | None:
    for kind, error_class in _TYPES:
        if isinstance(error, kind):
            return error_class
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return ErrorClass.TRANSIENT
    return None


def _by_status(error: BaseException) -> ErrorClass | None:
    for name in _STATUS_NAMES:
        try:
            status = getattr(error, name, None)
        except Exception:  # noqa: BLE001, S112 - a property of a plugin's exception may do anything
            continue
        if isinstance(status, int):
            return ErrorClass.TRANSIENT if status in _SERVER_ERRORS else _STATUSES.get(status)
    return None


def _fingerprint(error: BaseException, error_class: ErrorClass, kind: str, message: str) -> str:
    """Digest what equal failures share: class, type, the place, and the message without its changing parts."""
    parts = (error_class.value, kind, _place(error), _VARIABLE_PARTS.sub("*", message))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _place(error: BaseException) -> str:
    """Name the innermost function that the exception came from; no line numbers, they move with every release."""
    frames = [frame for frame, _line in traceback.walk_tb(error.__traceback__)]
    return f"{frames[-1].f_globals.get('__name__')}.{frames[-1].f_code.co_qualname}" if frames else ""


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a plugin's exception may do anything
        return ""
