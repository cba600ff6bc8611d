"""One rule for all who find a video."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ytworker_ytdlp import LONGEST_SHORT, is_short


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ({}, None),
        ({"duration_seconds": LONGEST_SHORT}, None),
        ({"duration_seconds": LONGEST_SHORT + 1}, False),
        ({"listed": True}, True),
        ({"listed": False, "duration_seconds": 30}, False),
        ({"page": True, "duration_seconds": 30}, True),
        ({"page": False}, False),
        ({"page": True, "listed": False}, True),
        ({"page": False, "listed": True}, True),
        ({"listed": True, "live_status": "was_live"}, False),
        ({"live_status": "is_live"}, False),
        ({"live_status": "is_upcoming", "duration_seconds": 20}, None),
        ({"live_status": "not_live", "listed": True}, True),
    ],
)
def test_the_rule(evidence: dict[str, Any], expected: bool | None) -> None:
    assert is_short(**evidence) is expected


def test_the_rule_needs_no_yt_dlp() -> None:
    code = "import sys; from ytworker_ytdlp import is_short; is_short(); sys.exit('yt_dlp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
