"""A web site on this machine that answers as a test tells it to, faults included."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a path is answered.

    Attributes:
        status: The status code.
        body: The body.
        headers: More headers, such as ``{"Retry-After": "7"}``.
        length: What ``Content-Length`` claims, if not the truth.
        hang_up: Close the connection without an answer.
        drip: Seconds between two bytes of the body; 0 sends it at once.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    hang_up: bool = False
    drip: float = 0.0


class FakeSite:
    """The site; use it as a context manager, and let the plugin ask :attr:`url`.

    A path is answered by what :meth:`answer` said of it, 404 otherwise. Several answers to one path are given one after
    the other, the last for ever: ``site.answer("/feed", Answer(status=503), Answer(body=b"…"))``.

    Attributes:
        requests: The paths that were asked for, with their queries, in order.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self._answers: dict[str, list[Answer]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, *answers: Answer) -> None:
        """Say how a path is answered, whatever its query is."""
        self._answers[path] = list(answers)

    def _next(self, target: str) -> Answer:
        self.requests.append(target)
        answers = self._answers.get(urlsplit(target).path) or [Answer(status=404)]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = site._next(self.path)
                if answer.hang_up:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                length = len(answer.body) if answer.length is None else answer.length
                for name, value in {**answer.headers, "Content-Length": str(length)}.items():
                    self.send_header(name, value)
                self.end_headers()
                self._send(answer)

            do_POST = do_GET  # noqa: N815 - the name is given

            def _send(self, answer: Answer) -> None:
                step = 1 if answer.drip else len(answer.body) or 1
                for start in range(0, len(answer.body), step):
                    self.wfile.write(answer.body[start : start + step])
                    time.sleep(answer.drip)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        return Handler
