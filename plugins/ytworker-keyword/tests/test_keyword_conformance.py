"""The plugin keeps every promise that ytworker's own suite asks of a worker plugin."""

from collections.abc import Mapping
from typing import Any

import pytest

from ytworker import BlockedError, ErrorClass, SuspectError, ThrottledError
from ytworker.testing import Sample, WorkerConformance
from ytworker_ytdlp.testing import FakeYouTube


class TestKeywordConformance(WorkerConformance):
    task_type = "keyword_search"
    samples = (
        Sample(params={"query": "Conformance", "top_n": 8}, name="list"),
        Sample(params={"query": "Conformance", "top_n": 6, "rank_by": "views_per_hour"}, name="ranked"),
        Sample(params={"query": "zzzz nothing like it"}, empty=True, name="nothing"),
    )
    failures = (
        (ThrottledError("slow down", source="youtube"), ErrorClass.THROTTLED),
        (BlockedError("are you a bot?", source="youtube"), ErrorClass.BLOCKED),
        (SuspectError("no hit can be read"), ErrorClass.SUSPECT),
    )
    hosts = ("127.0.0.1",)  # the proxy of the fake YouTube
    secrets = ("ytdlp.proxy",)

    @pytest.fixture
    def plugin_settings(self, youtube: FakeYouTube) -> Mapping[str, Mapping[str, Any]]:
        youtube.add_channel("@Conformance", title="Conformance", videos=12)
        return {"ytdlp": youtube.settings()}
