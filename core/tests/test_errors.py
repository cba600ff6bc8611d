import inspect
import re
from collections.abc import Iterator

import pytest

import ytworker
from ytworker import errors
from ytworker.errors import ParametersError, PluginUnavailableError, TaskError, YtworkerError
from ytworker.model import ErrorClass

CLASSES = [kind for _name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, YtworkerError)]
TASK_ERRORS = [kind for kind in CLASSES if issubclass(kind, TaskError)]


def drawn_tree() -> Iterator[tuple[str, str, str | None]]:
    """Read (name, parent, class) off the tree in the docstring."""
    trail = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"    (?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+Error)\b(?P<rest>.*)", line)
        if match:
            depth = len(match["branch"]) // 4
            trail[depth:] = [match["name"]]
            last = match["rest"].split()[-1:] or [None]
            yield match["name"], trail[depth - 1] if depth else "Exception", last[0]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert {(name, parent) for name, parent, _ in drawn_tree()} == {
        (kind.__name__, kind.__bases__[0].__name__) for kind in CLASSES
    }


def test_the_classes_in_the_docstring_are_the_classes() -> None:
    drawn = {name: error_class for name, _parent, error_class in drawn_tree()}
    told = {kind.__name__: kind.default_class.value for kind in TASK_ERRORS if kind is not TaskError}
    assert {name: drawn[name] for name in told} == told


@pytest.mark.parametrize("kind", TASK_ERRORS)
def test_a_task_error_carries_its_data(kind: type[TaskError]) -> None:
    error = kind("why and what next", retry_after=7.0, source="youtube")
    assert str(error) == "why and what next"
    assert (error.error_class, error.retry_after, error.source) == (kind.default_class, 7.0, "youtube")


def test_a_task_error_may_name_another_class() -> None:
    assert errors.RetryableError("x", error_class=ErrorClass.RESOURCE).error_class is ErrorClass.RESOURCE


def test_only_an_offline_error_is_offline() -> None:
    assert [kind for kind in TASK_ERRORS if kind.offline] == [errors.OfflineError]


def test_a_parameters_error_names_every_problem() -> None:
    error = ParametersError("demo", ["a: wrong", "b: missing"])
    assert error.problems == ("a: wrong", "b: missing")
    assert str(error) == "demo: a: wrong; b: missing"


def test_an_unavailable_plugin_says_its_state_and_why() -> None:
    error = PluginUnavailableError("demo", "broken", "ImportError: no module x")
    assert (error.name, error.state, error.reason) == ("demo", "broken", "ImportError: no module x")
    assert str(error) == "demo is broken: ImportError: no module x"


def test_everything_that_a_plugin_may_raise_or_meet_is_at_the_front_door() -> None:
    inner = {kind.__name__ for kind in CLASSES if issubclass(kind, errors.QueueError)}
    assert {kind.__name__ for kind in CLASSES} - inner <= set(ytworker.__all__)
