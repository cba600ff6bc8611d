"""What a ``trending_scrape`` task may say."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ytworker_trending.countries import check_country
from ytworker_trending.sources import NEWS, Category

Depth = Literal["list", "full"]


class TrendingParameters(BaseModel):
    """What is trending, where, and how much of it."""

    model_config = ConfigDict(extra="forbid")

    country: str = Field(
        default="US",
        description="Country, two letters of ISO 3166-1. The charts (music, movies) and the Data API heed it; the hubs "
        "(gaming, live, podcasts) follow the address that asks.",
        examples=["GB", "JP"],
    )
    category: Category = Field(
        default="all",
        description="music, gaming, movies, live or podcasts; all merges them. (news has no source and is refused.)",
        examples=["music"],
    )
    top_n: int = Field(default=50, ge=1, le=200, description="How many videos to give.", examples=[20])
    depth: Depth = Field(
        default="list",
        description="list: what the lists show (a few requests in all); full: each video's whole record (two requests "
        "more for each).",
        examples=["full"],
    )

    @field_validator("country")
    @classmethod
    def _check_country(cls, value: str) -> str:
        return check_country(value)

    @field_validator("category")
    @classmethod
    def _check_category(cls, value: Category) -> Category:
        if value == "news":
            raise ValueError(NEWS)
        return value
