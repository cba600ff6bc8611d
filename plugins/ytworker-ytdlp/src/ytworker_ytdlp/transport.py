"""The one way out: yt-dlp's urllib handler, with every hop and every address checked.

Imports yt-dlp; only :mod:`ytworker_ytdlp.client` imports this module, and that at the first task.
"""

import contextlib
import functools
import http.client
import io
import socket
import ssl
import urllib.request
from collections.abc import Callable
from typing import Any

from yt_dlp.networking import Response
from yt_dlp.networking import _urllib as ytdlp_urllib
from yt_dlp.networking.exceptions import HTTPError, RequestError, TransportError

from ytworker_ytdlp.guard import MAX_REDIRECTS, address_problem, url_problem
from ytworker_ytdlp.limits import ENCODINGS, LimitedHTTPHandler

ERROR_BODY = 65_536
"""So much of an error's body is kept for yt-dlp, which looks for YouTube's own words in it."""


class RefusedTargetError(RequestError):  # type: ignore[misc]
    """A request to somewhere that is never asked. Not one of yt-dlp's network errors, so it is never retried."""


class PrivateAddressError(RefusedTargetError):
    """An allowed host resolved to an address that is not public."""


def resolve(host: str, port: int) -> list[Any]:
    """Look a host up. The one place that asks the resolver, and what the tests replace."""
    return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)


def connect_public(
    address: tuple[str, int], timeout: float | None = None, source_address: tuple[str, int] | None = None
) -> socket.socket:
    """Connect to a host by one of its addresses, all of which must be public.

    The addresses that were checked are the ones that are connected to, so a second answer of the resolver changes
    nothing.
    """
    found = resolve(*address)
    for *_, sockaddr in found:
        if problem := address_problem(str(sockaddr[0])):
            msg = f"{address[0]} leads to {problem}"
            raise PrivateAddressError(msg)
    if source_address:
        family = socket.AF_INET6 if ":" in source_address[0] else socket.AF_INET
        found = [entry for entry in found if entry[0] == family]
    return _connect_first(found, timeout, source_address)


def _connect_first(found: list[Any], timeout: float | None, source: tuple[str, int] | None) -> socket.socket:
    error: OSError = OSError("no address of this host fits")
    for family, kind, protocol, _, sockaddr in found:
        sock = socket.socket(family, kind, protocol)
        try:
            if isinstance(timeout, int | float):
                sock.settimeout(timeout)
            if source:
                sock.bind(source)
            sock.connect(sockaddr)
        except OSError as failure:
            sock.close()
            error = failure
        else:
            return sock
    raise error


def _connection(base: type[Any], source_address: str | None, *args: Any, **kwargs: Any) -> http.client.HTTPConnection:
    connection: Any = base(*args, **kwargs)
    connection._create_connection = connect_public  # noqa: SLF001 - the hook that yt-dlp uses for the same purpose
    if source_address is not None:
        connection.source_address = (source_address, 0)
    return connection  # type: ignore[no-any-return]


class GuardedHTTPHandler(LimitedHTTPHandler):
    """Direct connections to public addresses only; plain http is never spoken."""

    def https_open(self, req: Any) -> Any:
        """Open a TLS connection to a checked address."""
        factory = functools.partial(_connection, http.client.HTTPSConnection, self._source_address)
        return self.do_open(factory, req, context=self._context)

    def http_open(self, req: Any) -> Any:
        """Refuse: there is no reason to leave TLS."""
        msg = f"plain http to {req.host} is refused"
        raise RefusedTargetError(msg)


class GuardedRedirectHandler(ytdlp_urllib.RedirectHandler):  # type: ignore[misc]
    """Few hops, each to an allowed address and each within the budget."""

    max_redirections = MAX_REDIRECTS

    def __init__(self, on_hop: Callable[[str], None]) -> None:
        self._on_hop = on_hop

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Check the next hop before anything is sent to it, or to the proxy about it."""
        if problem := url_problem(newurl):
            fp.close()
            text = f"a redirect was refused: {problem}"
            raise RefusedTargetError(text)
        self._on_hop(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _detached(response: Any) -> Any:
    body = b""
    with contextlib.suppress(TransportError):
        body = response.read(ERROR_BODY)
    response.close()
    headers, status, reason = response.headers, response.status, response.reason
    return Response(io.BytesIO(body), response.url, headers, status=status, reason=reason)


class GuardedRH(ytdlp_urllib.UrllibRH):  # type: ignore[misc]
    """The only request handler: urllib, because nothing else lets every hop, address and answer be checked."""

    RH_NAME = "guarded"
    _SUPPORTED_URL_SCHEMES = ("https",)

    def __init__(self, *, on_hop: Callable[[str], None], direct: bool, ca_file: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._on_hop = on_hop
        self._direct = direct
        self._ca_file = ca_file

    def _send(self, request: Any) -> Any:
        """Send, and let no error keep its connection open."""
        try:
            return super()._send(request)
        except HTTPError as error:
            raise HTTPError(_detached(error.response), redirect_loop=error.redirect_loop) from error

    def _prepare_headers(self, _: Any, headers: Any) -> None:
        headers.setdefault("Accept-Encoding", ", ".join(ENCODINGS))

    def _make_sslcontext(self, legacy_ssl_support: bool | None = None) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._make_sslcontext(legacy_ssl_support=legacy_ssl_support)
        if self.verify:
            context.load_default_certs()
            if self._ca_file:
                context.load_verify_locations(cafile=self._ca_file)
        return context

    def _create_instance(
        self, proxies: Any, cookiejar: Any, legacy_ssl_support: bool | None = None
    ) -> urllib.request.OpenerDirector:
        opener = urllib.request.OpenerDirector()
        http_handler = GuardedHTTPHandler if self._direct else LimitedHTTPHandler
        context = self._make_sslcontext(legacy_ssl_support=legacy_ssl_support)
        for handler in (
            ytdlp_urllib.ProxyHandler({} if self._direct else proxies),
            http_handler(context=context, source_address=self.source_address),
            urllib.request.HTTPCookieProcessor(cookiejar),
            urllib.request.UnknownHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            GuardedRedirectHandler(self._on_hop),
        ):
            opener.add_handler(handler)
        opener.addheaders = []
        return opener
