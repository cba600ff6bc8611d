"""What a task may say, and what the refusals say back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from ytworker_keyword import KeywordParameters, YouTubeKeywordWorker
from ytworker_keyword.hits import filters_of
from ytworker_ytdlp import YtdlpSettings


def test_defaults_survive_the_queue() -> None:
    params = KeywordParameters(query="rocket")
    assert params.model_dump() == {
        "query": "rocket",
        "top_n": 50,
        "date_filter": "all",
        "duration_filter": "all",
        "sort_by": "relevance",
        "rank_by": "position",
        "depth": "auto",
    }
    ranked = KeywordParameters(query=" rocket ", rank_by="age")
    assert KeywordParameters.model_validate(ranked.model_dump(mode="json")) == ranked
    assert ranked.query == " rocket "


def test_every_parameter_is_described_and_has_examples() -> None:
    for field in KeywordParameters.model_fields.values():
        assert field.description
        assert field.examples


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"query": ""}, "at least 1 character"),
        ({"query": " \n\t"}, "the query is blank"),
        ({"query": "x" * 201}, "at most 200 characters"),
        ({"top_n": 0}, "greater than or equal to 1"),
        ({"top_n": 501}, "less than or equal to 500"),
        ({"date_filter": "decade"}, "'hour', 'day', 'week'"),
        ({"duration_filter": "feature"}, "'short', 'medium', 'long'"),
        ({"sort_by": "likes"}, "'relevance', 'date', 'views'"),
        ({"rank_by": "views"}, "'position', 'views_per_hour'"),
        ({"depth": "list", "sort_by": "date"}, "sort_by=date needs .* leave --depth out"),
        ({"depth": "list", "rank_by": "engagement"}, "rank_by=engagement needs"),
        ({"depth": "list", "date_filter": "hour"}, "date_filter=hour needs"),
    ],
)
def test_what_does_not_fit_names_the_cure(values: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        KeywordParameters.model_validate({"query": "rocket", **values})


def test_all_errors_come_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        KeywordParameters.model_validate({"query": "", "top_n": 0, "sort_by": "x", "bogus": 1, "depth": "y"})
    assert caught.value.error_count() == 5


@pytest.mark.parametrize(
    ("values", "full", "reordered"),
    [
        ({}, False, False),
        ({"sort_by": "views"}, False, True),
        ({"sort_by": "date"}, True, True),
        ({"sort_by": "rating"}, True, True),
        ({"rank_by": "age"}, True, True),
        ({"date_filter": "hour"}, True, False),
        ({"date_filter": "day"}, False, False),
        ({"depth": "full"}, True, False),
    ],
)
def test_whole_records_are_read_where_they_are_needed(values: dict[str, Any], *, full: bool, reordered: bool) -> None:
    params = KeywordParameters(query="rocket", **values)
    assert (params.full, params.reordered) == (full, reordered)


@pytest.mark.parametrize(
    ("values", "sp"),
    [
        ({}, "EgIQAfABAQ=="),
        ({"sort_by": "date"}, "EgIQAfABAQ=="),
        ({"sort_by": "rating"}, "EgIQAfABAQ=="),
        ({"sort_by": "views"}, "CAMSAhAB8AEB"),
        ({"date_filter": "week"}, "EgQIAxAB8AEB"),
        ({"duration_filter": "short"}, "EgQQARgE8AEB"),
        ({"sort_by": "views", "date_filter": "year", "duration_filter": "long"}, "CAMSBggFEAEYAvABAQ=="),
    ],
)
def test_what_is_asked_of_youtube(values: dict[str, Any], sp: str) -> None:
    assert filters_of(KeywordParameters(query="rocket", **values)).sp == sp


@pytest.mark.parametrize("query", ["x" * 1_000_000, "\ud800", "half \udfff"])
def test_u10_endless_and_broken_text_is_refused_at_the_door(query: str) -> None:
    with pytest.raises(ValidationError, match="query"):
        KeywordParameters(query=query)


def test_importing_and_describing_imports_no_yt_dlp() -> None:
    code = (
        "import sys, ytworker_keyword as k; w = k.YouTubeKeywordWorker(); w.get_task_type();"
        "w.get_parameters().model_json_schema(); w.get_settings(); w.open(); w.close();"
        "k.KeywordParameters(query='x'); sys.exit('yt_dlp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_hooks() -> None:
    worker = YouTubeKeywordWorker()
    assert worker.get_task_type() == "keyword_search"
    assert worker.get_parameters() is KeywordParameters
    assert worker.get_settings() == {"ytdlp": YtdlpSettings}
    assert worker.clock().tzinfo is not None
