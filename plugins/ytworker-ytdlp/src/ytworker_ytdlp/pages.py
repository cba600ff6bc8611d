"""Answers that are read once and given twice."""

import io
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Held:
    """An answer with its whole body."""

    url: str
    headers: Any
    status: int
    reason: str | None
    body: bytes


def held(response: Any) -> Held:
    """Read an answer to its end and let go of the connection."""
    with response:
        return Held(response.url, response.headers, response.status, response.reason, response.read())


def copied(page: Held) -> Any:
    """Make an answer of one that was held."""
    from yt_dlp.networking import Response  # noqa: PLC0415 - loaded long since, by the client

    return Response(io.BytesIO(page.body), page.url, page.headers, status=page.status, reason=page.reason)
