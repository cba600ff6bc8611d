"""The forward proxy: answers CONNECT itself and speaks TLS with a certificate of its own."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ytworker_ytdlp.testing._answers import Answer, missing
from ytworker_ytdlp.testing._faults import Fault, fault_answer, spoil
from ytworker_ytdlp.testing._records import Request, RequestKind
from ytworker_ytdlp.testing._site import Call

if TYPE_CHECKING:
    from ytworker_ytdlp.testing._certificates import Certificates
    from ytworker_ytdlp.testing._faults import FaultPlan
    from ytworker_ytdlp.testing._log import RequestLog
    from ytworker_ytdlp.testing._shapes import Json
    from ytworker_ytdlp.testing._site import Site

_WORTH_PACKING = 200
_SLOW_STEPS = 10
_RESET = struct.pack("ii", 1, 0)


class _HangUp(Exception):  # noqa: N818 - nothing is wrong: this leaves the handler
    """The connection was cut on purpose."""


class ProxyServer(ThreadingHTTPServer):
    """Listens on loopback and gives each connection a thread."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, site: Site, plan: FaultPlan, log: RequestLog, certificates: Certificates) -> None:
        self.site = site
        self.plan = plan
        self.log = log
        self.certificates = certificates
        self.stopping = threading.Event()
        self._open: dict[ProxyHandler, threading.Thread] = {}
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), ProxyHandler)

    def opened(self, handler: ProxyHandler) -> None:
        """Remember a connection, so that stopping does not wait for its client."""
        with self._open_lock:
            self._open[handler] = threading.current_thread()

    def closed(self, handler: ProxyHandler) -> None:
        """Forget a connection."""
        with self._open_lock:
            self._open.pop(handler, None)

    def hang_up(self) -> None:
        """Cut every connection and wait for the threads behind them."""
        self.stopping.set()
        with self._open_lock:
            threads = dict(self._open)
        for handler in threads:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown: that takes the TLS state away under the thread that is reading.
                socket.socket.shutdown(handler.connection, socket.SHUT_RDWR)
        for thread in threads.values():
            thread.join(1)


class ProxyHandler(BaseHTTPRequestHandler):
    """One connection: plain at first, TLS after CONNECT."""

    server: ProxyServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120
    tunnel = ""

    def setup(self) -> None:
        """Open the connection."""
        super().setup()
        self.server.opened(self)

    def finish(self) -> None:
        """Close the connection: after CONNECT the server's own clean-up no longer reaches the socket."""
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        with contextlib.suppress(OSError):
            self.connection.close()
        self.server.closed(self)

    def handle(self) -> None:
        """Answer requests until either side has enough."""
        try:
            super().handle()
        except ssl.SSLError as error:
            if not self.server.stopping.is_set():
                self._note_tls(error)
        except (_HangUp, OSError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep stderr quiet: requests go to the log of the server."""

    def do_CONNECT(self) -> None:
        """Open a tunnel and stand in for the host behind it."""
        self.tunnel = self.path.rpartition(":")[0]
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        context = self.server.certificates.context(self.tunnel)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def _note_tls(self, error: ssl.SSLError) -> None:
        # A client that does not trust the certificate says so with an alert; that is its right.
        reason = error.reason or str(error)
        self.server.log.add(
            Request("CONNECT", self.tunnel, "", "", "", reason, "tls-error", None, 0, datetime.now(UTC)),
        )

    def do_GET(self) -> None:
        """Answer any other method."""
        self._acknowledge()
        arrived = datetime.now(UTC)
        call = self._call()
        fault = self.server.plan.strike(call.line)
        if fault is not None and fault.name in {"reset", "timeout"}:
            self._note(call, arrived, "fault", fault, 0)
            if fault.name == "timeout":
                self.server.stopping.wait(fault.seconds)
            self._cut(reset=True)
        reply = (fault and fault_answer(fault)) or self._reply(call)
        reply = spoil(fault, reply) if fault else reply
        kind: RequestKind = "fault" if fault else "hit" if reply.known else "miss"
        self._note(call, arrived, kind, fault, reply.status)
        self._send(reply, fault)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET  # noqa: N815 - names the base class looks for

    def _acknowledge(self) -> None:
        # urllib3 leaves Nagle on behind a proxy and sends head and body apart: without this the body of each POST
        # waits for the delayed acknowledgement of the head, 40 ms.
        if hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _call(self) -> Call:
        target = urlsplit(self.path)
        host = self.tunnel or target.hostname or self.headers.get("Host", "").rpartition(":")[0]
        length = int(self.headers.get("Content-Length") or 0)
        return Call(self.command, host, target.path, target.query, _read_json(self.rfile.read(length)))

    def _reply(self, call: Call) -> Answer:
        if not self.tunnel:
            return missing("this proxy only serves https", 403)
        return self.server.site.answer(call)

    def _note(self, call: Call, at: datetime, kind: RequestKind, fault: Fault | None, status: int) -> None:
        name = fault.name if fault else None
        request = Request(call.method, call.host, call.path, call.query, call.client, call.what, kind, name, status, at)
        self.server.log.add(request)

    def _send(self, reply: Answer, fault: Fault | None) -> None:
        body = reply.body
        packed = len(body) > _WORTH_PACKING and "gzip" in self.headers.get("Accept-Encoding", "")
        if packed:
            body = gzip.compress(body, 1)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(body, fault)

    def _send_body(self, body: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.name == "truncate":
            self.wfile.write(body[: len(body) // 2])
            self._cut(reset=False)
        if fault is not None and fault.name == "slow":
            self._trickle(body, fault.seconds)
        else:
            self.wfile.write(body)

    def _trickle(self, body: bytes, seconds: float) -> None:
        for step in range(_SLOW_STEPS):
            self.wfile.write(body[len(body) * step // _SLOW_STEPS : len(body) * (step + 1) // _SLOW_STEPS])
            self.server.stopping.wait(seconds / _SLOW_STEPS)

    def _cut(self, *, reset: bool) -> None:
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        raise _HangUp


def _read_json(payload: bytes) -> Json:
    try:
        data = json.loads(payload) if payload else {}
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
