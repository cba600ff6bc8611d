"""A small HTTP server for Prometheus on this very machine: one path, one method, one thread.

One thread, because a queue's connection belongs to the thread that opened it. Loopback is no wall against web pages
that the machine's own browser shows, so a request has to name the machine itself (DNS rebinding).
"""

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from ytworker import YtworkerError

ADDRESS = "127.0.0.1"
PATH = "/metrics"

_NAMES = frozenset({"localhost", ADDRESS})
_TEXT = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Handler(WSGIRequestHandler):
    timeout = 10.0  # whoever says nothing must not keep the others out

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing: a line every fifteen seconds hides the others."""


def application(registry: CollectorRegistry) -> Application:
    """Give the WSGI application: the metrics at ``/metrics``, for GET, and for nobody who came by another name."""
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        refused = _refused(environ)
        if refused is not None:
            return _say(start, *refused)
        try:
            return list(metrics(environ, start))
        except YtworkerError as error:
            return _say(start, "503 Service Unavailable", str(error))

    return answer


def make(registry: CollectorRegistry, port: int) -> WSGIServer:
    """Open a server on 127.0.0.1, and on nothing else; call its ``serve_forever``.

    Raises:
        OSError: The port is taken.
    """
    return make_server(ADDRESS, port, application(registry), handler_class=_Handler)


def _refused(environ: dict[str, Any]) -> tuple[str, str] | None:
    host = str(environ.get("HTTP_HOST", "")).rpartition(":")
    name = host[0] if host[1] and host[2].isdigit() else "".join(host)
    if name.lower() not in _NAMES:
        return "403 Forbidden", f"ask for {ADDRESS} or localhost"
    if environ.get("REQUEST_METHOD") != "GET":
        return "405 Method Not Allowed", "only GET"
    if environ.get("PATH_INFO") != PATH:
        return "404 Not Found", f"the metrics are at {PATH}"
    return None


def _say(start: Callable[..., Any], status: str, text: str) -> list[bytes]:
    start(status, list(_TEXT))  # the server adds its own to what it is given
    return [f"{text}\n".encode()]
