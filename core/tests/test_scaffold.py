"""What ``ytworker plugins new`` writes; that it passes its own suite is shown from wheels, in tests/packaging."""

import tomllib
from pathlib import Path

import pytest

from plugin_helpers import Program
from ytworker.scaffold import name_project, render

pytest_plugins = ["plugin_fixtures"]


def test_a_project_is_written_and_the_next_steps_are_told(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "new one"
    done = program(
        "plugins", "new", "Stars", "--task-type", "star_scrape", "--author", 'A "B"', "--directory", str(folder)
    )
    assert done.code == 0
    written = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert {str(Path(line).relative_to(folder)) for line in done.out.splitlines()} == written
    assert {"src/ytworker_stars/worker.py", ".github/workflows/test.yml", "src/ytworker_stars/py.typed"} <= written
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == "ytworker-stars"
    assert project["authors"] == [{"name": "A 'B'"}]
    assert project["entry-points"]["ytworker.workers"] == {"star_scrape": "ytworker_stars:Worker"}
    assert f"cd '{folder}'" in done.err


def test_nothing_is_overwritten(program: Program, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    done = program("plugins", "new", "stars", "--directory", str(tmp_path / "full"))
    assert (done.code, "--directory" in done.err) == (2, True)
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["file"]
    (tmp_path / "empty").mkdir()
    assert program("plugins", "new", "stars", "--directory", str(tmp_path / "empty")).code == 0


def test_a_folder_that_cannot_be_written_is_named(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = program("plugins", "new", "stars", "--directory", str(tmp_path / "file" / "stars"))
    assert (done.code, done.out) == (1, "")
    assert f"{tmp_path}/file/stars cannot be written: Not a directory. Choose another" in done.err


@pytest.mark.parametrize("name", ["", "../x", "a b", "-x", "x-", "ä", "a" * 61, "x\n", "1x"])
def test_a_name_that_nobody_can_install_is_refused(program: Program, name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        name_project(name)
    assert program("plugins", "new", "--", name).code == 2


@pytest.mark.parametrize("task_type", ["class", "Two", "a b", "1x", "x.y"])
def test_a_task_type_that_is_no_word_is_refused(task_type: str) -> None:
    with pytest.raises(ValueError, match="is no task type"):
        name_project("stars", task_type)


def test_one_name_gives_all_the_others() -> None:
    for name in ("stars", "ytworker-stars", "YTworker_Stars"):
        project = name_project(name)
        assert (project.distribution, project.package, project.task_type) == (
            "ytworker-stars",
            "ytworker_stars",
            "stars",
        )
    assert name_project("night.sky").task_type == "night_sky"


def test_every_word_of_a_template_is_filled_in() -> None:
    for _place, text in render(name_project("stars")):
        assert "$" not in text.replace("$ ", "").replace("${{", "")
