"""Tables on stdout: one line a row, however many rows there are.

Rich lays out a whole table before it writes the first line of it, which takes minutes for some 100,000 rows. Here the
first rows decide how wide the columns are, and the others are written as they come.
"""

import sys
from collections.abc import Iterable, Sequence
from itertools import chain, islice

from ytworker.cli.output import console
from ytworker.redaction import printable

LAID_OUT = 1_000
"""So many rows decide how wide the columns are."""
_GAP = "  "
_NARROWEST = 4
"""Columns that give way keep so many cells."""

Cells = list[str]


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    wide: Sequence[str] = ("TITLE", "SUMMARY", "VALUE", "REASON"),
) -> None:
    """Write a table to stdout, one line a row; the texts in it are never read as markup.

    Whoever reads a pipe gets whole values, also where one is too wide for its column.

    Args:
        columns: The headings.
        rows: The cells.
        right: Columns to set flush right.
        wide: Columns that give way, with an ellipsis, where the terminal is narrow.
    """
    from rich.text import Text  # noqa: PLC0415 - most output needs no tables

    texts = ([printable("" if value is None else value) for value in row] for row in rows)
    first = list(islice(texts, LAID_OUT))
    widths = _widths(columns, first)
    out, cut = console(), sys.stdout.isatty()
    if cut:
        widths = _fitted(widths, [column in wide for column in columns], out.width)
    flush = [column in right for column in columns]
    out.print(Text(_line(columns, widths, flush, cut=cut), style="bold" if cut else ""), soft_wrap=True)
    for cells in chain(first, texts):
        sys.stdout.write(_line(cells, widths, flush, cut=cut) + "\n")


def _widths(columns: Sequence[str], rows: Sequence[Cells]) -> list[int]:
    from rich.cells import cell_len  # noqa: PLC0415

    return [max(map(cell_len, each)) for each in zip(columns, *rows, strict=True)]


def _fitted(widths: Sequence[int], gives_way: Sequence[bool], room: int) -> list[int]:
    """Narrow the widest columns first: of those that give way, and where that is not enough, of all."""
    fitted = list(widths)
    over = sum(fitted) + len(_GAP) * (len(fitted) - 1) - room
    for may, least in (gives_way, _NARROWEST), ([True] * len(fitted), 1):
        while over > 0:
            place = max((each for each in range(len(fitted)) if may[each]), key=fitted.__getitem__, default=None)
            if place is None or fitted[place] <= least:
                break
            fitted[place] -= 1
            over -= 1
    return fitted


def _line(cells: Sequence[str], widths: Sequence[int], flush: Sequence[bool], *, cut: bool) -> str:
    padded = [_padded(*each, cut=cut) for each in zip(cells, widths, flush, strict=True)]
    return _GAP.join(padded).rstrip()


def _padded(cell: str, width: int, right: bool, *, cut: bool) -> str:
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415

    length = cell_len(cell)
    if length > width and cut:
        return set_cell_size(cell, width - 1) + "…"
    blanks = " " * (width - length)
    return blanks + cell if right else cell + blanks
