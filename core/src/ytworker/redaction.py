"""What must not be seen, taken out of what is shown, logged and stored: secrets, and what a terminal would obey.

:func:`redact` is for texts: logs, messages and tracebacks of errors, everything that the command line says of them. It
knows secrets by the shape of their values, by the name beside them, and by heart: :func:`remember` is told the secrets
of the settings. :func:`masked` is for values with a name: settings and parameters. :func:`source_name` is for the names
of sources, which must stay apart whatever is hidden in them.

No pattern here looks twice at a character without a bound: the texts come from outside, and may be made to be slow.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from ytworker.secret_references import is_reference

HIDDEN = "********"
_SHORTEST = 6
"""A shorter secret is not known by heart: it would be found inside of ordinary words."""

# C0 and C1 controls, and the marks that reorder what follows them.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_UNSAFE_IN_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_SECRET = re.compile(
    r"key(?!word)|token|secret|passw|credential|cookie(?!_file)|visitor_?data|authorization", re.IGNORECASE
)
_LOGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)?(?P<login>.*)@", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(r"([?&][^=&\s]{0,60}?(?:key|token|secret|passw)[^=&\s]{0,60}=)[^&\s]+", re.IGNORECASE)

_NAMES = ("key", "token", "secret", "passw", "pwd", "credential", "cookie", "visitor", "pot", "sig", "authorization")
_NAME = r"(?:key|token|secret|passw(?:or)?d|pwd|credentials?|cookies?|visitor_?data|pot|sig(?:nature)?|authorization)"
_ANY_CASE = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a secret looks; compiled when it is first needed, since together they take longer than most commands.

    Attributes:
        hints: One of these is in every text that it fits, in lower case.
        pattern: What it looks like.
        replacement: What stands there instead.
        flags: Of the pattern.
    """

    hints: tuple[str, ...]
    pattern: str
    replacement: str = HIDDEN
    flags: int = 0


_SHAPES = (
    # Values that tell what they are: Google's keys and tokens, visitor data, what is long and looks drawn by lot.
    _Shape(("aiza",), r"AIza[\w-]{10,200}"),
    _Shape(("ya29.",), r"\bya29\.[\w.-]{10,2000}"),
    _Shape(("cgt", "cgs"), r"(?<![\w-])Cg[st][\w-]{14,2000}(?:%3D|=){0,4}"),
    _Shape(
        ("",),
        r"(?<![\w+-])(?=[\w+-]{100})(?=[\w+-]*\d)(?=[\w+-]*[a-z])(?=[\w+-]*[A-Z])[\w+-]{100,}={0,2}",
    ),
    # Headers.
    _Shape(("bearer",), r"\b(bearer\s{1,3})[\w.~+/=-]{6,}", rf"\1{HIDDEN}", _ANY_CASE),
    _Shape(
        ("authorization",),
        r"\b((?:proxy-)?authorization['\"]?\s{0,3}[:=]\s{0,3}['\"]?)[^\r\n'\"]+",
        rf"\1{HIDDEN}",
        _ANY_CASE,
    ),
    _Shape(
        ("x-",),
        r"\b(x-[\w-]{0,40}(?:key|token|visitor-id|auth\w{0,20})['\"]?\s{0,3}:\s{0,3}['\"]?)[^\s'\"]+",
        rf"\1{HIDDEN}",
        _ANY_CASE,
    ),
    _Shape(
        ("cookie",),
        r"\b((?:set-)?cookie['\"]?\s{0,3}:\s{0,3}['\"]?)[^\s=;'\"]{1,100}=[^\r\n'\"]*",
        rf"\1{HIDDEN}",
        _ANY_CASE,
    ),
    # Cookies: by their names, and as a line of a Netscape cookie file.
    _Shape(
        ("__secure-", "sid", "login_info", "visitor_"),
        r"\b(__Secure-[\w-]{1,40}|[A-Z]{0,6}SID(?:CC|TS)?|LOGIN_INFO|VISITOR_\w{1,40})=[^;\s'\"]+",
        rf"\1={HIDDEN}",
    ),
    _Shape(
        ("true\t", "false\t"),
        r"((?:TRUE|FALSE)\t[^\t\n]{0,200}\t(?:TRUE|FALSE)\t\d{1,20}\t[^\t\n]{1,200}\t)[^\t\r\n]+",
        rf"\1{HIDDEN}",
    ),
    # Logins in addresses. A colon before digits is a port, and a handle such as /@NASA is none.
    _Shape(("://",), r"(://)[^\s/?#@:'\"]{0,300}(?::(?!\d{1,5}[/?#])[^\s'\"]{0,300})?@", rf"\1{HIDDEN}@"),
    _Shape(
        ("@",),
        r"(?<![\w/.+-])(?!mailto:)[\w.+-]{1,100}:(?!//)[^\s@:/'\"]{1,200}@(?=[\w-]{1,100}[.:]|\[)",
        f"{HIDDEN}@",
    ),
    # A telling name with its value: in a query, an argument, a dict, JSON, a configuration.
    _Shape(_NAMES, rf"({_NAME}=)(?!['\"])[^\s&;,'\")\]}}]+", rf"\1{HIDDEN}", _ANY_CASE),
    _Shape(_NAMES, rf"({_NAME}=)(?:'[^'\n]{{0,2000}}'|\"[^\"\n]{{0,2000}}\")", rf"\1'{HIDDEN}'", _ANY_CASE),
    _Shape(
        _NAMES,
        rf"((?P<q>['\"])[\w.-]{{0,60}}?{_NAME}\w{{0,20}}(?P=q)\s{{0,3}}[:,]\s{{0,3}})"
        r"(?:'[^'\n]{0,2000}'|\"[^\"\n]{0,2000}\"|\[[^\]\n]{0,2000}\]|\{[^}\n]{0,2000}\}|[^\s,'\"\[{)}\]]+)",
        rf'\1"{HIDDEN}"',
        _ANY_CASE,
    ),
    _Shape(
        _NAMES,
        r"(?<!-)\b((?:api[_-]?key|(?:access|refresh|po)[_-]?token|client_secret|password|passwd|visitor_?data)"
        r"\s{0,3}:\s{1,3})(?=\S{0,200}\d|\S{20})[^\s'\"]+",
        rf"\1{HIDDEN}",
        _ANY_CASE,
    ),
)

MAX_SOURCE = 200
"""Characters of a source's name."""
_ABSURD = 4_000
_MARK = re.compile(r"(?P<shown>.*)#[0-9a-f]{8}")
_ROOM = MAX_SOURCE - len("#01234567")
_ROUNDS = 5
_STRETCH = 100_000

_known: set[str] = set()


def printable(text: object) -> str:
    """Give a text without anything that a terminal would obey; line breaks and tabs become blanks."""
    return _UNSAFE.sub("", re.sub(r"[\n\t]+", " ", str(text)))


def without_controls(text: str) -> str:
    """Give a text of any number of lines without control characters: a secret with one inside would not be found."""
    return _UNSAFE_IN_LINES.sub("", text)


def redact(text: str) -> str:
    """Take secrets out of a text."""
    for secret in sorted(_known, key=len, reverse=True):  # a long one may hold a short one
        text = text.replace(secret, HIDDEN)
    lowered = text.lower()
    for shape in _SHAPES:
        if any(hint in lowered for hint in shape.hints):
            text = re.sub(shape.pattern, shape.replacement, text, flags=shape.flags)
    return text


def source_name(name: object) -> str:
    """Give the name under which a source is stored and shown: without secrets and controls, 200 characters at the most.

    A name that is fine stays as it is. One that had to be changed ends in ``#`` and eight digits of a digest of what it
    was, so that two proxies stay two sources. It is the same in every process that knows the same secrets, and what was
    named once stays: the child names a source and the worker, which need not know the secret, does so again.

    Args:
        name: What a plugin calls it.
    """
    return _source_name(printable(name))


@lru_cache(maxsize=1024)  # each request names its source
def _source_name(text: str) -> str:
    if len(text) <= MAX_SOURCE and (redact(text) == text or _is_marked(text)):
        return text
    shown = HIDDEN if len(text) > _ABSURD else _settled(text)
    return f"{shown}#{_digest(text)}"


def _is_marked(text: str) -> bool:
    """Tell whether a name ends in our digest; that may look like a part of the secret that was before it."""
    mark = _MARK.fullmatch(text)
    changed = HIDDEN in text or len(text) == MAX_SOURCE
    return mark is not None and changed and redact(mark["shown"]) == mark["shown"]


def _settled(text: str) -> str:
    """Hide and cut until nothing changes any more: what is hidden may look like the beginning of another secret."""
    for _ in range(_ROUNDS):
        before, text = text, redact(text)[:_ROOM]
        if text == before:
            return text
    return HIDDEN


def _digest(text: str) -> str:
    """Digest a name with a secret in it, slowly: a weak password must not be found by trying out a list of them."""
    return hashlib.pbkdf2_hmac("sha256", text.encode(), b"ytworker source", _STRETCH).hex()[:8]


def remember(values: Mapping[str, Any]) -> None:
    """Learn by heart the secrets among settings: whatever a plugin makes of one, a text that holds it is redacted."""
    for secret in secrets_in(values):
        if len(secret) >= _SHORTEST:
            _known.update({secret, quote(secret, safe=""), unquote(secret), json.dumps(secret)[1:-1]} - {""})
            _source_name.cache_clear()


def remember_secrets(secrets: Iterable[str]) -> None:
    """Learn by heart what is known to be secret, whatever it looks like."""
    remember({"secret": list(secrets)})


def forget() -> None:
    """Forget what was learnt by heart; tests do it between each other."""
    _known.clear()
    _source_name.cache_clear()


def secrets_in(value: Any, *, secret: bool = False) -> Iterator[str]:
    """Give what is secret in settings: values of telling names, and logins in addresses.

    Args:
        value: Any JSON value.
        secret: Whether all of it is.
    """
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from secrets_in(each, secret=secret or bool(_SECRET.search(str(key))))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from secrets_in(each, secret=secret)
    elif isinstance(value, str) and not is_reference(value):
        decoded = _decoded(value)
        if decoded is not None:
            yield from secrets_in(decoded, secret=secret)
        if secret:
            yield value.strip()
        elif (login := _login(value)) is not None:
            _, colon, password = login.partition(":")
            yield password if colon else login


def masked(name: str, value: Any) -> Any:
    """Hide what must not be shown: values of telling names, and logins in URLs, however deep they lie.

    Args:
        name: Of the value. Of a dotted one the first two parts are not looked at when it begins with ``plugins.``: a
            section's name is no secret.
        value: Any JSON value.
    """
    if ".extractor_args" in name:  # tokens and visitor data are handed on here, under names of their own
        return HIDDEN
    if is_reference(value):
        return value  # where a secret is, is none
    own = name.split(".")[2:] if name.startswith("plugins.") else [name]
    if value in (None, "", [], {}):
        return value
    return HIDDEN if any(map(_SECRET.search, own)) else _hide(value)


def _hide(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: masked(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(each) for each in value]
    if not isinstance(value, str):
        return value
    decoded = _decoded(value)
    if decoded is not None:
        return json.dumps(_hide(decoded))
    return redact(_QUERY.sub(rf"\1{HIDDEN}", _without_login(value)))


def _decoded(text: str) -> Any:
    """Read a list or an object; what comes from a variable is still text."""
    if text.lstrip().startswith(("[", "{")):
        with suppress(ValueError, RecursionError):
            return json.loads(text)
    return None


def _without_login(text: str) -> str:
    login = _login(text)
    if login is None:
        return text
    return text.replace(f"{login}@", f"{HIDDEN}@", 1)


def _login(text: str) -> str | None:
    """Give what stands before the last @ of a URL or a bare ``user:password@host``; a handle such as @NASA is none."""
    match = _LOGIN.match(text)
    if match is None or not (":" in match["login"] or (match["scheme"] and "/" not in match["login"])):
        return None
    return match["login"]
