"""The digest: titles come from outside, so nothing in them is markup."""

from pathlib import Path
from types import SimpleNamespace

from typer.testing import CliRunner

import ytworker
from ytworker_digest import app
from ytworker_digest.command import markdown


def test_items_become_a_list() -> None:
    items = [
        {"id": "1", "title": "One", "url": "https://example.org/1", "metrics": {"views": 12345}},
        {"id": "2", "title": None, "url": None, "metrics": None},
    ]
    assert markdown(items) == "# 2 ideas\n\n* [One](<https://example.org/1>), 12,345 views\n* 2\n"


def test_o2_a_title_is_never_markup() -> None:
    text = markdown([{"id": "1", "title": "[x](javascript:1)\n# `*_<b>|", "url": "javascript:alert(1)"}])
    assert text.splitlines()[2] == "* \\[x\\](javascript:1) \\# \\`\\*\\_\\<b\\>\\|"


def test_an_address_that_would_end_the_link_is_left_out() -> None:
    assert markdown([{"id": "1", "title": "x", "url": "https://e.org/> <b>"}]).splitlines()[2] == "* x"


def test_the_command_is_what_the_entry_point_names() -> None:
    assert [command.callback.__name__ for command in app.registered_commands if command.callback] == ["digest"]


def test_the_command_reads_the_queue_that_the_program_opens(tmp_path: Path) -> None:
    opener = SimpleNamespace(service=lambda: ytworker.open(f"sqlite:///{tmp_path}/queue.db"))
    done = CliRunner().invoke(app, ["--top", "3"], obj=opener)
    assert (done.exit_code, done.stdout) == (0, "# 0 ideas\n\n")
