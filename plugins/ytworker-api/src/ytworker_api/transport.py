"""How bytes go to the Data API and come back: one host, no redirects, no proxy but the configured one, bounded.

An object of httplib2's shape, which is what google-api-python-client speaks through. httplib2 itself reads without a
bound, unpacks without one, has no time limit for a whole answer and follows redirects, so none of it is used but the
record of an answer's headers. Imported at the first request only.
"""

import base64
import http.client
import selectors
import ssl
import time
import urllib.parse
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import httplib2
from pydantic import SecretStr

from ytworker_api.settings import ApiSettings

MAX_ANSWER = 16 << 20
"""Bytes, packed and unpacked. 50 videos with long descriptions in many languages are a few mebibytes."""
_CHUNK = 65_536


class TooLargeError(Exception):
    """An answer is larger than any true one."""


class TooSlowError(TimeoutError):
    """An answer did not end in time, though bytes kept coming."""


class Transport:
    """One connection, kept open between calls.

    The key is added here, at the last moment: google's client logs its addresses, and quotes them in errors.

    Args:
        settings: Where to, through what, and for how long.
        key: What the service knows the project by.
        clock: Monotonic seconds.
    """

    redirect_codes: frozenset[int] = frozenset()

    def __init__(self, settings: ApiSettings, key: SecretStr, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._key = key
        self._clock = clock
        self._origin = urllib.parse.urlsplit(settings.api_endpoint)
        self._tls = _context(settings) if self._origin.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[httplib2.Response, bytes]:
        """Send one request and read its whole answer.

        Raises:
            OSError: Nobody was reached, or not in time.
            http.client.HTTPException: What came back is no HTTP.
            TooLargeError: It is larger than :data:`MAX_ANSWER`.
            PermissionError: The address is not that of the endpoint.
        """
        parts = urllib.parse.urlsplit(uri)
        if (parts.scheme, parts.netloc) != (self._origin.scheme, self._origin.netloc):
            msg = f"a request to {parts.hostname} is refused: the endpoint is {self._origin.hostname}"
            raise PermissionError(msg)
        try:
            key = urllib.parse.quote(self._key.get_secret_value(), safe="")
            return self._exchange(method, f"{parts.path}?{parts.query}&key={key}", body, dict(headers or {}))
        except BaseException:
            self.close()  # what is left of an answer must not be taken for the next one
            raise

    def close(self) -> None:
        """Close the connection; a later request opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, target: str, body: Any, headers: dict[str, str]
    ) -> tuple[httplib2.Response, bytes]:
        deadline = self._clock() + self._settings.timeout_seconds
        response = self._send(method, target, body, headers)
        content = _unpacked(self._read(response, deadline), response.getheader("content-encoding", ""))
        if response.will_close:
            self.close()
        return httplib2.Response(response), content

    def _send(self, method: str, target: str, body: Any, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Send once: a request that got no answer may have been paid for, so that no second one is sent unasked."""
        if self._connection is not None and _is_dead(self._connection):
            self.close()
        connection = self._connection = self._connection or self._connect()
        connection.request(method, target, body, headers)
        return connection.getresponse()

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._origin.hostname or "", self._origin.port
        proxy = urllib.parse.urlsplit(self._settings.proxy) if self._settings.proxy else None
        first, first_port = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
        timeout = self._settings.timeout_seconds
        connection: http.client.HTTPConnection
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=timeout)  # this very machine: no proxy is asked
        connection = http.client.HTTPSConnection(first, first_port, timeout=timeout, context=self._tls)
        if proxy:
            connection.set_tunnel(host, port or 443, headers=_login(proxy))
        return connection

    def _read(self, response: http.client.HTTPResponse, deadline: float) -> bytes:
        content, left = bytearray(), response.length  # None: in chunks, or up to the end of the connection
        while left != 0 and (chunk := response.read1(min(_CHUNK, left or _CHUNK))):
            content += chunk
            left = None if left is None else left - len(chunk)
            if len(content) > MAX_ANSWER:
                raise TooLargeError
            if self._clock() > deadline:
                msg = f"the answer did not end within {self._settings.timeout_seconds:g} s"
                raise TooSlowError(msg)
        if left:
            raise http.client.IncompleteRead(bytes(content), left)
        response.close()
        return bytes(content)


def _is_dead(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the other side has closed a connection that was kept open: there is something to read, its end."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def _context(settings: ApiSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file:
        context.load_verify_locations(cafile=settings.ca_file)
    return context


def _login(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    login = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _unpacked(content: bytes, encoding: str) -> bytes:
    """Unpack gzip and deflate, but never more than an answer may hold."""
    if encoding.strip().lower() not in {"gzip", "deflate"} or not content:
        return content
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: find out which of the two it is
    try:
        unpacked = unpacker.decompress(content, MAX_ANSWER)
    except zlib.error as error:
        msg = f"the answer cannot be unpacked: {error}"
        raise http.client.HTTPException(msg) from error
    if unpacker.unconsumed_tail:
        raise TooLargeError
    if not unpacker.eof:
        raise http.client.IncompleteRead(unpacked)
    return unpacked
