"""What kind of failure an exception is: the core's own rules, which come after a plugin's taxonomy.

The order of evidence: exception type, status code, captured warnings, message. Each kind is looked for in the exception
and then in its causes before the next kind is: in what ``raise … from error`` names, in what the standard library and
yt-dlp wrap (``reason``, ``exc_info``), and in the members of an exception group. What was only being handled meanwhile
(``__context__``) is no evidence. The unknown is a ``bug``.

Captured warnings are the notes of an exception (``add_note``). The engine adds what the scrape logged as a warning with
``context.logger`` or ``PluginBase.logger``, so a plugin's ``classify_error`` finds them in ``error.__notes__``, too.
"""

import errno
import hashlib
import re
import socket
import ssl
import traceback
from collections.abc import Callable, Iterable, Iterator

from ytworker.engine.retry import COOLING, RETRIED, RETRIED_ONCE
from ytworker.errors import ParametersError, PluginUnavailableError, SettingsError, StoreError, TaskError, as_seconds
from ytworker.model import ErrorClass, ErrorInfo
from ytworker.redaction import redact, source_name

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
_ERRNOS = {
    **dict.fromkeys((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN), ErrorClass.TRANSIENT),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC), ErrorClass.RESOURCE),
}
# Only what nearly every client says in the same words; a wrong guess here is worse than none.
_TEXTS = tuple(
    (re.compile(pattern, re.IGNORECASE), error_class)
    for pattern, error_class in (
        (r"\bcaptcha\b|\bunusual traffic\b|\bnot a (?:bot|robot)\b", ErrorClass.BLOCKED),
        (r"\bquota ?exceeded\b|\bexceeded (?:your|the) (?:\w{1,20} )?quota\b", ErrorClass.QUOTA),
        (r"\btoo many requests\b|\brate[ -]?limit(?:ed|ing)?(?: exceeded)?\b", ErrorClass.THROTTLED),
        (
            (
                r"\btimed? ?out\b|\bconnection (?:was )?(?:reset|refused|aborted|closed)\b|\bserver disconnected\b"
                r"|\btemporary failure in name resolution\b|\bnetwork is unreachable\b"
            ),
            ErrorClass.TRANSIENT,
        ),
    )
)
_HTTP_STATUS = re.compile(
    r"\bHTTP(?:/\d(?:\.\d)?)?(?: error)?(?: status)?(?: code)?:? (?P<status>[1-5]\d\d)\b", re.IGNORECASE
)
_STATUS_NAMES = ("status", "status_code", "code")
_SERVER_ERRORS = range(500, 600)

MAX_CAUSES = 20
MAX_MESSAGE = 2_000
MAX_TRACEBACK = 16_000
_LONGEST = 64_000  # what is longer is cut before it is looked at, which takes time
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What differs between equal failures: addresses, quoted texts, paths, words with a digit (numbers, hex, ids), and words
# as long as an id. An apostrophe inside of a word opens no quotation.
_VARIABLE_PARTS = re.compile(
    r"\w{1,20}://\S+"
    r"|(?<!\w)(['\"`]).{0,500}?\1(?!\w)|[\u2018\u201c\xab].{0,500}?[\u2019\u201d\xbb](?!\w)"
    r"|(?:\b[A-Za-z]:)?[\w.~-]*(?:[/\\][\w.~@%+=-]+)+[/\\]?"
    r"|[\w-]*\d(?:[\w-]|[.,:](?=\d))*"
    r"|(?<![\w-])[\w-]{11,}(?![\w-])"
)
_ENUMERATION = re.compile(r"\*(?:[\s,;]{1,3}\*)+")  # three ids are a list like five

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
        return known or _by_evidence(list(causes(error)))

    def is_retryable(self, error: BaseException) -> bool:
        """Say whether a later attempt could end otherwise."""
        return self.classify(error) in RETRIED | RETRIED_ONCE | COOLING | {ErrorClass.NOT_YET, ErrorClass.CONFIG}

    def describe(self, error: BaseException) -> ErrorInfo:
        """Turn an exception into data: class, message in one line, traceback, fingerprint; all without secrets."""
        error_class = self.classify(error)
        told = next((each for each in causes(error) if isinstance(each, TaskError)), None)
        told = told if told is not None and told.error_class is error_class else None
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        message = redact(" ".join(clean(_text(error)[:_LONGEST]).split())) or kind
        return ErrorInfo(
            error_class=error_class,
            type=kind,
            message=message[:MAX_MESSAGE],
            traceback=redact(clean("".join(traceback.format_exception(error))[-_LONGEST:]))[-MAX_TRACEBACK:],
            fingerprint=_fingerprint(error, error_class, kind, message),
            retry_after=None if told is None else as_seconds(told.retry_after),
            source=None if told is None or told.source is None else source_name(told.source),
            offline=told.offline if told is not None else error_class is ErrorClass.TRANSIENT and _is_offline(error),
        )


def clean(text: str) -> str:
    """Take control characters and what cannot be encoded out of a text that came from outside."""
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode()


def causes(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and what caused it, nearest first, each once."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < MAX_CAUSES:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += _inner(current)


def _inner(error: BaseException) -> list[object]:
    wrapped = _attribute(error, "exc_info")
    inside = wrapped[1] if isinstance(wrapped, tuple) and len(wrapped) == len(("type", "value", "traceback")) else None
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return [error.__cause__, _attribute(error, "reason"), inside, *members]


def _is_offline(error: BaseException) -> bool:
    """Tell whether this machine has no network, as far as the system says so; a host that is down is another matter."""
    for cause in causes(error):
        if isinstance(cause, socket.gaierror):
            return cause.errno == socket.EAI_AGAIN  # no server for names answers
        if isinstance(cause, OSError) and cause.errno in {errno.ENETUNREACH, errno.ENETDOWN}:
            return True
    return False


def _by_evidence(chain: Iterable[BaseException]) -> ErrorClass:
    for rule in (_by_type, _by_status, _by_warnings, _by_message):
        for error in chain:
            known = rule(error)
            if known is not None:
                return known
    return ErrorClass.BUG


def _by_type(error: BaseException) -> ErrorClass | None:
    if isinstance(error, TaskError):
        return error.error_class
    for kind, error_class in _TYPES:
        if isinstance(error, kind):
            return error_class
    return _ERRNOS.get(error.errno or 0) if isinstance(error, OSError) else None


def _by_status(error: BaseException) -> ErrorClass | None:
    for holder in (error, _attribute(error, "response")):  # requests and httpx keep it there
        for name in _STATUS_NAMES:
            status = _attribute(holder, name)
            if isinstance(status, int):
                return _class_of_status(status)
    return None


def _class_of_status(status: int) -> ErrorClass | None:
    return ErrorClass.TRANSIENT if status in _SERVER_ERRORS else _STATUSES.get(status)


def _by_warnings(error: BaseException) -> ErrorClass | None:
    notes = _attribute(error, "__notes__")
    texts = [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else []
    return next(filter(None, map(_class_of_text, reversed(texts))), None)  # the last one is the nearest


def _by_message(error: BaseException) -> ErrorClass | None:
    return _class_of_text(_text(error))


def _class_of_text(text: str) -> ErrorClass | None:
    text = text[:MAX_MESSAGE]
    status = _HTTP_STATUS.search(text)
    known = _class_of_status(int(status["status"])) if status else None
    return known or next((error_class for pattern, error_class in _TEXTS if pattern.search(text)), None)


def _attribute(holder: object, name: str) -> object:
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 - a property of a plugin's exception may do anything
        return None


def _fingerprint(error: BaseException, error_class: ErrorClass, kind: str, message: str) -> str:
    """Digest what equal failures share: class, type, the place, and the message without its changing parts."""
    parts = (error_class.value, kind, _place(error), without_variable_parts(message))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def without_variable_parts(message: str) -> str:
    """Give what is left of a message when ids, numbers, addresses, paths and quoted texts are taken out."""
    return _ENUMERATION.sub("*", _VARIABLE_PARTS.sub("*", message[:MAX_MESSAGE]))


def _place(error: BaseException) -> str:
    """Name the innermost function that the exception came from; no line numbers, they move with every release."""
    frames = [frame for frame, _line in traceback.walk_tb(error.__traceback__)]
    return f"{frames[-1].f_globals.get('__name__')}.{frames[-1].f_code.co_qualname}" if frames else ""


def _text(error: BaseException) -> str:
    try:
        if isinstance(error, SystemExit):
            return (
                f"the plugin wanted to end the program (SystemExit {error.code!r}); it should return or raise an error"
            )
        return str(error)
    except Exception:  # noqa: BLE001 - a plugin's exception may do anything
        return ""
