"""The worker plugin: what it takes, what it gives, and what its errors mean."""

from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field

from ytworker import Context, ErrorClass, Item, PluginBase

TASK_TYPE = "feed_scrape"


def plain_address(text: str) -> str:
    """Take an http or https address without a login in it.

    Raises:
        ValueError: It is none.
    """
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = "is no address of a feed; it starts with https:// or http://"
        raise ValueError(msg)
    if parts.username or parts.password:
        msg = "holds a login; a task is no place for secrets"
        raise ValueError(msg)
    return text


class FeedParameters(BaseModel):
    """What a task may ask for."""

    feed_url: Annotated[str, Field(max_length=2000), AfterValidator(plain_address)] = Field(
        description="The address of the feed.", examples=["https://peps.python.org/peps.rss"]
    )
    top_n: int = Field(default=50, ge=1, le=1000, description="How many entries at the most, the newest first.")


class FeedSettings(BaseModel):
    """The section ``[plugins.feed_scrape]``."""

    timeout_seconds: float = Field(default=15.0, gt=0, le=300, description="How long one request may take.")
    allow_private: bool = Field(default=False, description="Ask private networks and this machine, too.")


class FeedWorker(PluginBase):
    """Reads one feed with one request."""

    def get_task_type(self) -> str:
        """Name the task type; it equals the entry point's name."""
        return TASK_TYPE

    def get_parameters(self) -> type[BaseModel]:
        """Give the model of the parameters."""
        return FeedParameters

    def get_settings(self) -> Mapping[str, type[BaseModel]]:
        """Name the sections of the settings that the plugin reads."""
        return {TASK_TYPE: FeedSettings}

    def scrape(self, params: FeedParameters, context: Context) -> Iterator[Item]:
        """Yield the entries of the feed; a feed without entries is legal, an answer that is no feed is not."""
        from ytworker_feeds.feed import read  # noqa: PLC0415 - feedparser and httpx take their time
        from ytworker_feeds.fetch import fetch  # noqa: PLC0415

        settings = context.settings[TASK_TYPE]
        assert isinstance(settings, FeedSettings)  # noqa: S101 - for the type checker
        source = f"feed {urlsplit(params.feed_url).hostname}"  # each host has a pace and cool-downs of its own
        timeout, private = settings.timeout_seconds, settings.allow_private
        with context.budget(source).request():  # nobody else asks this host until its answer is understood
            body = fetch(params.feed_url, timeout, source=source, allow_private=private)
            items, doubt = read(body, params.feed_url)
        if doubt is not None:
            context.suspect(doubt)  # the items are kept apart, and overwrite no good ones
        wanted = items[: params.top_n]
        for count, item in enumerate(wanted, start=1):
            context.progress(count, len(wanted))  # also the place where a cancelled scrape ends
            yield item

    def classify_error(self, error: BaseException) -> ErrorClass | None:
        """Tell httpx's errors apart; what they leave is the core's."""
        import httpx  # noqa: PLC0415

        if isinstance(error, httpx.HTTPStatusError):
            return _of_status(error.response.status_code)
        return ErrorClass.TRANSIENT if isinstance(error, httpx.TransportError) else None


def _of_status(status: int) -> ErrorClass | None:
    known = {401: ErrorClass.RESTRICTED, 404: ErrorClass.GONE, 410: ErrorClass.GONE}
    return ErrorClass.TRANSIENT if status >= 500 else known.get(status, ErrorClass.INVALID)  # noqa: PLR2004
