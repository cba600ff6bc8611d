"""The command line. ``--version`` answers before anything heavy is imported."""

import os
import sys
from pathlib import Path
from typing import TextIO

from ytworker._version import __version__

INTERRUPTED = 130
"""What shells call a program that Ctrl-C ended: 128 + SIGINT."""


def main() -> None:
    """Run the program; the console script ``ytworker`` calls this."""
    _mend_streams()
    if sys.argv[1:] == ["--version"]:
        _say_version()
        return
    # pydantic would import the plugins of its own that are installed, and one damaged distribution would stop us.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        from ytworker.cli.app import run  # noqa: PLC0415 - typer alone takes five times as long as Python's start

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _say_version() -> None:
    """Say the version without an import; a reader that is gone or a full disk is an exit code and no traceback."""
    try:
        sys.stdout.write(f"ytworker {__version__}\n")
        sys.stdout.flush()
    except OSError:
        sys.stdout = _mended(None)  # nor may Python try again at its end
        sys.exit(1)


def _mend_streams() -> None:
    """Write into nothing where a stream is closed, read nothing from one, and escape what its encoding cannot say."""
    sys.stdin = sys.stdin or Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - open as long as the program runs
    sys.stdout = _mended(sys.stdout)
    sys.stderr = _mended(sys.stderr)


def _mended(stream: TextIO | None) -> TextIO:
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return stream
