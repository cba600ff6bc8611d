"""What a task may say, and what the refusals say back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from ytworker_channel import ChannelParameters, YouTubeChannelWorker
from ytworker_channel.plan import choose_route
from ytworker_ytdlp import YtdlpSettings


def test_defaults() -> None:
    params = ChannelParameters(channel_url="https://www.youtube.com/@NASA")
    assert params.model_dump() == {
        "channel_url": "https://www.youtube.com/@NASA",
        "top_n": 10,
        "content": "all",
        "max_age_days": None,
        "depth": "full",
        "route": "auto",
        "subtitles": [],
    }


def test_every_parameter_is_described_and_has_examples() -> None:
    for field in ChannelParameters.model_fields.values():
        assert field.description
        assert field.examples


def test_a_tab_in_the_address_sets_the_content_and_survives_the_queue() -> None:
    params = ChannelParameters(channel_url="https://www.youtube.com/@NASA/shorts")
    assert params.content == "shorts"
    assert ChannelParameters.model_validate(params.model_dump(mode="json")) == params
    plain = ChannelParameters(channel_url="@NASA", content="streams")
    assert ChannelParameters.model_validate_json(plain.model_dump_json()) == plain


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"channel_url": "https://www.youtube.com/@NASA/videos", "content": "shorts"}, "leave one of them out"),
        ({"channel_url": "https://www.youtube.com/@NASA/videos", "content": "all"}, "leave one of them out"),
        ({"route": "tab"}, "--route uploads"),
        ({"route": "feed", "top_n": 16}, "lower --top-n"),
        ({"depth": "list", "max_age_days": 3, "route": "uploads"}, "--depth full or --route feed"),
        ({"depth": "list", "max_age_days": 3, "route": "tab", "content": "videos"}, "--depth full or --route feed"),
        ({"depth": "list", "subtitles": ["en"]}, "these need --depth full"),
        ({"subtitles": ["english!"]}, "match pattern"),
        ({"subtitles": ["en"] * 11}, "at most 10"),
        ({"top_n": 0}, "greater than or equal to 1"),
        ({"top_n": 501}, "less than or equal to 500"),
        ({"max_age_days": 0}, "greater than or equal to 1"),
        ({"content": "music"}, "'videos', 'shorts', 'streams' or 'all'"),
        ({"channel_url": "https://evil.test/"}, "not YouTube"),
    ],
)
def test_what_does_not_fit_names_the_cure(values: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        ChannelParameters(**{"channel_url": "@NASA", **values})


def test_all_errors_come_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        ChannelParameters(channel_url="-x", top_n=0, content="x", depth="y", bogus=1)  # type: ignore[arg-type,call-arg]
    assert caught.value.error_count() == 5


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"route": "tab", "depth": "list", "max_age_days": 3}, ["choose --content", "lists carry no dates"]),
        ({"top_n": 0, "route": "tab"}, ["greater than or equal to 1", "choose --content"]),
        ({"channel_url": "https://evil.test/", "route": "tab"}, ["not YouTube", "choose --content"]),
        (
            {"channel_url": "-x", "route": "tab", "depth": "list", "max_age_days": 3, "content": "all"},
            ["channel", "choose --content", "lists carry no dates"],
        ),
        ({"channel_url": "@NASA/shorts", "content": "videos", "top_n": 0}, ["greater than", "leave one of them out"]),
        ({"route": "feed", "top_n": "16", "depth": "x"}, ["a feed holds 15", "'list' or 'full'"]),
        ({"route": "feed", "top_n": 16, "max_age_days": 0}, ["greater than or equal to 1"]),
        ({"route": "tab", "content": "x"}, ["'videos', 'shorts', 'streams' or 'all'"]),
        ({"channel_url": "@NASA/shorts", "route": "tab", "top_n": 0}, ["greater than or equal to 1"]),
        ({"top_n": 501, "bogus": 1, "route": "tab"}, ["Extra inputs", "less than or equal", "choose --content"]),
    ],
)
def test_problems_of_one_field_hide_no_conflict_of_others(values: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        ChannelParameters.model_validate({"channel_url": "@NASA", **values})
    assert caught.value.error_count() == len(problems)
    messages = [problem["msg"] for problem in caught.value.errors()]
    for problem in problems:
        assert any(problem in message for message in messages), problem


@pytest.mark.parametrize("value", [5, None, [], "x"])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ChannelParameters.model_validate(value)
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://127.0.0.1:8080/",
        "http://[::ffff:169.254.169.254]/",
        "https://consent.youtube.com/m?continue=http://127.0.0.1/",
        "https://youtube.com@evil.test/",
        "--exec=id",
        ":ythistory",
    ],
)
def test_u1_u2_u3_u4_u5_u7_u9_hostile_targets_are_refused_at_the_door(url: str) -> None:
    with pytest.raises(ValidationError, match="channel_url"):
        ChannelParameters(channel_url=url)


@pytest.mark.parametrize(
    "name",
    [
        "postprocessors",
        "external_downloader",
        "netrc_cmd",
        "plugin_dirs",
        "cookiesfrombrowser",
        "__proto__",
        "proxy",
        "extractor_args",
        "__class__",
        "model_config",
    ],
)
def test_u8_unknown_parameters_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        ChannelParameters.model_validate({"channel_url": "@NASA", name: [{"key": "Exec", "exec_cmd": "id"}]})


@pytest.mark.parametrize(
    ("values", "route"),
    [
        ({}, "uploads"),
        ({"content": "videos"}, "tab"),
        ({"content": "videos", "top_n": 30}, "tab"),
        ({"content": "videos", "top_n": 31}, "uploads"),
        ({"content": "shorts", "top_n": 48}, "tab"),
        ({"content": "shorts", "top_n": 49}, "uploads"),
        ({"content": "streams", "top_n": 30}, "tab"),
        ({"depth": "list", "max_age_days": 3}, "feed"),
        ({"depth": "full", "max_age_days": 3}, "uploads"),
        ({"depth": "full", "max_age_days": 3, "content": "videos"}, "tab"),
        ({"route": "uploads", "content": "videos"}, "uploads"),
        ({"route": "feed"}, "feed"),
        ({"route": "tab", "content": "videos", "top_n": 500}, "tab"),
    ],
)
def test_the_cheapest_route_is_chosen(values: dict[str, Any], route: str) -> None:
    assert choose_route(ChannelParameters(channel_url="@NASA", **values)) == route


def test_importing_and_describing_imports_no_yt_dlp() -> None:
    code = (
        "import sys, ytworker_channel as c; w = c.YouTubeChannelWorker(); w.get_task_type();"
        "w.get_parameters().model_json_schema(); w.get_settings(); w.open(); w.close();"
        "c.ChannelParameters(channel_url='@NASA'); sys.exit('yt_dlp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_hooks() -> None:
    worker = YouTubeChannelWorker()
    assert worker.get_task_type() == "channel_scrape"
    assert worker.get_parameters() is ChannelParameters
    assert worker.get_settings() == {"ytdlp": YtdlpSettings}
    assert worker.clock().tzinfo is not None
