"""What an ``api_scrape`` task may say."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from ytworker_api.ids import CHANNEL_ID, VIDEO_ID, parse_channel
from ytworker_api.regions import check_region

Resource = Literal["videos", "channel", "search", "chart"]
Part = Literal[
    "snippet",
    "contentDetails",
    "statistics",
    "status",
    "liveStreamingDetails",
    "topicDetails",
    "recordingDetails",
    "paidProductPlacementDetails",
    "localizations",
]
Order = Literal["relevance", "date", "rating", "title", "viewCount"]
Duration = Literal["any", "short", "medium", "long"]
Event = Literal["live", "upcoming", "completed"]

DEFAULT_PARTS: tuple[Part, ...] = (
    "snippet",
    "contentDetails",
    "statistics",
    "status",
    "liveStreamingDetails",
    "topicDetails",
)
STATISTICS_PARTS: frozenset[Part] = frozenset({"statistics", "contentDetails"})
CATEGORIES = {"film": "1", "movies": "1", "music": "10", "gaming": "20", "news": "25"}
DEFAULT_TOP_N = 50
DEFAULT_REGION = "US"
LONGEST = {"channel": 20_000, "search": 500, "chart": 200}
"""Of uploads lists YouTube gives the newest 20,000, of a search 500, of a chart 200."""

_RESOURCES: Mapping[str, tuple[Resource, ...]] = {
    "ids": ("videos",),
    "channel": ("channel", "search"),
    "top_n": ("channel", "search", "chart"),
    "query": ("search",),
    "order": ("search",),
    "published_after": ("search",),
    "published_before": ("search",),
    "duration": ("search",),
    "event": ("search",),
    "language": ("search",),
    "region": ("search", "chart"),
    "category": ("search", "chart"),
}
"""Which resource each parameter is for; the others are for all."""

_NEEDED: Mapping[str, tuple[str, ...]] = {"videos": ("ids",), "channel": ("channel",), "search": ("query", "channel")}


def _split(value: Any) -> Any:
    """Let a list be written as one text, with commas or blanks between; a list of such texts is one list."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        return value
    return [part for text in texts for part in (re.split(r"[\s,]+", text.strip()) if isinstance(text, str) else [text])]


def _moment(value: Any) -> Any:
    """Take a bare date for its midnight in UTC."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip()):
        try:
            return datetime.combine(date.fromisoformat(value.strip()), time(), UTC)
        except ValueError:
            return value
    return value


def _category(value: str) -> str:
    name = value.strip().lower()
    if name in CATEGORIES or re.fullmatch(r"[1-9]\d{0,2}", name):
        return name
    msg = f"no such category: write {', '.join(CATEGORIES)}, or the number of one"
    raise ValueError(msg)


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]


class ApiParameters(BaseModel):
    """What to ask the Data API for, and how much of it. The key stands in the settings, never here."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"resource": "videos", "ids": ["dQw4w9WgXcQ", "-2IlD-x8wvY"], "parts": ["statistics"]},
                {"resource": "channel", "channel": "@NASA", "top_n": 200},
                {"resource": "search", "query": "deep sea", "order": "date", "published_after": "2026-11-01"},
                {"resource": "chart", "region": "GB", "category": "music"},
            ]
        },
    )

    resource: Resource = Field(
        description="What to ask for: videos (by ids), channel (its uploads), search, or chart (most popular).",
    )
    ids: Annotated[list[str], BeforeValidator(_split)] | None = Field(
        default=None,
        min_length=1,
        max_length=20_000,
        description="For videos: their ids, 11 characters each, repeated or with commas between. 50 cost one unit.",
    )
    channel: Annotated[str, AfterValidator(parse_channel)] | None = Field(
        default=None,
        description="For channel: its UC… id, @handle (one unit more) or address. For search: only in this channel, "
        "by its UC… id.",
    )
    top_n: int | None = Field(
        default=None,
        ge=1,
        le=20_000,
        description=f"How many to give, in the order of YouTube: {DEFAULT_TOP_N} unless told otherwise. At "
        "most 20000 of a channel, 500 of a search, 200 of a chart. What stands twice is given once.",
    )
    parts: Annotated[list[Part], BeforeValidator(_split)] = Field(
        default_factory=lambda: list(DEFAULT_PARTS),
        min_length=1,
        description=f"Which parts of each video: {', '.join(DEFAULT_PARTS)} unless told otherwise; besides there are "
        f"{', '.join(part for part in get_args(Part) if part not in DEFAULT_PARTS)}. They cost the same, but videos "
        "with statistics and contentDetails alone are paid from a quota of their own.",
    )
    query: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="For search: the words. | is or, - is not.",
    )
    order: Order = Field(
        default="relevance",
        description="For search: relevance, date (newest first), rating, title or viewCount.",
    )
    published_after: Moment | None = Field(
        default=None,
        description="For search: nothing older; a date (midnight in UTC) or a time with its zone.",
    )
    published_before: Moment | None = Field(
        default=None, description="For search: nothing as young as this or younger."
    )
    duration: Duration = Field(
        default="any",
        description="For search: short (under 4 minutes), medium (4 to 20), long (over 20) or any.",
    )
    event: Event | None = Field(
        default=None, description="For search: only streams that are live, upcoming or completed."
    )
    language: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$",
        description="For search: the language most relevant, as ISO 639-1 (also zh-Hans, zh-Hant).",
    )
    region: Annotated[str, AfterValidator(check_region)] | None = Field(
        default=None,
        description=f"For chart (else {DEFAULT_REGION}) and search (else where you are): the country, as ISO 3166-1.",
    )
    category: Annotated[str, AfterValidator(_category)] | None = Field(
        default=None,
        description=f"For chart and search: {', '.join(CATEGORIES)}, or a category's number. Charts are kept of music, "
        "movies and gaming only.",
    )

    @field_validator("ids")
    @classmethod
    def _check_ids(cls, value: list[str] | None) -> list[str] | None:
        wrong = [each for each in value or () if not VIDEO_ID.fullmatch(each)]
        if wrong:
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            msg = f"{wrong[0][:40]!r}{more}: a video id is 11 letters, digits, - or _"
            raise ValueError(msg)
        return None if value is None else list(dict.fromkeys(value))

    @field_validator("parts")
    @classmethod
    def _once(cls, value: list[Part]) -> list[Part]:
        return list(dict.fromkeys(value))

    @field_validator("query")
    @classmethod
    def _check_query(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.strip() or not value.isprintable():
            msg = "a query is one line of words, without control characters"
            raise ValueError(msg)
        return value.strip()

    @model_validator(mode="wrap")
    @classmethod
    def _fit_together(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Refuse what does not fit together, along with what is wrong with single fields."""
        problems = list(_conflicts(data)) if isinstance(data, Mapping) else []
        known: list[InitErrorDetails] = []
        made: Self | None = None
        try:
            made = handler(data)
        except ValidationError as error:
            known = [
                InitErrorDetails(type=each["type"], loc=each["loc"], input=each["input"], ctx=each.get("ctx", {}))
                for each in error.errors()
            ]
        if made is not None and not made.is_window():
            problems.append("published_after must be earlier than published_before")
        if made is None or problems:
            raise ValidationError.from_exception_data(cls.__name__, [*known, *map(_conflict, problems)]) from None
        return made

    def is_window(self) -> bool:
        """Tell whether there is time between the two ends."""
        after, before = self.published_after, self.published_before
        return after is None or before is None or after < before

    @property
    def count(self) -> int:
        """How many items to give at the most."""
        return len(self.ids or ()) if self.resource == "videos" else self.top_n or DEFAULT_TOP_N

    @property
    def category_id(self) -> str | None:
        """The number of the category."""
        return None if self.category is None else CATEGORIES.get(self.category, self.category)

    @property
    def statistics_only(self) -> bool:
        """Whether the quota of the statistics pays for these videos."""
        return self.resource == "videos" and STATISTICS_PARTS.issuperset(self.parts)


def _conflicts(data: Mapping[str, Any]) -> Iterator[str]:
    """Say what does not fit to the resource."""
    resource = str(data.get("resource"))
    if resource not in get_args(Resource):
        return
    given = {name for name, value in data.items() if value is not None}
    for name in sorted(given & _RESOURCES.keys()):
        if resource not in _RESOURCES[name]:
            yield f"{name} is for {' and '.join(_RESOURCES[name])}: leave it out, or choose another resource"
    needed = _NEEDED.get(resource, ())
    if needed and not given.intersection(needed):
        yield f"{resource} needs {' or '.join(needed)}"
    most, top_n = LONGEST.get(resource), data.get("top_n")
    if most is not None and isinstance(top_n, int | str) and str(top_n).isdecimal() and int(top_n) > most:
        yield f"YouTube gives at most {most} of a {resource}: lower top_n"
    channel = data.get("channel")
    if resource == "search" and isinstance(channel, str) and not CHANNEL_ID.search(channel):
        yield "a search takes a channel by its UC… id only"


def _conflict(problem: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("conflict", "{problem}", {"problem": problem}), input=None)
