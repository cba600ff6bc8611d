"""The one YoutubeDL of this process. Imports yt-dlp, so it is itself imported at the first task only."""

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yt_dlp
from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS
from yt_dlp.networking import Request

from ytworker import ConfigError
from ytworker_ytdlp.options import EXTRACTORS, options
from ytworker_ytdlp.settings import YtdlpSettings, effective_proxy, identity
from ytworker_ytdlp.subtitles import FORM
from ytworker_ytdlp.transport import GuardedRH

Send = Callable[[Any], Any]
Gate = Callable[[Any, Send], Any]


COOKIE_FIELDS = 7
_COOKIE_HEADER = re.compile(r"# (?:Netscape )?HTTP Cookie File")


class CapturingLogger:
    """Keeps what yt-dlp would print. Only the warnings since the last ``clear`` are evidence."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        """Drop progress talk."""

    def warning(self, message: str) -> None:
        """Keep a warning."""
        self.warnings.append(message)

    def error(self, message: str, *, is_error: bool = True) -> None:
        """Drop an error: it is raised as well."""


class Client(yt_dlp.YoutubeDL):  # type: ignore[misc]
    """A YoutubeDL that can do nothing but read YouTube, and asks a gate before every request.

    Attributes:
        settings: What it was made from.
        source: The identity that it asks with.
        gate: Called with each request and the function that sends it; set while a session is at work.
        on_hop: Called with the address of every redirect before it is followed.
        captured: yt-dlp's warnings.
    """

    def __init__(self, settings: YtdlpSettings) -> None:
        self.settings = settings
        self.source = _checked(identity, settings)
        self.captured = CapturingLogger()
        self.gate: Gate | None = None
        self.on_hop: Callable[[str], None] | None = None
        self._proxy = _checked(effective_proxy, settings)
        _check_ca(settings)
        _check_clients(settings)
        os.environ["YTDLP_NO_PLUGINS"] = "1"
        super().__init__(options(settings, self._proxy, self.captured, _cookies(settings)))
        self._trim_subtitles()

    def build_request_director(self, handlers: Any, preferences: Any = None) -> Any:  # noqa: ARG002 - yt-dlp's own
        """Give a director with our handler alone, whatever else is installed."""

        def make(**kwargs: Any) -> GuardedRH:
            ca_file = str(self.settings.ca_file) if self.settings.ca_file else None
            return GuardedRH(on_hop=self._hop, direct=not self._proxy, ca_file=ca_file, **kwargs)

        return super().build_request_director([make])

    def urlopen(self, req: Any) -> Any:
        """Pass every request, ours and yt-dlp's, through the gate of the session at work."""
        if self.gate is None:
            msg = "no session is at work: requests outside a task are refused"
            raise RuntimeError(msg)
        request = req if isinstance(req, Request) else Request(getattr(req, "full_url", req))
        return self.gate(request, super().urlopen)

    def _hop(self, url: str) -> None:
        if self.on_hop is not None:
            self.on_hop(url)

    def _trim_subtitles(self) -> None:
        """Keep yt-dlp from building a thousand subtitle addresses for each video: two thirds of its time."""
        extractor = self.get_info_extractor("Youtube")
        if hasattr(extractor, "_SUBTITLE_FORMATS"):
            extractor._SUBTITLE_FORMATS = ()  # noqa: SLF001 - no option turns it off

    @contextlib.contextmanager
    def with_subtitles(self) -> Iterator[None]:
        """Build the addresses of subtitles for a while, in the one form that is read."""
        extractor = self.get_info_extractor("Youtube")
        usual = getattr(extractor, "_SUBTITLE_FORMATS", None)
        if usual == ():
            extractor._SUBTITLE_FORMATS = (FORM,)  # noqa: SLF001 - see _trim_subtitles
        try:
            yield
        finally:
            if usual == ():
                extractor._SUBTITLE_FORMATS = usual  # noqa: SLF001 - likewise

    def forget(self) -> None:
        """Begin a new step: no warnings yet, and none suppressed because an earlier task had them too."""
        self.captured.warnings.clear()
        for name in ("Youtube", "YoutubeTab"):
            getattr(self.get_info_extractor(name), "_printed_messages", set()).clear()

    @contextlib.contextmanager
    def page_only(self) -> Iterator[None]:
        """Ask for videos by their web page alone for a while, and take what it says without being playable."""
        arguments = self.params["extractor_args"]["youtube"]
        usual = arguments["player_client"]
        arguments["player_client"], self.params["ignore_no_formats_error"] = ["web"], True
        try:
            yield
        finally:
            arguments["player_client"], self.params["ignore_no_formats_error"] = usual, False


def _checked(function: Callable[[YtdlpSettings], str], settings: YtdlpSettings) -> str:
    try:
        return function(settings)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_ca(settings: YtdlpSettings) -> None:
    import ssl  # noqa: PLC0415 - only where a file is named

    if settings.ca_file is None or not settings.verify_tls:
        return
    _check_regular("ca_file", settings.ca_file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=settings.ca_file)
    except OSError as error:
        msg = f"plugins.ytdlp.ca_file cannot be read as PEM certificates: {error.strerror or error}. Check its path"
        raise ConfigError(msg) from error


def _check_regular(setting: str, path: Path) -> None:
    """Refuse a pipe, which might never answer, and a device, which might never end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        msg = f"plugins.ytdlp.{setting} cannot be read: it is no regular file. Check its path"
        raise ConfigError(msg)


def _check_clients(settings: YtdlpSettings) -> None:
    """Refuse clients that yt-dlp does not know: it would warn, take others, and ask in a way that nobody chose."""
    known = {name for name in INNERTUBE_CLIENTS if not name.startswith("_")}
    unknown = sorted({name.removeprefix("-") for name in settings.player_clients} - known - {"default", "all"})
    if unknown:
        version = yt_dlp.version.__version__
        msg = f"plugins.ytdlp.player_clients: yt-dlp {version} knows no client {', '.join(unknown)}. "
        raise ConfigError(msg + f"Choose from {', '.join(sorted(known))}, or upgrade yt-dlp")


def _cookies(settings: YtdlpSettings) -> io.StringIO | None:
    """Read the cookies into memory: yt-dlp writes back to what it was given, and that is never the user's file."""
    if settings.cookie_file is None:
        return None
    _check_regular("cookie_file", settings.cookie_file)
    try:
        text = settings.cookie_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        msg = f"plugins.ytdlp.cookie_file cannot be read: {reason}. Check its path"
        raise ConfigError(msg) from error
    _check_cookies(text)
    return io.StringIO(text)


def _check_cookies(text: str) -> None:
    """Refuse what yt-dlp would skip: it would print the line, secret and all, and go on without the cookie."""
    lines = text.splitlines()
    if not lines or not _COOKIE_HEADER.match(lines[0]):
        msg = "plugins.ytdlp.cookie_file does not begin with '# Netscape HTTP Cookie File': export it in that format"
        raise ConfigError(msg)
    for number, line in enumerate(lines, 1):
        bare = line.removeprefix("#HttpOnly_")
        if bare.strip() and not bare.startswith("#") and len(bare.split("\t")) != COOKIE_FIELDS:
            msg = f"plugins.ytdlp.cookie_file: line {number} does not have {COOKIE_FIELDS} fields with tabs between "
            raise ConfigError(msg + "them, as after a copy that turned tabs into blanks. Export the file again")


__all__ = ["EXTRACTORS", "CapturingLogger", "Client"]
