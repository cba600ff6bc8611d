"""``ytworker uninstall``: pip for the environment that this program lives in, and for plugins only."""

from typing import Annotated

import typer

from ytworker.cli.environment import here, run_pip
from ytworker.cli.lazy import make_app
from ytworker.cli.output import complain, note
from ytworker.plugins.discovery import canonical, plugin_distributions

app = make_app()


@app.command()
def uninstall(
    packages: Annotated[list[str], typer.Argument(metavar="PKG...", help="Distributions, or plugins by their names.")],
) -> None:
    """Remove plugins from where this program lives; their tasks stay in the queue and wait."""
    wanted = {word: _distributions(word) for word in packages}
    lacking = [word for word, found in wanted.items() if not found]
    if lacking:
        reason = "no plugin of that name is installed; `ytworker plugins list` shows what is, pip removes the rest"
        complain("nothing was removed", *(f"{word}: {reason}" for word in lacking))
        raise typer.Exit(2)
    names = sorted({name for found in wanted.values() for name in found})
    environment = here()
    if not environment.is_ours:
        complain(f"this program may not change its environment: {environment.why}. Type this instead:")
        note(f"  {environment.line('uninstall', names, plugin_distributions())}")
        raise typer.Exit(1)
    if run_pip("uninstall", names):
        complain("pip could not remove them; what it says stands above")
        raise typer.Exit(1)


def _distributions(word: str) -> set[str]:
    """Name the distributions that a word means: one that brings plugins, or those that bring a plugin of that name."""
    if canonical(word) in plugin_distributions():
        return {canonical(word)}
    return plugin_distributions(word)
