"""How much of an answer is read: so many bytes, before and after decoding, and for so long.

yt-dlp's handler reads and decodes whatever comes; a bomb of a few kilobytes would fill the memory before anybody looks.
"""

import http.client
import io
import time
import urllib.response
import zlib
from typing import Any

from yt_dlp.networking import _urllib as ytdlp_urllib
from yt_dlp.networking.exceptions import RequestError

MAX_ANSWER = 16 << 20
"""Bytes. The largest genuine pages, those of channels, have two or three million."""
MAX_SECONDS = 60.0
"""For one whole answer: a server that drips a byte a second never meets the socket's own timeout."""
ENCODINGS = ("gzip", "deflate")
"""What is asked for. Others, and one within another, are refused: no honest server sends what nobody asked for."""

_PIECE = 1 << 16
_WINDOWS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


class UnreadableAnswerError(RequestError):  # type: ignore[misc]
    """An answer that is too large or not decodable. Not one of yt-dlp's network errors, so it is never retried."""


class LimitedHTTPHandler(ytdlp_urllib.HTTPHandler):  # type: ignore[misc]
    """Reads and decodes answers within the limits."""

    def http_response(self, req: Any, resp: Any) -> Any:  # noqa: ARG002 - urllib's own
        """Give the answer with its body in memory, decoded."""
        with resp:
            body = decoded(read_whole(resp), resp.headers.get("Content-Encoding", ""))
        answer = urllib.response.addinfourl(io.BytesIO(body), resp.headers, resp.url, resp.code)
        answer.msg = resp.msg  # type: ignore[attr-defined]
        return answer

    https_response = http_response


def read_whole(response: http.client.HTTPResponse) -> bytes:
    """Read a body to its end.

    Raises:
        UnreadableAnswerError: It is larger than :data:`MAX_ANSWER`.
        TimeoutError: It is not here after :data:`MAX_SECONDS`.
        http.client.IncompleteRead: It is shorter than its header says.
    """
    declared, until = response.length, time.monotonic() + MAX_SECONDS
    pieces: list[bytes] = []
    size = 0
    while (declared is None or size < declared) and (piece := response.read1(_PIECE)):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_ANSWER:
            raise _too_large()
        if time.monotonic() > until:
            msg = f"the answer was not here after {MAX_SECONDS:.0f} s: timed out"
            raise TimeoutError(msg)
    if declared is not None and size < declared:
        raise http.client.IncompleteRead(b"".join(pieces), declared - size)
    return b"".join(pieces)


def decoded(body: bytes, encoding: str) -> bytes:
    """Undo the encoding of a body.

    Raises:
        UnreadableAnswerError: It becomes larger than :data:`MAX_ANSWER`, or cannot be decoded.
    """
    name = encoding.strip().lower()
    if not body or name in {"", "identity"}:
        return body
    if name not in ENCODINGS:
        msg = f"the answer is encoded as {name[:40]!r}, which was not asked for"
        raise UnreadableAnswerError(msg)
    for window in (_WINDOWS[name], -zlib.MAX_WBITS):  # deflate comes with and without its header
        unpacker = zlib.decompressobj(window)
        try:
            found = unpacker.decompress(body, MAX_ANSWER + 1)
        except zlib.error:
            continue
        if len(found) > MAX_ANSWER:
            raise _too_large()
        if unpacker.eof:
            return found
    msg = f"the answer cannot be decoded as {name}"
    raise UnreadableAnswerError(msg)


def _too_large() -> UnreadableAnswerError:
    return UnreadableAnswerError(f"the answer has more than {MAX_ANSWER >> 20} MiB")
