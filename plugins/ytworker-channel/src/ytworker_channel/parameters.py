"""What a ``channel_scrape`` task may say."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from ytworker_ytdlp import FEED_LENGTH, ChannelRef, parse_channel

Content = Literal["videos", "shorts", "streams", "all"]
Depth = Literal["list", "full"]
Route = Literal["auto", "tab", "uploads", "feed"]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}$")]


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

    subtitles: list[Language] = Field(
        default_factory=list,
        max_length=10,
        description="Languages whose subtitles become the item's text, the most wanted first; those that a person "
        "wrote before automatic ones (one request more for each video that has any).",
        examples=[["en", "de"]],
    )

    @field_validator("channel_url")
    @classmethod
    def _check_channel(cls, value: str) -> str:
        parse_channel(value)
        return value.strip()

    @model_validator(mode="wrap")
    @classmethod
    def _fit_together(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Refuse what does not fit together, along with what is wrong with single fields."""
        try:
            made = handler(data)
        except ValidationError as error:
            besides = _conflicts(cls._sound(data, error)) if isinstance(data, Mapping) else ()
            raise _extended(error, besides) from None
        if made.channel.tab and "content" not in made.model_fields_set:
            made.content = made.channel.tab
        if problems := [*_conflicts({name: getattr(made, name) for name in cls.model_fields})]:
            raise ValidationError.from_exception_data(cls.__name__, [_conflict(problem) for problem in problems])
        return made

    @classmethod
    def _sound(cls, data: Mapping[str, Any], error: ValidationError) -> dict[str, Any]:
        """Give the values, defaults included, of the fields that the error does not name."""
        wrong = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
        values = {
            name: data.get(name, field.get_default(call_default_factory=True))
            for name, field in cls.model_fields.items()
            if name not in wrong
        }
        if "content" not in data and (tab := _tab(values)):
            values["content"] = tab
        return values

    @property
    def channel(self) -> ChannelRef:
        """The channel, understood."""
        return parse_channel(self.channel_url)


def _conflicts(values: Mapping[str, Any]) -> Iterator[str]:
    """Say what does not fit together; a field that is not among the values takes part in nothing."""
    tab, content, route = _tab(values), values.get("content"), values.get("route")
    if tab and content and tab != content:
        yield f"channel_url names the tab {tab} but content is {content}: leave one of them out"
    if content == "all" and route == "tab":
        yield "a tab lists one kind: choose --content videos, shorts or streams, or --route uploads"
    if route == "feed" and float(values.get("top_n", 0)) > FEED_LENGTH and values.get("max_age_days", 0) is None:
        yield f"a feed holds {FEED_LENGTH} entries: lower --top-n, or choose --route uploads"
    if values.get("depth") == "list" and values.get("max_age_days") is not None and route in {"tab", "uploads"}:
        yield "lists carry no dates, so max_age_days needs --depth full or --route feed"
    if values.get("depth") == "list" and values.get("subtitles"):
        yield "lists carry no subtitles, so these need --depth full"


def _tab(values: Mapping[str, Any]) -> str | None:
    return parse_channel(values["channel_url"]).tab if "channel_url" in values else None


def _conflict(problem: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("conflict", "{problem}", {"problem": problem}), input=None)


def _extended(error: ValidationError, problems: Iterable[str]) -> ValidationError:
    """Make one error of what was wrong already and of what does not fit together besides."""
    known = [
        InitErrorDetails(type=each["type"], loc=each["loc"], input=each["input"], ctx=each.get("ctx", {}))
        for each in error.errors()
    ]
    return ValidationError.from_exception_data(error.title, [*known, *map(_conflict, problems)])
