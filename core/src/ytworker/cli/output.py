"""What people and programs see: data on stdout, talk on stderr, and nothing from outside that a terminal would obey."""

import json
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ytworker.redaction import printable, redact, without_controls

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ytworker.model import Microseconds

_WIDTH_OF_A_PIPE = 4_000  # whoever reads a pipe wants the whole value
_PROBLEMS_SHOWN = 20

MAX_LIMIT = 2**31
"""What ``--limit`` takes at the most."""


def as_json(value: Any, *, indent: int | None = None) -> str:
    """Write JSON that is readable in every script and safe in every terminal."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return re.sub(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", _escape, text)


def emit(text: str) -> None:
    """Write a line of data to stdout."""
    sys.stdout.write(text + "\n")


def emit_json(value: Any) -> None:
    """Write one JSON document to stdout."""
    emit(as_json(value, indent=2))


def sentence(text: str) -> str:
    """Give a text as the line that stderr may show."""
    return printable(redact(without_controls(text))) + "\n"


def note(text: str) -> None:
    """Tell something on stderr."""
    sys.stderr.write(sentence(text))


def complain(headline: str, *problems: str) -> None:
    """Tell an error on stderr, one problem a line."""
    note(f"error: {headline}")
    for problem in problems[:_PROBLEMS_SHOWN]:
        note(f"  {problem}")
    if len(problems) > _PROBLEMS_SHOWN:
        note(f"  and {len(problems) - _PROBLEMS_SHOWN} more")


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Write names and values to stdout, one pair a line."""
    from rich.table import Table  # noqa: PLC0415

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        if value is not None:
            grid.add_row(_text(name), _text(value))
    console().print(grid)


def in_local_time(moment: "Microseconds") -> str:
    """Write a moment as the clock on the wall shows it."""
    from ytworker.model import to_datetime  # noqa: PLC0415 - brings pydantic

    return to_datetime(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def counted(number: int, noun: str) -> str:
    """Say how many: ``1 task``, ``3 tasks``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def seconds_in_words(seconds: float) -> str:
    """Say a duration the way people do: ``4 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:  # noqa: PLR2004 - below this, seconds say more than minutes
        return f"{seconds:.0f} s"
    if seconds < 5400:  # noqa: PLR2004
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def bytes_in_words(size: int) -> str:
    """Say a size the way file managers do: ``512 bytes``, ``3.4 MB``."""
    if size < 1000:  # noqa: PLR2004 - below this the exact number is short enough
        return counted(size, "byte")
    value = size / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004
            return f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _text(value: object) -> "Text":
    """Make a text that is never read as markup."""
    from rich.text import Text  # noqa: PLC0415

    return Text(printable(value))


def console() -> "Console":
    """Give what writes to stdout: in colours where it is a terminal, and never as markup."""
    from rich.console import Console  # noqa: PLC0415

    width = None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE
    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False, width=width, soft_wrap=False)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
