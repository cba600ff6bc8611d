"""A fake YouTube for tests: made-up answers on loopback, behind which an unmodified yt-dlp runs.

`FakeYouTube` is a forward proxy with certificates of its own. It needs trustme, and nothing else of this package:

    pip install 'ytworker-ytdlp[testing]'

It serves channel tabs, upload lists, search, hubs and charts of trending videos, single videos, captions and Atom
feeds, counts and records the requests, and fails on demand (`FAULTS`). ``python -m ytworker_ytdlp.testing --help`` runs
it as a process.
"""

from __future__ import annotations

from ytworker_ytdlp.testing._faults import FAULTS
from ytworker_ytdlp.testing._records import ChannelFacts, FakeChannel, FakeVideo, Request, SearchQuirks, rounded
from ytworker_ytdlp.testing._server import DEFAULT_NOW, FakeYouTube

__all__ = [
    "DEFAULT_NOW",
    "FAULTS",
    "ChannelFacts",
    "FakeChannel",
    "FakeVideo",
    "FakeYouTube",
    "Request",
    "SearchQuirks",
    "rounded",
]
