"""What a task may say, and what the refusals say back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from ytworker_trending import TrendingParameters, TrendingSettings, YouTubeTrendingWorker
from ytworker_trending.countries import COUNTRIES
from ytworker_trending.sources import sources_of
from ytworker_ytdlp import CHART_COUNTRIES, YtdlpSettings


def test_defaults_survive_the_queue() -> None:
    params = TrendingParameters()
    assert params.model_dump() == {"country": "US", "category": "all", "top_n": 50, "depth": "list"}
    assert TrendingParameters.model_validate(params.model_dump(mode="json")) == params


def test_every_parameter_is_described_and_has_examples() -> None:
    for field in TrendingParameters.model_fields.values():
        assert field.description
        assert field.examples


def test_the_charts_have_61_of_the_249_countries() -> None:
    assert len(COUNTRIES) == 249
    assert len(CHART_COUNTRIES) == 61
    assert CHART_COUNTRIES < COUNTRIES


def test_a_country_may_be_written_small() -> None:
    assert TrendingParameters(country=" gb ").country == "GB"


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"country": "UK"}, "did you mean GB"),
        ({"country": "XX"}, "ISO 3166-1"),
        ({"country": "USA"}, "two letters"),
        ({"country": "U&x=1"}, "ISO 3166-1"),
        ({"country": ""}, "ISO 3166-1"),
        ({"category": "news"}, r"keyword_search with --query news .* or channel_scrape"),
        ({"category": "sport"}, "'all', 'music', 'gaming'"),
        ({"top_n": 0}, "greater than or equal to 1"),
        ({"top_n": 201}, "less than or equal to 200"),
        ({"depth": "auto"}, "'list' or 'full'"),
        ({"api_key": "k"}, "Extra inputs are not permitted"),
    ],
)
def test_what_does_not_fit_names_the_cure(values: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        TrendingParameters.model_validate(values)


def test_all_errors_come_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        TrendingParameters.model_validate({"country": "UK", "category": "news", "top_n": 0, "depth": "x", "bogus": 1})
    assert caught.value.error_count() == 5


@pytest.mark.parametrize(
    ("category", "country", "with_key", "expected"),
    [
        ("all", "US", False, ["chart:music", "hub:gaming", "chart:movies", "hub:live", "hub:podcasts"]),
        ("all", "AQ", True, ["hub:gaming", "hub:live", "hub:podcasts", "api:all"]),
        ("music", "US", True, ["chart:music", "api:music"]),
        ("music", "AQ", False, []),
        ("live", "US", True, ["hub:live"]),
        ("gaming", "AQ", False, ["hub:gaming"]),
    ],
)
def test_the_lists_of_a_category(category: Any, country: str, *, with_key: bool, expected: list[str]) -> None:
    found = sources_of(category, country, CHART_COUNTRIES, with_key=with_key)
    assert [source.name for source in found] == expected


def test_a_key_is_one_word_and_is_never_shown() -> None:
    assert TrendingSettings(api_key=" ").api_key is None
    assert "canary" not in repr(TrendingSettings(api_key="canary"))
    with pytest.raises(ValidationError, match="no API key") as caught:
        TrendingSettings(api_key="canary secret\r\nX-Other: 1")
    assert "canary" not in str(caught.value)


def test_importing_and_describing_imports_no_yt_dlp() -> None:
    code = (
        "import sys, ytworker_trending as t; w = t.YouTubeTrendingWorker(); w.get_task_type();"
        "w.get_parameters().model_json_schema(); w.get_settings(); w.open(); w.close();"
        "t.TrendingParameters(); sys.exit('yt_dlp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_hooks() -> None:
    worker = YouTubeTrendingWorker()
    assert worker.get_task_type() == "trending_scrape"
    assert worker.get_parameters() is TrendingParameters
    assert worker.get_settings() == {"trending_scrape": TrendingSettings, "ytdlp": YtdlpSettings}
    assert worker.clock().tzinfo is not None
