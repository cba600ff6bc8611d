"""The server of the fake: HTTP on a port of this machine, with faults on demand."""

import re
import ssl
import threading
import urllib.parse
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from ytworker_api.costs import PRICES
from ytworker_api.testing._answers import Answer, Catalogue, refusal
from ytworker_api.testing._content import make_id, make_video

KEY = "fake-key-of-the-data-api"


@dataclass(frozen=True, slots=True)
class Request:
    """One call.

    Attributes:
        method: Such as ``videos.list``.
        query: Its parameters, the key among them.
    """

    method: str
    query: Mapping[str, str]

    @property
    def ids(self) -> list[str]:
        """The ids that were asked for."""
        return self.query.get("id", "").split(",")


@dataclass
class _Fault:
    answer: Answer | None
    match: re.Pattern[str]
    times: int
    after: int

    def hits(self, line: str) -> bool:
        if self.times == 0 or not self.match.search(line):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return True


class FakeDataApi:
    """A Data API on loopback.

    Args:
        tls: Serve over TLS with this.

    Attributes:
        catalogue: What it knows; change it at will.
        requests: What was asked, in order.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.catalogue = Catalogue()
        self.requests: list[Request] = []
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it is; what ``api_endpoint`` takes."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def settings(self) -> dict[str, str]:
        """Give the settings that lead here."""
        return {"api_key": KEY, "api_endpoint": self.url}

    @property
    def spent(self) -> Counter[str]:
        """What the calls so far have cost, by quota; those that were refused cost as much."""
        cost: Counter[str] = Counter()
        for request in self.requests:
            bucket, price = PRICES[request.method]
            cost[bucket] += price
        return cost

    def add_video(self, video_id: str, **changes: Any) -> None:
        """Add a video; see :func:`make_video`."""
        self.catalogue.videos[video_id] = make_video(video_id, **changes)

    def add_channel(self, channel_id: str, *, handle: str | None = None, videos: int = 10) -> list[str]:
        """Add a channel with so many videos, and give their ids, newest first."""
        ids = [make_id(f"{channel_id} {number}") for number in range(videos, 0, -1)]
        for each in ids:
            self.add_video(each, snippet={"channelId": channel_id, "channelTitle": handle or channel_id})
        self.catalogue.uploads[channel_id] = ids
        if handle:
            self.catalogue.handles[handle] = channel_id
        return ids

    def refuse(
        self, reason: str, *, status: int = 403, message: str = "", match: str = "", times: int = 1, after: int = 0
    ) -> None:
        """Answer with an error.

        Args:
            reason: The service's own name for it.
            status: Of HTTP.
            message: What it says.
            match: A regular expression on ``METHOD QUERY``; see :meth:`fault`.
            times: How often; -1 is for ever.
            after: How many calls that match go well before.
        """
        self.fault(refusal(reason, status, message), match=match, times=times, after=after)

    def fault(self, answer: Answer | None, *, match: str = "", times: int = 1, after: int = 0) -> None:
        """Give this answer instead of the true one, or None to break the connection."""
        self._faults.append(_Fault(answer, re.compile(match), times, after))

    def answer(self, path: str) -> Answer | None:
        """Answer a request, and remember it."""
        parts = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        name = parts.path.rpartition("/youtube/v3/")[2]
        method = name.replace(":", ".") if ":" in name else f"{name}.list"
        with self._lock:
            self.requests.append(Request(method, query))
            line = f"{method} {urllib.parse.unquote(parts.query)}"
            for fault in self._faults:
                if fault.hits(line):
                    return fault.answer
            return self.catalogue.answer(method, query)


def _handler(api: FakeDataApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet for an answer: no waiting for Nagle

        def do_GET(self) -> None:
            answer = api.answer(self.path)
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    return Handler
