"""The settings section ``[plugins.trending_scrape]``."""

import hashlib
import re

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

SECTION = "trending_scrape"
PLAIN_KEY = re.compile(r"[0-9A-Za-z_-]{1,200}")


class TrendingSettings(BaseModel):
    """What trending lists may be asked besides those that need nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr | None = Field(
        default=None,
        description="A key of the YouTube Data API. With it, the API's own chart by country is read too: one unit of "
        "quota for each 50 videos.",
    )
    units_per_day: int = Field(
        default=10_000,
        ge=1,
        le=10**9,
        description="Units a day of the key's quota. It is shared with ytworker-api: give both the same.",
    )

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value else ""
        if not key or PLAIN_KEY.fullmatch(key):
            return SecretStr(key) if key else None
        msg = "this is no API key: it is one word of letters, digits, - and _"
        raise ValueError(msg)


def key_identity(key: str) -> str:
    """Name the identity that the API sees, as ytworker-api does, so that both share one budget; holds no secret."""
    return f"youtube data api with key {hashlib.sha256(key.encode()).hexdigest()[:8]}"
