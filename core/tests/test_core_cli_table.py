"""Tables: the first rows are laid out, the others are written as they come."""

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest

from ytworker.cli.table import LAID_OUT, show_table


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[io.StringIO, Terminal], ids=["a pipe", "a terminal"])
def stdout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv("COLUMNS", "40")
    stream: io.StringIO = request.param()
    return stream


def shown(stdout: io.StringIO, *arguments: Any, **options: Any) -> list[str]:
    with redirect_stdout(stdout):
        show_table(*arguments, **options)
    return re.sub(r"\x1b\[[0-9;]*m", "", stdout.getvalue()).splitlines()


def test_columns_stand_under_their_headings(stdout: io.StringIO) -> None:
    rows = [(1, "a", 5), (20, "日本", None), (3, "[b]x[/b]", 1234)]
    assert shown(stdout, ("ID", "NAME", "COUNT"), rows, right=("ID", "COUNT")) == [
        "ID  NAME      COUNT",
        " 1  a             5",
        "20  日本",
        " 3  [b]x[/b]   1234",
    ]


def test_a_column_gives_way_in_a_terminal_only(stdout: io.StringIO) -> None:
    rows = [(1, "x" * 60, "queued"), (2, "日" * 30, "dead")]
    _, first, second = shown(stdout, ("ID", "WHY", "STATE"), rows, wide=("WHY",))
    if isinstance(stdout, Terminal):
        assert first == "1   " + "x" * 27 + "…  queued"
        assert second == "2   " + "日" * 13 + " …  dead"
    else:
        assert (first, second) == ("1   " + "x" * 60 + "  queued", "2   " + "日" * 30 + "  dead")


def test_where_nothing_may_give_way_everything_does(stdout: io.StringIO) -> None:
    told = shown(stdout, ("A", "B"), [("a" * 50, "b" * 50)], wide=())
    assert all(len(line) <= 40 for line in told) is isinstance(stdout, Terminal)


def test_rows_are_written_as_they_come(stdout: io.StringIO) -> None:
    written: list[int] = []

    def rows() -> Iterator[tuple[int]]:
        for number in range(3 * LAID_OUT):
            written.append(stdout.getvalue().count("\n"))
            yield (number,)

    assert len(shown(stdout, ("ID",), rows(), right=("ID",))) == 3 * LAID_OUT + 1
    assert written[LAID_OUT - 1] == 0
    assert written[-1] == 3 * LAID_OUT  # the heading, and every row but this one


def test_a_later_row_that_is_wider_is_whole_in_a_pipe(stdout: io.StringIO) -> None:
    told = shown(stdout, ("NAME", "N"), [*[("x", 1)] * LAID_OUT, ("y" * 9, 2)])
    assert told[-1] == ("yyy…  2" if isinstance(stdout, Terminal) else "yyyyyyyyy  2")


def test_an_empty_table_is_its_headings(stdout: io.StringIO) -> None:
    assert shown(stdout, ("A", "B"), []) == ["A  B"]
