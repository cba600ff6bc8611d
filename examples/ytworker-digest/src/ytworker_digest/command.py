"""The command; the core shows its help line from the metadata and imports it when it is called."""

import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Protocol

import typer

from ytworker import Service
from ytworker.queue import ItemFilter

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

_ESCAPED = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>#|"})


class Opener(Protocol):
    """What the command line gives to the commands of plugins, as ``ctx.obj``."""

    def service(self) -> Service:
        """Open the queue that the global options name."""


@app.command()
def digest(
    ctx: typer.Context,
    top: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many items.")] = 10,
    task_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only what this type found.")] = None,
) -> None:
    """Write the items seen last as a Markdown list, to paste into a note or a mail."""
    opener: Opener = ctx.obj
    with opener.service() as service:
        sys.stdout.write(markdown(service.items(ItemFilter(task_type=task_type, limit=top))))


def markdown(items: Iterable[Mapping[str, Any]]) -> str:
    """Write items as a list; titles come from outside, so nothing in them is markup."""
    lines = [_line(item) for item in items]
    return "\n".join([f"# {len(lines)} ideas", "", *lines, ""])


def _line(item: Mapping[str, Any]) -> str:
    title = " ".join(str(item.get("title") or item["id"]).split()).translate(_ESCAPED)
    url = str(item.get("url") or "")
    link = f"[{title}](<{url}>)" if url.startswith(("https://", "http://")) and not set(url) & set("<> \n") else title
    views = (item.get("metrics") or {}).get("views")
    return f"* {link}" if views is None else f"* {link}, {views:,} views"
