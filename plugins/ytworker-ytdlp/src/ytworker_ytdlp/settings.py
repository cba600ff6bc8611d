"""The settings section ``[plugins.ytdlp]``, shared by every plugin that uses yt-dlp."""

import hashlib
import urllib.parse
import urllib.request
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

SECTION = "ytdlp"
PROXY_SCHEMES = ("http", "socks4", "socks4a", "socks5", "socks5h")
JS_RUNTIMES = ("deno", "node", "quickjs", "bun")


class YtdlpSettings(BaseModel):
    """How yt-dlp reaches YouTube. Every field has a default that works; nothing here comes from a task."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    proxy: str | None = Field(
        default=None,
        repr=False,
        description=(
            "Proxy for every request, such as http://host:8080 or socks5://host:1080. "
            "Unset: the environment's HTTPS_PROXY; an empty text: no proxy at all."
        ),
    )
    verify_tls: bool = Field(
        default=True,
        description="Check the servers' certificates. false lets anybody on the way read and change the answers, "
        "and warns at every start.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="A PEM file of certificate authorities to trust in addition to the system's, "
        "for a proxy that opens TLS.",
    )
    cookie_file: Path | None = Field(
        default=None,
        description="Cookies in Netscape format. Read once at the start, never written back. "
        "They tie every request to an account, which YouTube may then block.",
    )
    source_address: str | None = Field(default=None, description="Local IP address to send from.")
    socket_timeout: float = Field(
        default=15.0, gt=0, le=600, description="Seconds to wait for the network before a request fails."
    )
    player_clients: list[str] = Field(
        default_factory=lambda: ["visionos"],
        min_length=1,
        description="Which of yt-dlp's YouTube clients to ask for a video, in this order. Change it when yt-dlp's own "
        "default changes.",
    )
    js_runtimes: list[str] = Field(
        default_factory=list,
        description="JavaScript runtimes that yt-dlp may start (deno, node, quickjs or bun, each also as name:path). "
        "Metadata needs none.",
    )
    extractor_args: dict[str, dict[str, list[str]]] = Field(
        default_factory=dict,
        description="yt-dlp's extractor arguments, such as {youtube = {player_skip = ['configs']}}; "
        "they win over our own.",
    )

    @field_validator("proxy")
    @classmethod
    def _check_proxy(cls, value: str | None) -> str | None:
        if not value:
            return value
        if proxy_problem := _proxy_problem(value):
            raise ValueError(proxy_problem)
        return value

    @field_validator("js_runtimes")
    @classmethod
    def _check_runtimes(cls, value: list[str]) -> list[str]:
        unknown = sorted({name.partition(":")[0] for name in value} - set(JS_RUNTIMES))
        if unknown:
            msg = f"unknown JavaScript runtime {', '.join(unknown)}: choose from {', '.join(JS_RUNTIMES)}"
            raise ValueError(msg)
        return value


def _proxy_problem(value: str) -> str | None:
    """Say what is wrong with a proxy URL without repeating it: it may hold a password."""
    try:
        parts = urllib.parse.urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "not a URL: write it like http://host:8080"
    if parts.scheme == "https":
        return "a proxy that is itself reached by https is not supported: use http:// (what goes through it stays TLS)"
    if parts.scheme not in PROXY_SCHEMES:
        return f"a proxy URL starts with {', '.join(f'{scheme}://' for scheme in PROXY_SCHEMES)}"
    return None if host else "the proxy URL names no host: write it like http://host:8080"


def effective_proxy(settings: YtdlpSettings) -> str:
    """Give the proxy in use: the setting, else the environment's, else an empty text for a direct connection.

    Raises:
        ValueError: The environment names a proxy that cannot be used.
    """
    if settings.proxy is not None:
        return settings.proxy
    if urllib.request.proxy_bypass("www.youtube.com"):
        return ""
    found = urllib.request.getproxies()
    proxy = found.get("https") or found.get("all") or ""
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy and (problem := _proxy_problem(proxy)):
        msg = f"HTTPS_PROXY in the environment: {problem}"
        raise ValueError(msg)
    return proxy


def identity(settings: YtdlpSettings) -> str:
    """Name the identity that YouTube sees, for pacing and cool-downs; holds no secret.

    ``youtube``, ``youtube via host:port``, ``… from 192.0.2.7`` and ``… with cookies 1a2b3c4d``.
    """
    name = "youtube"
    if proxy := effective_proxy(settings):
        parts = urllib.parse.urlsplit(proxy)
        name += f" via {parts.hostname}" + (f":{parts.port}" if parts.port else "")
    if settings.source_address:
        name += f" from {settings.source_address}"
    if settings.cookie_file:
        digest = hashlib.sha256(str(settings.cookie_file.absolute()).encode()).hexdigest()
        name += f" with cookies {digest[:8]}"
    return name
