"""What the documentation says is there: tests by their names, links, commands and their options."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from ytworker import errors, testing
from ytworker.cli.app import _BUILTIN
from ytworker.errors import TaskError
from ytworker.logs import KEYS, LogEvent
from ytworker.model import ErrorClass
from ytworker.pacing import PACES
from ytworker.scaffold import name_project, render
from ytworker.settings import RetrySettings, Settings
from ytworker.testing.worker_conformance import vars_of
from ytworker_api import REASONS, ApiParameters, ApiSettings
from ytworker_channel import ChannelParameters
from ytworker_keyword import KeywordParameters
from ytworker_trending import TrendingParameters, TrendingSettings
from ytworker_ytdlp import YtdlpSettings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts)]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
SOURCES = [path for folder in ("core", "plugins", "examples", "tests") for path in (ROOT / folder).rglob("*.py")]

TASK_TYPES = {"api_scrape", "channel_scrape", "keyword_search", "star_scrape", "trending_scrape"}
"""Commands of plugins; their options come from the plugin's model."""


SWITCHES = {"--no-plugins", "--strict-plugins", "--trace-hooks"}
"""Global options that stand before a command and take no value."""


@cache
def all_tests() -> frozenset[str]:
    return frozenset(name for path in SOURCES for name in re.findall(r"def (test_\w+)", path.read_text("utf-8")))


def commands(page: Path) -> Iterator[str]:
    """Give the command lines of a page's console blocks."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        yield from re.findall(r"^\$ ytworker (.*)$", block, re.MULTILINE)


def problem_of(line: str) -> str | None:
    """Say what a command line names that is not there."""
    name, *words = line.removesuffix(" &").split()
    while name in SWITCHES:
        name, *words = words
    command: Any = _BUILTIN[name].build(name) if name in _BUILTIN else None
    if command is None:
        return f"no command {name}"
    if words and hasattr(command, "commands"):
        subcommands = command.commands
        if words[0] not in subcommands:
            return None if words[0] in TASK_TYPES else f"no command {name} {words[0]}"
        command = subcommands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    unknown = {word for word in words if word.startswith("--")} - known
    return f"{name}: no option {', '.join(unknown)}" if unknown and not TASK_TYPES & set(words) else None


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", page.read_text("utf-8")))
    assert named <= all_tests(), named - all_tests()


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_and_option_exists(page: Path) -> None:
    assert [f"{line}: {problem}" for line in commands(page) if (problem := problem_of(line))] == []


def test_the_commands_are_looked_at() -> None:
    assert sum(len(list(commands(page))) for page in PAGES) > 30
    assert problem_of("db chek")
    assert problem_of("db check --repare")
    assert problem_of("dead requeue --fingerprint 1f0c --dry-run") is None


def generated() -> ModuleType:
    """Load docs/generate.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings.md", "commands.md", "hooks.md"])
def test_the_pages_that_are_generated_are_up_to_date(name: str) -> None:
    """If this fails, run `python docs/generate.py`."""
    module = generated()
    assert sorted(module.PAGES) == ["commands.md", "hooks.md", "settings.md"]
    assert (ROOT / "docs" / "reference" / name).read_text("utf-8") == module.PAGES[name]()


@pytest.mark.parametrize(
    ("page", "model"),
    [
        ("docs/reference/keyword-search.md", KeywordParameters),
        ("docs/reference/trending-scrape.md", TrendingParameters),
        ("docs/reference/trending-scrape.md", TrendingSettings),
        ("plugins/ytworker-channel/README.md", ChannelParameters),
        ("plugins/ytworker-ytdlp/README.md", YtdlpSettings),
        ("plugins/ytworker-keyword/README.md", KeywordParameters),
        ("plugins/ytworker-trending/README.md", TrendingParameters),
        ("plugins/ytworker-trending/README.md", TrendingSettings),
    ],
)
def test_every_parameter_and_every_choice_is_documented(page: str, model: type[BaseModel]) -> None:
    text = (ROOT / page).read_text("utf-8")
    choices = [str(choice) for field in model.model_fields.values() for choice in get_args(field.annotation)]
    named = [*model.model_fields, *(choice for choice in choices if choice.isidentifier())]
    assert [name for name in named if f"`{name}`" not in text] == []


def fields_of_examples() -> Iterator[tuple[str, str]]:
    """Give the fields of each example's models; they are installed alone, so their source is read."""
    for file in sorted((ROOT / "examples").glob("*/src/**/*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "BaseModel" for base in node.bases):
                fields = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
                yield from ((file.relative_to(ROOT).parts[1], ast.unparse(field)) for field in fields)


def test_every_parameter_and_setting_of_an_example_is_documented() -> None:
    fields = list(fields_of_examples())
    assert {name for name, _field in fields} == {"ytworker-cache", "ytworker-feeds"}
    pages = {name: (ROOT / "examples" / name / "README.md").read_text("utf-8") for name, _field in fields}
    assert [(name, field) for name, field in fields if f"| `{field}` |" not in pages[name]] == []


@pytest.mark.parametrize("name", [*LogEvent, *KEYS])
def test_every_event_and_key_of_the_log_is_documented(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "reference" / "logs.md").read_text("utf-8")


QUOTING = ("docs/tutorial/write-a-plugin.md", "docs/how-to/test-a-plugin.md")


def quotable() -> str:
    """Give the code that the pages quote: the examples', and that of a project that ``plugins new`` writes."""
    project = [text for _place, text in render(name_project("ytworker-stars", "star_scrape"))]
    examples = [file.read_text("utf-8") for file in sorted((ROOT / "examples").rglob("*.py"))]
    return "\n".join(line.strip() for text in (*project, *examples) for line in text.splitlines())


@pytest.mark.parametrize("page", QUOTING)
def test_the_python_of_a_page_stands_in_real_code(page: str) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    flat = ["\n".join(line.strip() for line in block.splitlines()) for block in blocks]
    assert len(flat) >= 3
    assert [block for block in flat if block not in quotable()] == []


def test_every_plugin_of_ours_is_in_the_directory() -> None:
    text = (ROOT / "docs" / "reference" / "plugin-directory.md").read_text("utf-8")
    folders = [
        folder.name for group in ("plugins", "examples") for folder in (ROOT / group).iterdir() if folder.is_dir()
    ]
    assert [name for name in folders if f"`{name}`" not in text] == []


def test_every_page_of_how_to_is_on_the_map() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in IDS[1:] if f"({name})" not in readme and name != "docs/index.md"] == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "durability",
            "orders",
            "aging_seconds",
            "events",
            "keep_completed_days",
            "keep_dead_days",
            "strategy",
            "retry",
        ),
        *(name for name in Settings.model_fields if name.startswith("pace")),
    ],
)
def test_every_setting_of_the_queue_is_explained(name: str) -> None:
    assert name in Settings.model_fields
    assert any(f"`{name}" in page.read_text("utf-8") for page in PAGES)


ERRORS = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")
TESTING = (ROOT / "docs" / "reference" / "testing.md").read_text("utf-8")


@pytest.mark.parametrize("name", [*ErrorClass, *RetrySettings.model_fields])
def test_every_class_and_key_of_a_retry_is_documented(name: str) -> None:
    assert f"| `{name}` |" in ERRORS


def test_every_error_that_a_plugin_may_raise_is_documented() -> None:
    names = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, TaskError)]
    assert [name for name in names if name != "TaskError" and f"`{name}`" not in ERRORS] == []


@pytest.mark.parametrize("name", [*testing.__all__, *vars_of(testing.WorkerConformance)])
def test_everything_for_tests_is_documented(name: str) -> None:
    assert f"`{name}" in TESTING


@pytest.mark.parametrize(
    "name",
    [*ApiParameters.model_fields, *ApiSettings.model_fields, *(name for reason in REASONS for name in reason.names)],
)
def test_every_parameter_setting_and_reason_of_the_data_api_is_documented(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "reference" / "data-api.md").read_text("utf-8")


@pytest.mark.parametrize("word", PACES)
def test_the_numbers_of_a_pace_are_those_that_are_documented(word: str) -> None:
    pace = PACES[word]
    row = f"| `{word}` | {pace.interval:g} | {pace.burst} | {pace.per_hour} | {pace.in_flight} |"
    assert row in (ROOT / "docs" / "explanation" / "budgets.md").read_text("utf-8")
