"""Writes the reference pages of settings, commands and hooks from the program itself.

``python docs/generate.py`` writes them, ``tests/test_docs.py`` fails when they are out of date.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from ytworker import hookspecs
from ytworker.cli import app as program
from ytworker.cli.model_options import build_command
from ytworker.cli.task_types import TaskTypeGroup
from ytworker.settings import Settings
from ytworker.settings_sections import variable
from ytworker_api import ApiSettings
from ytworker_trending import TrendingSettings
from ytworker_ytdlp import YtdlpSettings

SECTIONS: dict[str, type[BaseModel]] = {
    "ytdlp": YtdlpSettings,
    "api_scrape": ApiSettings,
    "trending_scrape": TrendingSettings,
}
"""The sections of our own plugins; those who scrape YouTube share ``ytdlp``."""

REFERENCE = Path(__file__).parent / "reference"
MADE = "<!-- made by docs/generate.py; change the source and run it again -->\n"


def settings() -> str:
    """Write every setting: its name, its variable, its default and its meaning."""
    lines = [
        MADE,
        "# Settings\n",
        "Each setting is a key of the TOML file in the user's config folder (`ytworker config path` tells where), a",
        "variable, and for some a global option. Options win over variables, variables over the file, the file over",
        "defaults.",
        "`ytworker config show` tells each value and where it came from. The variable of a setting is its name in",
        f"capitals behind `YTWORKER_`, such as `{variable('lease_seconds')}`.\n",
        *_table(Settings, queue="in the user's data folder"),
        "\n## Sections of plugins\n",
        "A plugin reads sections of its own, `[plugins.NAME]`; their variables are `YTWORKER_PLUGINS__NAME__KEY`. A",
        "secret may [stand elsewhere](../how-to/keep-secrets.md). `ytworker plugins show` names the sections that a",
        "plugin reads.",
    ]
    for name, model in SECTIONS.items():
        lines += [
            f"\n### `[plugins.{name}]`\n",
            f"Such as `{variable('plugins', name, next(iter(model.model_fields)))}`.\n",
        ]
        lines += _table(model)
    return "\n".join(lines) + "\n"


def _table(model: type[BaseModel], **defaults: str) -> Iterator[str]:
    yield from ("| setting | default | meaning |", "|---|---|---|")
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {defaults.get(name) or _default(field)} | {_cell(field.description)} |"


def commands() -> str:
    """Write the help of the program and of every built-in command."""
    root = typer.main.get_command(program.app)
    parts = [MADE, "# Commands\n", "Plugins may bring more; `ytworker --help` lists all that are there.\n"]
    parts += _help("ytworker", root)
    for name, entry in program._BUILTIN.items():  # noqa: SLF001 - the table of the commands
        parts += _tree(f"ytworker {name}", entry.build(name))
    return "\n".join(parts)


def hooks() -> str:
    """Write every hook with its exact signature and its prose."""
    parts = [MADE, "# Hooks\n", _prose(hookspecs)]
    for name in hookspecs.HOOKS:
        hook = getattr(hookspecs.HookSpecs, name)
        first = (
            "The first answer that is not None counts." if hook.ytworker_spec["firstresult"] else "All answers count."
        )
        parts += [f"## {name}\n", f"```python\n{_signature(hook)}\n```\n", f"{first}\n", _prose(hook)]
    return "\n".join(parts)


PAGES = {"settings.md": settings, "commands.md": commands, "hooks.md": hooks}


def _default(field: Any) -> str:
    value = field.default if field.default is not PydanticUndefined else field.default_factory()
    if isinstance(value, tuple | list):
        value = ", ".join(map(str, value))
    return "none" if value in ({}, None, "") else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _tree(path: str, command: Any) -> Iterator[str]:
    yield from _help(path, command)
    if isinstance(command, TaskTypeGroup):
        words = "The same for every type. A plugin's own parameters are options beside these, in place of `--param`."
        yield from _help(f"{path} TYPE", build_command("TYPE", words, None, type(command).own))
    for name, each in getattr(command, "commands", {}).items():
        yield from _help(f"{path} {name}", each)


def _help(path: str, command: Any) -> Iterator[str]:
    context = command.make_context(path, [], resilient_parsing=True)
    yield f"## {path}\n" if path.count(" ") < 2 else f"### {path}\n"  # noqa: PLR2004 - a command, or one below it
    options = [_option(parameter, context) for parameter in command.params if not getattr(parameter, "hidden", False)]
    yield f"{_cell((command.help or '').partition(chr(12))[0])}\n"
    if options:
        yield "| option | meaning |\n|---|---|\n" + "\n".join(options) + "\n"


def _option(parameter: Any, context: Any) -> str:
    record = parameter.get_help_record(context)
    if record is None:
        return f"| `{parameter.make_metavar(context)}` | {_cell(getattr(parameter, 'help', ''))} |"
    name, meaning = record
    return f"| `{_cell(name)}` | {_cell(meaning)} |"


def _signature(hook: Any) -> str:
    """Give a hook's first line as it stands in the source, without ``self``."""
    line = next(line for line in inspect.getsource(hook).splitlines() if line.lstrip().startswith("def "))
    return f"{line.strip().partition('  #')[0]} ...".replace("(self, ", "(").replace("(self)", "()")


def _prose(documented: Any) -> str:
    """Write a docstring as Markdown."""
    text = inspect.getdoc(documented) or ""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))
    text = re.sub(r"^(Args|Returns|Raises):\n((?: {4}.*\n?)+)", _section, text, flags=re.MULTILINE)
    return re.sub(r"::\n\n((?: {4}.*\n|\n)+)", _block, text + "\n")


def _section(match: re.Match[str]) -> str:
    entries = re.sub(r"^ {4}(?! )", "* ", match[2], flags=re.MULTILINE)
    return f"**{match[1]}**\n\n{re.sub(r'^ {8}', '  ', entries, flags=re.MULTILINE)}"


def _block(match: re.Match[str]) -> str:
    body = inspect.cleandoc(match[1]).strip()
    return f":\n\n```{'toml' if body.startswith('[') else 'python'}\n{body}\n```\n\n"


def main() -> None:
    """Write the pages."""
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make(), "utf-8")


if __name__ == "__main__":
    main()
