"""Faults on demand: what can go wrong, and which requests it happens to."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ytworker_ytdlp.testing._answers import Answer, as_html, as_json
from ytworker_ytdlp.testing._pages import captcha_page, consent_page
from ytworker_ytdlp.testing._players import premiere_soon, refusal, refused
from ytworker_ytdlp.testing._shapes import answer, api_error

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAYER = r"/youtubei/v1/player\b"
_SECONDS = {"http429-retry-after": 2.0, "timeout": 30.0, "slow": 3.0}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that was asked for.

    Attributes:
        name: One of `FAULTS`.
        pattern: Searched in ``METHOD host/path?query CLIENT subject``.
        seconds: How long it lasts, or what Retry-After says.
        location: Where a redirect leads.
        answer: What is answered, for ``answer``.
    """

    name: str
    pattern: re.Pattern[str]
    seconds: float = 0.0
    location: str = ""
    answer: Answer | None = None


def _error(code: int, message: str, status: str) -> Callable[[Fault], Answer]:
    return lambda _: as_json(api_error(code, message, status), code)


_ANSWERS: dict[str, Callable[[Fault], Answer]] = {
    "http400": _error(400, "Request contains an invalid argument.", "INVALID_ARGUMENT"),
    "http403": _error(403, "The caller does not have permission", "PERMISSION_DENIED"),
    "http404": _error(404, "Requested entity was not found.", "NOT_FOUND"),
    "http429": lambda _: as_html(captcha_page(), 429),
    "http429-retry-after": lambda fault: as_html(captcha_page(), 429, {"Retry-After": f"{fault.seconds:g}"}),
    "http500": _error(500, "Internal error encountered.", "INTERNAL"),
    "http503": lambda _: as_html("<html><title>503 Service Unavailable</title></html>", 503),
    "incomplete": lambda _: as_json(answer()),
    "not-json": lambda _: as_html("<html><body>Something went wrong</body></html>"),
    "consent": lambda _: as_html(consent_page()),
    "redirect": lambda fault: as_html("", 302, {"Location": fault.location}),
    "bot": lambda _: as_json(refused("bot_check")),
    "ratelimited": lambda _: as_json(refused("rate_limited")),
    "private": lambda _: as_json(refused("private")),
    "not-available": lambda _: as_json(answer(playabilityStatus=refusal("UNPLAYABLE", "This video is not available"))),
    "reshaped": lambda _: Answer(200, b"[1]", "application/json"),
    "premiere": lambda _: as_json(answer(playabilityStatus=premiere_soon(timedelta(hours=2)))),
}
_PLAYER_FAULTS = frozenset({"bot", "ratelimited", "private", "not-available", "premiere"})
_RENDERERS = re.compile(rb'"(?:playlistVideo|video|lockup|shortsLockup|compactVideo)(?=(?:Renderer|ViewModel)":)')
WIRE_FAULTS = frozenset({"reset", "timeout", "truncate", "slow"})
FAULTS = tuple(sorted({*_ANSWERS, *WIRE_FAULTS, "new-layout"}))


def fault_answer(fault: Fault) -> Answer | None:
    """Return the answer a fault puts in place of the real one; None for faults of the connection."""
    make = _ANSWERS.get(fault.name)
    return make(fault) if make else fault.answer


def spoil(fault: Fault, reply: Answer) -> Answer:
    """Change the real answer the way a fault asks for: ``new-layout`` gives the entries of lists unknown names."""
    return replace(reply, body=_RENDERERS.sub(b'"future', reply.body)) if fault.name == "new-layout" else reply


class _Rule:
    """A fault with what is left of its counts."""

    def __init__(self, fault: Fault, times: int, after: int) -> None:
        self.fault = fault
        self.times = times
        self.after = after

    def strikes(self, line: str) -> bool:
        if self.times == 0 or not self.fault.pattern.search(line):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1 if self.times > 0 else 0
        return True


class FaultPlan:
    """The faults still to come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []

    def add(
        self,
        name: str,
        *,
        match: str | None,
        times: int,
        after: int,
        seconds: float | None,
        location: str,
    ) -> None:
        """Plan a fault; see `FakeYouTube.fault`."""
        if name not in FAULTS:
            msg = f"there is no fault {name!r}; known are {', '.join(FAULTS)}"
            raise ValueError(msg)
        if name == "redirect" and not location:
            msg = "the fault 'redirect' needs a location, for example location='http://127.0.0.1:9/'"
            raise ValueError(msg)
        pattern = re.compile(match if match is not None else _PLAYER if name in _PLAYER_FAULTS else "")
        length = _SECONDS.get(name, 0.0) if seconds is None else seconds
        with self._lock:
            self._rules.append(_Rule(Fault(name, pattern, length, location), times, after))

    def answer(self, match: str, answer: Answer, times: int) -> None:
        """Plan an answer of the test's own; see `FakeYouTube.respond`."""
        with self._lock:
            self._rules.append(_Rule(Fault("answer", re.compile(match), answer=answer), times, 0))

    def strike(self, line: str) -> Fault | None:
        """Return the first planned fault that hits this request, and count it."""
        with self._lock:
            return next((rule.fault for rule in self._rules if rule.strikes(line)), None)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._rules.clear()
