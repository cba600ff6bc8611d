"""What people and programs see: data on stdout, talk on stderr, and nothing from outside that a terminal would obey."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# C0 and C1 controls, and the marks that reorder what follows them.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_WIDTH_OF_A_PIPE = 160


def printable(text: object) -> str:
    """Give a text without anything that a terminal would obey; line breaks and tabs become blanks."""
    return _UNSAFE.sub("", re.sub(r"[\n\t]+", " ", str(text)))


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


def note(text: str) -> None:
    """Tell something on stderr."""
    sys.stderr.write(printable(text) + "\n")


def complain(headline: str, *problems: str) -> None:
    """Tell an error on stderr, one problem a line."""
    note(f"error: {headline}")
    for problem in problems:
        note(f"  {problem}")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Write a table to stdout; the texts in it are never read as markup."""
    console = _console()
    table = Table(box=None, pad_edge=False, header_style="bold" if console.is_terminal else "")
    for column in columns:
        wide = column in {"TITLE", "SUMMARY", "ERROR", "VALUE", "REASON"}
        table.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=not wide or column == "TITLE",
            overflow="ellipsis" if column == "TITLE" else "fold",
        )
    for row in rows:
        table.add_row(*(Text("" if cell is None else printable(cell)) for cell in row))
    console.print(table)


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Write names and values to stdout, one pair a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        if value is not None:
            grid.add_row(Text(name), Text(printable(value)))
    _console().print(grid)


def seconds_in_words(seconds: float) -> str:
    """Say a duration the way people do: ``4 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:  # noqa: PLR2004 - below this, seconds say more than minutes
        return f"{seconds:.0f} s"
    if seconds < 5400:  # noqa: PLR2004
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _console() -> Console:
    width = None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE
    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False, width=width, soft_wrap=False)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
