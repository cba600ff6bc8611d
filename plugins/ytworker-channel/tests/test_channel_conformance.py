"""The plugin keeps every promise that ytworker's own suite asks of a worker plugin."""

from collections.abc import Mapping
from typing import Any

import pytest

from ytworker import BlockedError, ErrorClass, GoneError, ThrottledError
from ytworker.testing import Sample, WorkerConformance
from ytworker_ytdlp.testing import FakeYouTube


class TestChannelConformance(WorkerConformance):
    task_type = "channel_scrape"
    samples = (
        Sample(params={"channel_url": "@Conformance", "top_n": 8, "content": "videos", "depth": "list"}, name="list"),
        Sample(params={"channel_url": "@Conformance", "top_n": 6, "content": "videos", "depth": "full"}, name="full"),
        Sample(
            params={"channel_url": "@ConformanceSilent", "content": "videos", "depth": "list"},
            empty=True,
            name="silent",
        ),
        Sample(params={"channel_url": "@ConformanceNobody", "depth": "list"}, fails=ErrorClass.GONE, name="nobody"),
    )
    failures = (
        (ThrottledError("slow down", source="youtube"), ErrorClass.THROTTLED),
        (BlockedError("are you a bot?", source="youtube"), ErrorClass.BLOCKED),
        (GoneError("no such channel"), ErrorClass.GONE),
    )
    hosts = ("127.0.0.1",)  # the proxy of the fake YouTube
    secrets = ("ytdlp.proxy",)

    @pytest.fixture
    def plugin_settings(self, youtube: FakeYouTube) -> Mapping[str, Mapping[str, Any]]:
        youtube.add_channel("@Conformance", title="Sample", videos=12)
        youtube.add_channel("@ConformanceSilent", title="Silent", videos=0)
        return {"ytdlp": youtube.settings()}
