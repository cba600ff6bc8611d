"""One task at work with the one client: budget before every request, one verdict at the end."""

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ytworker import ConfigError, Context, OfflineError, SuspectError, TaskError, ThrottledError
from ytworker_ytdlp.guard import url_problem
from ytworker_ytdlp.pages import copied, held
from ytworker_ytdlp.raising import offline_error, offline_reason, to_error
from ytworker_ytdlp.settings import SECTION, YtdlpSettings
from ytworker_ytdlp.taxonomy import chain, judge
from ytworker_ytdlp.throttle import retry_after

if TYPE_CHECKING:
    from ytworker_ytdlp.client import Client

PAUSE = 5.0
MAX_REQUESTS = 20
"""So many requests in one step, usually of one to five, mean that the answers lead in a circle."""
TOO_MANY, FORBIDDEN = 429, 403
REFUSALS = {TOO_MANY: "too many requests", FORBIDDEN: "forbidden"}

logger = logging.getLogger(__name__)


class _Kept:
    """The client of this process and who made it: after a fork the child makes its own."""

    client: "Client | None" = None
    pid = 0


def client_for(settings: YtdlpSettings) -> "Client":
    """Give the client of this process, made at the first call and again when the settings change.

    Not for several threads at once: yt-dlp is not made for it.

    Raises:
        ConfigError: A file that the settings name cannot be used.
    """
    if _Kept.client is not None and _Kept.pid == os.getpid() and _Kept.client.settings == settings:
        return _Kept.client
    from ytworker_ytdlp.client import Client  # noqa: PLC0415 - imports yt-dlp, at the first task only

    close()
    if not settings.verify_tls:
        logger.warning("plugins.ytdlp.verify_tls is false: anybody on the way can read and change YouTube's answers")
    _Kept.client, _Kept.pid = Client(settings), os.getpid()
    return _Kept.client


def close() -> None:
    """Let go of this process's client, if there is one."""
    client, _Kept.client = _Kept.client, None
    if client is not None and _Kept.pid == os.getpid():
        client.close()


class Session:
    """What a plugin holds during one attempt of one task.

    Args:
        context: The task's context. Its settings section ``ytdlp`` is used, or the defaults.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        section = context.settings.get(SECTION)
        settings = section if isinstance(section, YtdlpSettings) else YtdlpSettings()
        self.client = client_for(settings)
        self.source = self.client.source
        self._refused: set[int] = set()
        self._verdict: TaskError | None = None
        self._failures: list[BaseException] = []
        self._sent = 0
        self._pages: dict[str, Any] | None = None

    @property
    def failures(self) -> tuple[BaseException, ...]:
        """The requests of the current step that failed, whether or not yt-dlp went on without them."""
        return tuple(self._failures)

    @contextlib.contextmanager
    def step(self, subject: str) -> Iterator["Client"]:
        """Bind the client to this session for one step of an extraction and translate what it raises.

        A verdict that yt-dlp swallowed on the way (a refused or throttled request) is raised at the end of the step.
        The place in flight is held until then: a bot check comes with status 200, and only the whole step knows it.

        Args:
            subject: What is asked for, in words for messages.

        Raises:
            TaskError: In the class that the taxonomy gives.
        """
        client, self._failures, self._sent = self.client, [], 0
        with self.hold(), self._bound(client):
            client.forget()
            try:
                yield client
            except TaskError:
                raise
            except Exception as error:
                raise self._translate(error, subject) from error
            if self._verdict is not None:
                raise self._verdict

    def hold(self) -> contextlib.AbstractContextManager[None]:
        """Keep the place in flight over several steps that are judged together."""
        return self.context.budget(self.source).hold()

    @contextlib.contextmanager
    def _bound(self, client: "Client") -> Iterator[None]:
        before = client.gate, client.on_hop
        client.gate, client.on_hop = self._send, self._spend
        try:
            yield
        finally:
            client.gate, client.on_hop = before

    @contextlib.contextmanager
    def each_page_once(self) -> Iterator[None]:
        """Keep the pages that are read meanwhile, and answer from them when yt-dlp asks for one again."""
        self._pages = {}
        try:
            yield
        finally:
            self._pages = None

    def _translate(self, error: Exception, subject: str) -> TaskError:
        if self._verdict is not None:
            return self._verdict
        verdict = judge(error, self.client.captured.warnings, self._failures)
        return to_error(verdict, subject=subject, source=self.source)

    def fetch(self, url: str) -> tuple[int, bytes]:
        """Ask one of our own addresses within :meth:`step`; a 4xx is an answer too, everything else raises.

        Returns:
            The status and the body.
        """
        from yt_dlp.networking import Request  # noqa: PLC0415 - loaded long since, by the client
        from yt_dlp.networking.exceptions import HTTPError  # noqa: PLC0415

        try:
            with self.client.urlopen(Request(url)) as response:
                return response.status, response.read()
        except HTTPError as error:
            if 400 <= error.status < 500:  # noqa: PLR2004 - the client errors of HTTP
                return error.status, b""
            raise

    def post_json(self, url: str, body: bytes) -> bytes:
        """Send JSON to one of our own addresses within :meth:`step` and give the answer's body."""
        from yt_dlp.networking import Request  # noqa: PLC0415

        with self.client.urlopen(Request(url, data=body, headers={"Content-Type": "application/json"})) as response:
            return response.read()  # type: ignore[no-any-return]

    def _spend(self, _url: str = "") -> None:
        self.context.budget(self.source).acquire()

    def _send(self, request: Any, send: Any) -> Any:
        """Let one request out: checked, paid for, and with the answers that concern the identity understood."""
        if problem := url_problem(request.url):
            raise self._remember(SuspectError(f"a request was refused: {problem}", source=self.source))
        if self._pages is not None and request.url in self._pages:
            return copied(self._pages[request.url])
        while True:
            if self._verdict is not None:  # yt-dlp may have swallowed it: whoever refused us is not asked again
                raise self._verdict
            self._count()
            try:
                with self.context.budget(self.source).request():
                    return self._kept(request, send(request.copy()))
            except Exception as error:  # noqa: BLE001 - judged, and raised unless it is worth one more try
                self._failures.append(error)
                self._judge_request(error, request.url)

    def _kept(self, request: Any, response: Any) -> Any:
        if self._pages is None or request.method != "GET":
            return response
        self._pages[request.url] = held(response)
        return copied(self._pages[request.url])

    def _count(self) -> None:
        self._sent += 1
        if self._sent > MAX_REQUESTS:
            msg = f"{MAX_REQUESTS} requests brought nothing: the answers lead in a circle. It is asked again once"
            raise self._remember(SuspectError(msg, source=self.source))

    def _judge_request(self, error: Exception, url: str) -> None:
        """Return to send again, or raise: our verdict where it is about us, else the error for yt-dlp to handle."""
        status = getattr(error, "status", None)
        if status == TOO_MANY or (status == FORBIDDEN and "/youtubei/" in url):
            self._back_off(error, int(status))
            return
        raise self._refusal(error) or self._offline(error) or error

    def _back_off(self, error: Exception, status: int) -> None:
        """Wait once where the answer names no time; the second refusal is a verdict."""
        header = getattr(getattr(error, "response", None), "headers", {}).get("Retry-After")
        seconds = retry_after(header)
        if seconds is None and not self._refused:
            self._refused.add(status)
            logger.info("%s: HTTP %d, waiting %.0f s before one more try", self.source, status, PAUSE)
            self.context.sleep(PAUSE)
            return
        if status == FORBIDDEN and status in self._refused:
            raise self._remember(self._forbidden()) from error
        msg = f"{self.source}: YouTube answered HTTP {status}, {REFUSALS[status]}. The source cools down; "
        msg += "the task goes on by itself"
        raise self._remember(ThrottledError(msg, retry_after=seconds, source=self.source)) from error

    def _forbidden(self) -> ConfigError:
        msg = (
            f"{self.source}: YouTube answered HTTP 403 to its API twice: it refuses this way of asking, not its pace. "
        )
        msg += "Upgrade yt-dlp, or change plugins.ytdlp (player_clients, proxy, cookie_file); the source waits for that"
        return ConfigError(msg, source=self.source)

    def _refusal(self, error: Exception) -> TaskError | None:
        names = {type(cause).__name__ for cause in chain(error)}
        if "PrivateAddressError" in names:
            msg = f"no way to YouTube: {error}. Check the name server, the hosts file and whether a captive portal or "
            msg += "an ad blocker answers instead (or set plugins.ytdlp.proxy), then the task goes on by itself"
            return self._remember(OfflineError(msg, source=self.source))
        if "RefusedTargetError" in names:
            if (verdict := judge(error)).rule.identity:
                return self._remember(to_error(verdict, subject=self.source, source=self.source))
            msg = f"{error}. YouTube does not do that: check the network and plugins.ytdlp.proxy"
            return self._remember(SuspectError(msg, source=self.source))
        if "CertificateVerifyError" in names:
            return self._remember(to_error(judge(error), subject=self.source, source=self.source))
        return None

    def _offline(self, error: Exception) -> TaskError | None:
        via = self.source.partition(" via ")[2].partition(" ")[0]
        reason = offline_reason(error, f"the proxy {via}" if via else "www.youtube.com")
        return self._remember(offline_error(reason, self.source)) if reason else None

    def _remember(self, verdict: TaskError) -> TaskError:
        self._verdict = self._verdict or verdict
        return verdict
