"""What a ``channel_scrape`` task may say."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ytworker_ytdlp import FEED_LENGTH, ChannelRef, parse_channel

Content = Literal["videos", "shorts", "streams", "all"]
Depth = Literal["list", "full"]
Route = Literal["auto", "tab", "uploads", "feed"]


class ChannelParameters(BaseModel):
    """Which channel, how much of it, and how."""

    model_config = ConfigDict(extra="forbid")

    channel_url: str = Field(
        description="The channel: its address in any form, @handle, a bare handle, or UC… id. "
        "An address that names a tab (/videos, /shorts, /streams) sets content.",
        examples=["https://www.youtube.com/@NASA", "@NASA/shorts", "UCLA_DiR1FfKNvjuUpBHmylQ"],
    )
    top_n: int = Field(default=10, ge=1, le=500, description="How many of the newest to give.", examples=[50])
    content: Content = Field(
        default="all", description="What to list: videos, shorts, streams, or all of them mixed.", examples=["videos"]
    )
    max_age_days: int | None = Field(
        default=None, ge=1, le=36_500, description="Leave out what is older than so many days.", examples=[30]
    )
    depth: Depth = Field(
        default="full",
        description="list: what the list shows (a few requests in all); full: each video's whole record "
        "(two requests more for each).",
        examples=["list"],
    )
    route: Route = Field(
        default="auto",
        description="Where the list comes from: a tab of the channel's page, its uploads lists, its Atom feed "
        f"(the {FEED_LENGTH} newest, with dates), or auto for the cheapest that gives the answer.",
        examples=["uploads"],
    )

    @field_validator("channel_url")
    @classmethod
    def _check_channel(cls, value: str) -> str:
        parse_channel(value)
        return value.strip()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.channel.tab and "content" not in self.model_fields_set:
            self.content = self.channel.tab
        if problems := [*self._tab_conflicts(), *self._route_conflicts()]:
            raise ValueError("; ".join(problems))
        return self

    @property
    def channel(self) -> ChannelRef:
        """The channel, understood."""
        return parse_channel(self.channel_url)

    def _tab_conflicts(self) -> list[str]:
        tab = self.channel.tab
        if tab and tab != self.content:
            return [f"channel_url names the tab {tab} but content is {self.content}: leave one of them out"]
        return []

    def _route_conflicts(self) -> list[str]:
        problems = []
        if self.content == "all" and self.route == "tab":
            problems.append("a tab lists one kind: choose --content videos, shorts or streams, or --route uploads")
        if self.route == "feed" and self.top_n > FEED_LENGTH and self.max_age_days is None:
            problems.append(f"a feed holds {FEED_LENGTH} entries: lower --top-n, or choose --route uploads")
        if self.depth == "list" and self.max_age_days is not None and self.route in {"tab", "uploads"}:
            problems.append("lists carry no dates, so max_age_days needs --depth full or --route feed")
        return problems
