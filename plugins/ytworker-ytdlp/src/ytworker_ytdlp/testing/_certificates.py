"""Throw-away certificates, so that the proxy can stand in for any host."""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import trustme


class Certificates:
    """A certificate authority that lives as long as one server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._authority = _new_authority()
        self._contexts: dict[str, ssl.SSLContext] = {}

    def write(self, path: Path) -> None:
        """Write the authority's certificate, for clients that are to trust it."""
        self._authority.cert_pem.write_to_path(str(path))

    def context(self, host: str) -> ssl.SSLContext:
        """Return the server side of TLS for a host."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]


def _new_authority() -> trustme.CA:
    try:
        import trustme  # noqa: PLC0415 - an extra that only tests need
    except ImportError as error:
        msg = "FakeYouTube needs trustme for its certificates: pip install 'ytworker-ytdlp[testing]'"
        raise ImportError(msg) from error
    return trustme.CA()
