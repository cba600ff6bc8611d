"""Run a fake YouTube as a process of its own."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import threading
from typing import TYPE_CHECKING

from ytworker_ytdlp.testing import FAULTS, FakeYouTube

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; print one line of JSON once clients can connect."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with FakeYouTube(port=options.port, log_file=options.log, heavy=options.heavy) as youtube:
        for handle in options.channel:
            youtube.add_channel(handle, videos=options.videos, shorts=options.shorts, streams=options.streams)
        for name, match, times in options.fault:
            youtube.fault(name, match, times=times)
        if options.ca_file:
            shutil.copyfile(youtube.ca_file, options.ca_file)
        ready = {"proxy": youtube.proxy_url, "port": youtube.port, "ca_file": options.ca_file or youtube.ca_file}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ytworker_ytdlp.testing", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--ca-file", help="where to put the certificate that clients have to trust")
    parser.add_argument("--channel", action="append", default=[], metavar="@HANDLE", help="may be repeated")
    parser.add_argument("--videos", type=int, default=40, help="for each channel (default: %(default)s)")
    parser.add_argument("--shorts", type=int, default=0, help="for each channel (default: %(default)s)")
    parser.add_argument("--streams", type=int, default=0, help="for each channel (default: %(default)s)")
    parser.add_argument("--heavy", action="store_true", help="make the answers about videos as large as genuine ones")
    parser.add_argument("--log", metavar="FILE", help="append one line of JSON for each request")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_fault,
        metavar="NAME[:TIMES[:REGEX]]",
        help=f"may be repeated; TIMES -1 is for ever; known: {', '.join(FAULTS)}",
    )
    return parser


def _fault(spec: str) -> tuple[str, str | None, int]:
    name, times, match = (*spec.split(":", 2), "", "")[:3]
    if name not in FAULTS:
        msg = f"there is no fault {name!r}; known are {', '.join(FAULTS)}"
        raise argparse.ArgumentTypeError(msg)
    return name, match or None, int(times or 1)


if __name__ == "__main__":
    sys.exit(main())
