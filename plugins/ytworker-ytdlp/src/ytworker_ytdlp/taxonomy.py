"""Finding out what a failure means.

:data:`ytworker_ytdlp.rules.RULES` is read from top to bottom, once for each kind of evidence in this order: the types
in the chain of exceptions, the HTTP status, the captured warnings (only rules that are about who asks, unless yt-dlp
gave no reason of its own), the message. What no rule knows is a ``bug``.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ytworker import TaskError
from ytworker_ytdlp.rules import BUG, RULES, Rule

UNEXPLAINED = re.compile(r"(?i)failed to extract any player response|incomplete data received")

_NOISE = (
    re.compile(r"\x1b\[[0-9;]*[A-Za-z]"),
    re.compile(r"^(?:ERROR|WARNING):\s*"),
    re.compile(r"^\[[\w:+]+\]\s*(?:[^\s:]+:\s+)?"),
    re.compile(r"(?i)^youtube said:\s*"),
    re.compile(r"(?i)^unable to download (?:api page|webpage|json metadata):\s*"),
    re.compile(r"(?is)[;,.]?\s*please report this issue on.*$"),
    re.compile(r"(?is)\s*\(caused by .*$"),
    re.compile(r"(?i)\.?\s*retrying \(\d+/\d+\).*$"),
    re.compile(r"(?is)\.?\s*use --cookies.*$"),
    re.compile(r"(?is)\.?\s*if the owner of this video has granted.*$"),
    re.compile(r"(?is)\.?\s*you might want to use a vpn.*$"),
    re.compile(r"(?is)\.?\s*it is recommended to use `-t sleep`.*$"),
    re.compile(r"[\x00-\x1f\x7f-\x9f]+"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a failure means.

    Attributes:
        rule: The rule that knew it.
        what: What happened, cleaned of yt-dlp's advice to its own users.
        evidence: ``type``, ``status``, ``warning``, ``message`` or ``none``.
    """

    rule: Rule
    what: str
    evidence: str = field(default="none", compare=False)

    @property
    def message(self) -> str:
        """What happened and what to do next."""
        return f"{self.what.rstrip('. ')}. {self.rule.hint}"


def chain(error: BaseException) -> Iterator[BaseException]:
    """Walk from an exception to its causes, the way yt-dlp nests them; each is given once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen or isinstance(current, TaskError):
            continue  # an error of ours was being handled when yt-dlp made its own: no cause
        seen.add(id(current))
        yield current
        waiting += [_inner(current), current.__cause__]


def _inner(error: BaseException) -> BaseException | None:
    candidates = [(getattr(error, "exc_info", None) or (None, None))[1], getattr(error, "cause", None)]
    candidates.append(getattr(error, "reason", None))
    return next((found for found in candidates if isinstance(found, BaseException)), None)


def clean(text: str) -> str:
    """Strip a message of colours, prefixes, control characters and advice for yt-dlp's own users."""
    for noise in _NOISE:
        text = noise.sub(" " if noise is _NOISE[-1] else "", text)
    return text.strip()[:500]


def judge(error: BaseException, warnings: Sequence[str] = (), failures: Sequence[BaseException] = ()) -> Verdict:
    """Find out what a failure of yt-dlp means.

    Args:
        error: What was raised.
        warnings: What yt-dlp warned of on the way.
        failures: Requests that failed on the way and were swallowed; asked where the error gives no reason itself.
    """
    said = clean(str(error)) or type(error).__name__
    unexplained = bool(UNEXPLAINED.search(said))
    errors = list(chain(error))
    if unexplained and failures:
        errors += chain(failures[-1])
    usable = [rule for rule in RULES if unexplained or rule.identity]
    return (
        _by_type(errors, said)
        or _by_status(errors, said)
        or _by_text(usable, warnings, "warning")
        or _by_text(RULES, [said], "message")
        or Verdict(BUG, f"{type(errors[-1]).__name__}: {said}" if said != type(errors[-1]).__name__ else said)
    )


def _by_type(errors: Iterable[BaseException], said: str) -> Verdict | None:
    """Compare with the names of the classes. An error with a status is left to the status: urllib's is a URLError."""
    typed = [error for error in errors if not isinstance(getattr(error, "status", None), int)]
    names = {base.__name__ for error in typed for base in type(error).__mro__}
    found = next((rule for rule in RULES if rule.types & names), None)
    if found is not None and found.name == "connection":
        found = next((rule for rule in RULES if rule.name == "proxy_login" and _matches(rule, map(str, typed))), found)
    return Verdict(found, said, "type") if found else None


def _by_status(errors: Iterable[BaseException], said: str) -> Verdict | None:
    statuses = {status for error in errors if isinstance(status := getattr(error, "status", None), int)}
    found = next((rule for rule in RULES if rule.statuses & statuses), None)
    return Verdict(found, said, "status") if found else None


def _by_text(rules: Iterable[Rule], texts: Sequence[str], evidence: str) -> Verdict | None:
    for rule in rules:
        if (text := _matches(rule, texts)) is not None:
            return Verdict(rule, clean(text), evidence)
    return None


def _matches(rule: Rule, texts: Iterable[str]) -> str | None:
    """Give the first text that a rule's patterns find something in, whatever apostrophe it uses."""
    for text in texts:
        straight = text.replace("\u2019", "'")
        if any(re.search(pattern, straight, re.IGNORECASE) for pattern in rule.patterns):
            return text
    return None
