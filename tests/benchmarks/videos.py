"""What one video in full costs: CPU and requests of ``read_video`` beside yt-dlp's default extraction, in the same run.

    python tests/benchmarks/videos.py [--rounds 5]

Both keep one client and read the same videos by turns, from recorded answers where they are beside the clone and else
from a fake YouTube with three subtitle tracks; the server is another process, so that its CPU does not count.
The bar: at most 0.6 of the CPU and at most 2 requests. Exits with 1 where it is missed. With the fake YouTube only the
requests count: most of what the default spends goes into subtitles, and a genuine video has hundreds of them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yt_dlp

from ytworker.testing import FakePort, make_context
from ytworker_ytdlp import Session, YtdlpSettings, read_video, watch_url
from ytworker_ytdlp.testing import FakeYouTube

BAR, REQUESTS = 0.6, 2
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "youtube-recordings"
RECORDINGS = Path(os.environ.get("YOUTUBE_RECORDINGS") or BESIDE)
_MADE_UP = 8


@contextmanager
def recorded() -> Iterator[tuple[dict[str, Any], list[str], Callable[[], int]]]:
    """Serve the recordings; gives the settings, the videos and a count of requests."""
    scenarios = json.loads((RECORDINGS / "index.json").read_text("utf-8"))["scenarios"]
    ids = [each["expect"]["video"]["id"] for each in scenarios if each["kind"] == "video"]
    command = [sys.executable, str(RECORDINGS / "replay.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        proxy = json.loads(process.stdout.readline())["proxy"]
        try:
            yield {"proxy": proxy, "verify_tls": False}, ids, lambda: len(_ask(f"{proxy}/__replay__/log"))
        finally:
            process.terminate()


@contextmanager
def made_up() -> Iterator[tuple[dict[str, Any], list[str], Callable[[], int]]]:
    """Serve a fake YouTube out of a forked process, which counts its requests in a file."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        log.touch()
        youtube = FakeYouTube(log_file=log)
        ids = [video.id for video in youtube.add_channel("@Bench", videos=_MADE_UP).videos]
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            youtube.start()
            os.write(writer, json.dumps(youtube.settings()).encode())
            time.sleep(3600)
        try:
            settings = json.loads(os.read(reader, 4096))
            yield settings, ids, lambda: len(log.read_text("utf-8").splitlines())
        finally:
            os.kill(child, 15)
            os.waitpid(child, 0)


def _ask(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - a loopback server
        return json.load(answer)


def measure(read: Callable[[str], object], ids: list[str], count: Callable[[], int]) -> tuple[float, float]:
    """Read all videos; gives CPU milliseconds and requests for each."""
    before, start = count(), time.process_time()
    for video_id in ids:
        read(video_id)
    return (time.process_time() - start) * 1000 / len(ids), (count() - before) / len(ids)


def run(rounds: int) -> bool:
    """Measure, print and compare with the bar."""
    source = recorded if (RECORDINGS / "index.json").is_file() else made_up
    with source() as (settings, ids, count):
        options: dict[str, Any] = {"quiet": True, "no_warnings": True, "proxy": settings["proxy"]}
        with yt_dlp.YoutubeDL({**options, "nocheckcertificate": True, "skip_download": True}) as default:
            context = make_context(settings={"ytdlp": YtdlpSettings(**settings)}, port=FakePort())
            session = Session(context)

            def ours(video_id: str) -> object:
                return read_video(session, video_id)

            def theirs(video_id: str) -> object:
                try:
                    return default.extract_info(watch_url(video_id), download=False)
                except yt_dlp.utils.DownloadError:
                    return None  # the ones made for kids, which it cannot read

            for read in (ours, theirs):
                measure(read, ids, count)  # imports, and what is made at the first use
            pairs = [(measure(ours, ids, count), measure(theirs, ids, count)) for _ in range(rounds)]
    return report(pairs, source.__name__, len(ids))


def report(pairs: list[tuple[tuple[float, float], tuple[float, float]]], source: str, videos: int) -> bool:
    """Print one line for each, and whether the bar is met."""
    print(f"{videos} videos, {source}, {len(pairs)} rounds; yt-dlp {yt_dlp.version.__version__}")  # noqa: T201
    medians = [[statistics.median(pair[who][what] for pair in pairs) for what in (0, 1)] for who in (0, 1)]
    for name, (cpu, requests) in zip(("read_video", "yt-dlp's default"), medians, strict=True):
        print(f"{name:18} {cpu:7.1f} ms CPU  {requests:4.2f} requests")  # noqa: T201
    ratio = statistics.median(mine[0] / default[0] for mine, default in pairs)
    met = (ratio <= BAR or source == made_up.__name__) and medians[0][1] <= REQUESTS
    print(f"ratio {ratio:.2f} (bar {BAR}); {'met' if met else 'MISSED'}")  # noqa: T201
    return met


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    sys.exit(0 if run(parser.parse_args().rounds) else 1)
