"""The settings section ``[plugins.api_scrape]``: the key, the quota, and the way to the service."""

import errno
import functools
import hashlib
import ipaddress
import logging
import os
import urllib.parse
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from ytworker import ConfigError

SECTION = "api_scrape"
ENDPOINT = "https://youtube.googleapis.com/"
NAME = "youtube data api"
LONGEST_KEY = 512
_PORT_OF = {"http": 80, "https": 443}

logger = logging.getLogger(__name__)


class ApiSettings(BaseModel):
    """How the Data API is reached, and how much of it may be used. Nothing here ever comes from a task."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr | None = Field(
        default=None, description="The key of your project, from console.cloud.google.com. Or api_key_file."
    )
    api_key_file: Path | None = Field(
        default=None, description="A file that holds the key and nothing else; read again for each task."
    )
    api_endpoint: str = Field(
        default=ENDPOINT,
        description="Where the service is: an https address, or http on this very machine (for tests).",
    )
    proxy: str | None = Field(
        default=None,
        repr=False,
        description="An HTTP proxy, such as http://host:8080. Unset: none, whatever the environment says.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="A PEM file of certificate authorities to trust in addition to the system's, for a proxy that "
        "opens TLS.",
    )
    timeout_seconds: float = Field(
        default=30.0, gt=0, le=600, description="How long one call may take, from the connection to its last byte."
    )
    units_per_day: int = Field(
        default=10_000, ge=1, le=10**9, description="Units a day for everything but searches and statistics."
    )
    searches_per_day: int = Field(default=100, ge=1, le=10**9, description="Calls of search.list a day.")
    statistics_per_day: int = Field(default=10_000, ge=1, le=10**9, description="Calls of videos.batchGetStats a day.")

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else SecretStr(_plain_key(value.get_secret_value()))

    @field_validator("api_endpoint")
    @classmethod
    def _check_endpoint(cls, value: str) -> str:
        if problem := _endpoint_problem(value):
            raise ValueError(problem)
        return value.rstrip("/") + "/"

    @field_validator("proxy")
    @classmethod
    def _check_proxy(cls, value: str | None) -> str | None:
        if not value:
            return None
        try:
            parts = urllib.parse.urlsplit(value)
            fits = parts.scheme == "http" and parts.hostname and (parts.port or 1)
        except ValueError:
            fits = False
        if not fits:
            msg = "a proxy is written like http://host:8080"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _one_key(self) -> "ApiSettings":
        if self.api_key is not None and self.api_key_file is not None:
            msg = "api_key and api_key_file are both set: leave one of them out"
            raise ValueError(msg)
        return self


def read_key(settings: ApiSettings) -> SecretStr:
    """Give the key.

    Raises:
        ConfigError: There is none, or its file cannot be read. The message never holds what was found.
    """
    if settings.api_key is not None:
        return settings.api_key
    if settings.api_key_file is None:
        msg = "the Data API needs a key, and none is set: make one at console.cloud.google.com (YouTube Data API v3), "
        msg += "then set YTWORKER_PLUGINS__API_SCRAPE__API_KEY, or api_key_file under [plugins.api_scrape]"
        raise ConfigError(msg, source=NAME)
    return SecretStr(_key_in(settings.api_key_file))


def _beginning_of(file: Path) -> bytes:
    if file.is_fifo() or file.is_char_device():
        raise OSError(errno.EINVAL, "it is no regular file")  # a pipe or a terminal might never answer
    with file.open("rb") as stream:
        _warn_of_readers(file, os.fstat(stream.fileno()).st_mode)
        return stream.read(LONGEST_KEY + 2)


def _key_in(file: Path) -> str:
    try:
        return _plain_key(_beginning_of(file.expanduser()).decode("ascii"))
    except (OSError, RuntimeError) as error:  # the latter for the home of nobody
        problem = getattr(error, "strerror", None) or "it cannot be read"
    except ValueError:
        problem = "it holds something else than a key"
    msg = f"plugins.api_scrape.api_key_file: {file}: {problem}. Write the key into it, on one line, and nothing else"
    raise ConfigError(msg, source=NAME)


@functools.cache
def _warn_of_readers(file: Path, mode: int) -> None:
    if os.name == "posix" and mode & 0o077:
        logger.warning("%s: others on this machine may read the key. Run: chmod 600 %s", file, file)


def _plain_key(text: str) -> str:
    key = text.strip()
    if key and len(key) <= LONGEST_KEY and key.isascii() and key.isprintable() and not set(key) & set(" \"'&#"):
        return key
    msg = "this is no API key: it is one word of letters, digits, - and _"
    raise ValueError(msg)


def _endpoint_problem(value: str) -> str | None:
    """Say what is wrong with an address without repeating it."""
    try:
        parts = urllib.parse.urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "not an address: write it like https://youtube.googleapis.com/"
    if not host or parts.query or parts.fragment or "@" in parts.netloc:
        return "an address has a host, and neither a login nor a query: write it like https://youtube.googleapis.com/"
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)):
        return None
    return "the key is sent there: use https (plain http is for this very machine only)"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def identity(settings: ApiSettings, key: SecretStr) -> str:
    """Name the identity that YouTube sees, for pacing, quota and cool-downs; holds no secret.

    ``youtube data api with key 1a2b3c4d``, and ``… at host:port`` for another endpoint. The digits are the first of the
    key's SHA-256, so that all workers with this key share one budget.
    """
    name = f"{NAME} with key {hashlib.sha256(key.get_secret_value().encode()).hexdigest()[:8]}"
    if settings.api_endpoint == ENDPOINT:
        return name
    parts = urllib.parse.urlsplit(settings.api_endpoint)
    return f"{name} at {parts.hostname}:{parts.port or _PORT_OF[parts.scheme]}"
