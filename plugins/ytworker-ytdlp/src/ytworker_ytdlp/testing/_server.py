"""The front door: a fake YouTube to be put behind an unmodified yt-dlp."""

from __future__ import annotations

import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ytworker_ytdlp.testing._answers import as_html, as_json
from ytworker_ytdlp.testing._certificates import Certificates
from ytworker_ytdlp.testing._content import Content
from ytworker_ytdlp.testing._faults import FaultPlan
from ytworker_ytdlp.testing._log import RequestLog
from ytworker_ytdlp.testing._proxy import ProxyServer
from ytworker_ytdlp.testing._site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ytworker_ytdlp.testing._records import Request

DEFAULT_NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def _fixed_clock() -> datetime:
    return DEFAULT_NOW


class FakeYouTube(Content):
    """A loopback server of made-up YouTube answers, as a forward proxy.

    Channels can be added before and after it starts. The same calls make the same ids and values in every run.

    Args:
        port: 0 takes a free one.
        clock: The site's time; dates of made-up uploads lie before it. Fixed at `DEFAULT_NOW` unless given.
        log_file: Where to append one line of JSON for each request.
        heavy: Make the answers about videos as large as genuine ones, to measure what they cost; they say the same.

    Raises:
        ImportError: trustme is not installed.

    Example:
        >>> with FakeYouTube() as youtube:
        ...     channel = youtube.add_channel("@NASA", title="NASA", videos=40)
        ...     with yt_dlp.YoutubeDL({**options, **youtube.ydl_opts()}) as ydl:
        ...         info = ydl.extract_info("https://www.youtube.com/@NASA/videos", process=False)
        ...         ids = [entry["id"] for entry in info["entries"]]
        >>> ids == [video.id for video in channel.videos]
        True
    """

    def __init__(
        self,
        port: int = 0,
        clock: Callable[[], datetime] = _fixed_clock,
        log_file: str | Path | None = None,
        *,
        heavy: bool = False,
    ) -> None:
        super().__init__(clock)
        self._wanted_port = port
        self._heavy = heavy
        self._plan = FaultPlan()
        self._log = RequestLog(Path(log_file) if log_file else None)
        self._certificates = Certificates()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._proxy: ProxyServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen. Once this returns, clients can connect."""
        if self._proxy is not None:
            msg = "this FakeYouTube is already running"
            raise RuntimeError(msg)
        site = Site(self._catalogue, self._clock, heavy=self._heavy)
        self._proxy = ProxyServer(self._wanted_port, site, self._plan, self._log, self._certificates)
        self._folder = tempfile.TemporaryDirectory(prefix="fake-youtube-")
        self._certificates.write(Path(self.ca_file))
        self._thread = threading.Thread(
            target=self._proxy.serve_forever, args=(0.02,), daemon=True, name="fake-youtube"
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and cut every connection; requests stay readable."""
        if self._proxy is None or self._thread is None or self._folder is None:
            return
        self._proxy.shutdown()
        self._thread.join()
        self._proxy.hang_up()
        self._proxy.server_close()
        self._folder.cleanup()
        self._proxy = self._thread = self._folder = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._running().server_address[1])

    @property
    def proxy_url(self) -> str:
        """What a client takes as its proxy."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> str:
        """Path of the PEM file with the certificate authority; gone after `stop`."""
        self._running()
        return str(Path(self._folder.name if self._folder else "") / "ca.pem")

    def _running(self) -> ProxyServer:
        if self._proxy is None:
            msg = "this FakeYouTube is not running: use it in a with statement, or call start() first"
            raise RuntimeError(msg)
        return self._proxy

    def settings(self) -> dict[str, str]:
        """Return the values for the settings section ``[plugins.ytdlp]``."""
        return {"proxy": self.proxy_url, "ca_file": self.ca_file}

    def ydl_opts(self) -> dict[str, Any]:
        """Return the options that put a YoutubeDL behind this server."""
        return {"proxy": self.proxy_url, "nocheckcertificate": True}

    def fault(
        self,
        name: str,
        match: str | None = None,
        *,
        times: int = 1,
        after: int = 0,
        seconds: float | None = None,
        location: str = "",
    ) -> None:
        """Let something go wrong.

        Args:
            name: One of `FAULTS`.
            match: Regular expression, searched in ``METHOD host/path?query CLIENT subject``. Every request unless
                given, player calls for the faults that are answers of the player.
            times: How many matching requests; -1 for ever.
            after: How many matching requests pass first.
            seconds: How long ``timeout`` (30) and ``slow`` (3) last, and what Retry-After says (2).
            location: Where ``redirect`` leads.

        Raises:
            ValueError: There is no such fault, or a redirect leads nowhere.
        """
        self._plan.add(name, match=match, times=times, after=after, seconds=seconds, location=location)

    def respond(
        self,
        match: str,
        content: dict[str, Any] | str,
        status: int = 200,
        *,
        headers: Mapping[str, str] | None = None,
        times: int = -1,
    ) -> None:
        """Answer requests with something of the test's own.

        Args:
            match: As for `fault`.
            content: JSON, or a web page.
            status: HTTP status.
            headers: Further headers, for a web page.
            times: How many matching requests; for ever unless given.
        """
        made = as_html(content, status, headers) if isinstance(content, str) else as_json(content, status)
        self._plan.answer(match, made, times)

    @property
    def requests(self) -> list[Request]:
        """The requests since the last `reset`."""
        return self._log.all()

    def reset(self) -> None:
        """Forget faults and requests; channels and videos stay."""
        self._plan.clear()
        self._log.clear()
