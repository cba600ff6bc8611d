"""The processor time that the engine adds to yt-dlp: a channel with and without it, in turn."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from queue_bench.report import Row

from engine_bench.channel import CHANNEL
from engine_bench.ground import environment
from engine_bench.whole import Sizes

FAMILY = "A channel with yt-dlp"
FEW = 10
_HERE = str(Path(__file__).parents[1])


@contextmanager
def fake_youtube(folder: Path, sizes: Sizes) -> Generator[dict[str, str]]:
    """Serve a channel from a process of its own; gives the proxy and the file of its certificates."""
    ca_file = folder / "ca.pem"
    command = [sys.executable, "-m", "ytworker_ytdlp.testing", "--channel", CHANNEL, "--ca-file", str(ca_file)]
    command += ["--heavy", "--videos", str(sizes.videos + FEW)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())
        yield {"proxy": ready["proxy"], "ca_file": ready["ca_file"]}
    finally:
        server.terminate()
        server.wait(60)


def measure(home: Path, folder: Path, sizes: Sizes, site: dict[str, str]) -> list[Row]:
    """Take turns, and compare what many videos cost beyond a few: so the start is excluded."""
    ratios = []
    for _ in range(sizes.rounds):
        costs = {
            how: _cpu(home, folder, site, how, sizes.videos) - _cpu(home, folder, site, how, FEW)
            for how in ("bare", "engine")
        }
        ratios.append(costs["engine"] / costs["bare"])
    value = 100 * (statistics.median(ratios) - 1)
    return [
        Row(
            family=FAMILY,
            subject=f"{sizes.videos} videos, --depth full",
            value=value,
            of_what="% CPU added to the same yt-dlp calls",
            bar="added to yt-dlp",
        )
    ]


def _cpu(home: Path, folder: Path, site: dict[str, str], how: str, count: int) -> float:
    """Give the processor time of a run, its children's included."""
    known = environment(home)
    known["PYTHONPATH"] = _HERE
    with tempfile.TemporaryDirectory(dir=folder) as place:
        command = [sys.executable, "-m", "engine_bench.channel", how, site["proxy"], site["ca_file"], str(count), place]
        process = subprocess.Popen(command, env=known)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime + used.ru_stime
