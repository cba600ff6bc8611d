"""An HTTP answer, and how to make one from JSON, HTML or XML."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ytworker_ytdlp.testing._shapes import Json

_HTML = "text/html; charset=utf-8"
_JSON = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client.

    Attributes:
        status: HTTP status.
        body: Not compressed.
        content_type: As the header says it.
        headers: Further headers.
        known: False where nothing here answers such a request, which the log calls a miss.
    """

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    known: bool = True


def as_json(data: Json, status: int = 200) -> Answer:
    """Answer with JSON."""
    return Answer(status, json.dumps(data, ensure_ascii=False).encode(), _JSON)


def as_html(markup: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a web page."""
    return Answer(status, markup.encode(), _HTML, headers or {})


def as_xml(markup: str) -> Answer:
    """Answer with a feed; YouTube lets it be kept for 15 minutes."""
    return Answer(200, markup.encode(), "text/xml; charset=UTF-8", {"Cache-Control": "public, max-age=900"})


def as_text(content: str, content_type: str) -> Answer:
    """Answer with any other text."""
    return Answer(200, content.encode(), f"{content_type}; charset=utf-8")


def missing(message: str, status: int = 404) -> Answer:
    """Answer that nothing here knows such a request."""
    return Answer(status, message.encode(), "text/plain; charset=utf-8", known=False)
