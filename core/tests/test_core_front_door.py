import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ytworker


def test_all_is_sorted_and_all_of_it_is_there() -> None:
    assert sorted(ytworker.__all__) == ytworker.__all__
    assert dir(ytworker) == ytworker.__all__
    for name in ytworker.__all__:
        assert getattr(ytworker, name) is not None


def test_what_type_checkers_see_is_what_there_is() -> None:
    tree = ast.parse(Path(ytworker.__file__ or "").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: node.module.removeprefix("ytworker.")
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert seen == ytworker._HOMES
    assert {*seen, "__version__"} == set(ytworker.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Cheese'"):
        _ = ytworker.Cheese  # type: ignore[attr-defined]


def test_the_door_imports_nothing_before_it_is_used() -> None:
    code = (
        "import sys, ytworker\n"
        "heavy = {'pydantic', 'pluggy', 'typer', 'rich', 'ytworker.model', 'ytworker.service'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "ytworker.hookimpl\n"
        "assert not {'typer', 'rich', 'pydantic_settings'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_error_is_exported_but_those_of_the_queue() -> None:
    from ytworker import errors

    trees = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    queue = {name for name in trees if issubclass(getattr(errors, name), errors.QueueError)}
    assert trees - queue <= set(ytworker.__all__)


@pytest.mark.parametrize("module", ["ytworker.service", "ytworker.cli.run", "ytworker.cli.scrape", "ytworker.testing"])
def test_nothing_on_the_way_to_an_inline_worker_is_only_for_unix(module: str) -> None:
    """On Windows there are no children; the rest works there, with a queue on a server."""
    missing = ("resource", "fcntl", "pwd", "grp", "termios")
    code = f"import sys\nsys.modules.update(dict.fromkeys({missing!r}))\nimport {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
