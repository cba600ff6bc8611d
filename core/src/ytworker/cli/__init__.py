"""The command line. ``--version`` answers before anything heavy is imported."""

import sys

from ytworker._version import __version__


def main() -> None:
    """Run the program; the console script ``ytworker`` calls this."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"ytworker {__version__}\n")
        return
    from ytworker.cli.app import run  # noqa: PLC0415 - typer alone takes five times as long as Python's start

    run()
