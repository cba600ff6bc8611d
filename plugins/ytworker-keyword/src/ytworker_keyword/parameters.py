"""What a ``keyword_search`` task may say."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

DateFilter = Literal["hour", "day", "week", "month", "year", "all"]
DurationFilter = Literal["short", "medium", "long", "all"]
SortBy = Literal["relevance", "date", "views", "rating"]
RankBy = Literal["position", "views_per_hour", "engagement", "age"]
Depth = Literal["auto", "list", "full"]


class KeywordParameters(BaseModel):
    """What to search for, narrowed to what, and in which order."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(
        min_length=1,
        max_length=200,
        description="The words to search for, taken literally.",
        examples=["rocket launch", "#shorts"],
    )
    top_n: int = Field(
        default=50, ge=1, le=500, description="How many hits to fetch; an order applies to these.", examples=[20]
    )
    date_filter: DateFilter = Field(
        default="all",
        description="When uploaded: within the hour (checked after fetching), day, week, month or year, or all.",
        examples=["week"],
    )
    duration_filter: DurationFilter = Field(
        default="all",
        description="How long: short (under 3 minutes), medium (3 to 20), long (over 20), or all.",
        examples=["medium"],
    )
    sort_by: SortBy = Field(
        default="relevance",
        description="relevance or views by YouTube; date and rating (likes per view) after fetching, since YouTube no "
        "longer sorts by them.",
        examples=["views"],
    )
    rank_by: RankBy = Field(
        default="position",
        description="Order of what was fetched: position (as sorted), views_per_hour, engagement, or age (newest "
        "first). All but position need each video's whole record.",
        examples=["views_per_hour"],
    )
    depth: Depth = Field(
        default="auto",
        description="list: what the results page shows; full: each video's whole record (two requests more for each); "
        "auto: list, unless order or filter need the record.",
        examples=["full"],
    )

    @field_validator("query")
    @classmethod
    def _check_query(cls, value: str) -> str:
        if value.strip():
            return value
        msg = "the query is blank: name at least one word"
        raise ValueError(msg)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.depth == "list" and (needed := self.record_needed_for):
            msg = "{needed} needs each video's whole record, which a results page does not hold: leave --depth out"
            kind = "conflict"
            raise PydanticCustomError(kind, msg, {"needed": needed})
        return self

    @property
    def record_needed_for(self) -> str | None:
        """What cannot be done with the results page alone, as ``name=value``."""
        if self.sort_by in {"date", "rating"}:
            return f"sort_by={self.sort_by}"
        if self.rank_by != "position":
            return f"rank_by={self.rank_by}"
        return "date_filter=hour" if self.date_filter == "hour" else None

    @property
    def full(self) -> bool:
        """Whether each video's whole record is read."""
        return self.depth == "full" or (self.depth == "auto" and self.record_needed_for is not None)

    @property
    def reordered(self) -> bool:
        """Whether the order is ours, so that all hits are fetched before the first is given."""
        return self.sort_by != "relevance" or self.rank_by != "position"
