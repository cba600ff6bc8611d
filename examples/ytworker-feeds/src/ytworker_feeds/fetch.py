"""One request, within limits: how long, how much, and whom."""

import ipaddress
import socket
import time
from urllib.parse import urlsplit

import httpx

from ytworker import PermanentError, RetryableError, ThrottledError

MAX_BYTES = 8 << 20
"""No feed is longer; what is, is cut off before it fills the memory."""


def fetch(url: str, timeout: float, *, source: str, allow_private: bool = False) -> bytes:
    """Get a feed. Redirects are not followed: the operator corrects the address.

    Args:
        url: Its address.
        timeout: Seconds that the whole request may take.
        source: Who rests when it asks us to slow down: the one that the budget was asked for.
        allow_private: Whether an address of a private network may be asked.

    Raises:
        PermanentError: The address is private, redirects, or gives more than :data:`MAX_BYTES`.
        ThrottledError: It asks us to slow down.
        RetryableError: The answer took too long.
        httpx.HTTPError: The request failed.
    """
    if not allow_private:
        _require_public(urlsplit(url).hostname or "")
    ends = time.monotonic() + timeout
    body = bytearray()
    with httpx.Client(timeout=timeout, follow_redirects=False) as client, client.stream("GET", url) as answer:
        if answer.is_redirect:
            msg = f"the feed has moved to {answer.headers.get('Location', 'somewhere')}; use that address"
            raise PermanentError(msg)
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            msg, wait = f"{source} asks us to slow down", answer.headers.get("Retry-After", "")
            raise ThrottledError(msg, retry_after=int(wait) if wait.isdecimal() else None, source=source)
        answer.raise_for_status()
        for part in answer.iter_bytes():
            body += part
            if len(body) > MAX_BYTES:
                msg = f"the answer is longer than {MAX_BYTES >> 20} MiB, which no feed is"
                raise PermanentError(msg)
            if time.monotonic() > ends:
                msg = f"the answer took longer than {timeout:g} s"
                raise RetryableError(msg)
    return bytes(body)


def _require_public(host: str) -> None:
    """Look where a name leads. Who answers for it may change that between two looks; a firewall is the true wall."""
    for found in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP):
        address = ipaddress.ip_address(found[4][0])
        if not address.is_global or address.is_multicast:
            msg = f"{host} is {address}, which is not on the internet; allow_private = true permits that"
            raise PermanentError(msg)
