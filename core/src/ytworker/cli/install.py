"""``ytworker install``: pip for the environment that this program lives in."""

from typing import Annotated

import typer

from ytworker.cli.environment import here, problem_of, run_pip
from ytworker.cli.lazy import make_app
from ytworker.cli.output import complain, note
from ytworker.plugins.discovery import PluginInfo, Policy, discover, plugin_distributions

app = make_app()


@app.command()
def install(
    packages: Annotated[list[str], typer.Argument(metavar="PKG...", help="Names, requirements, or paths of wheels.")],
    upgrade: Annotated[bool, typer.Option("--upgrade", "-U", help="Replace what is there with the newest.")] = False,
) -> None:
    """Install plugins where this program lives; in an environment that is not ours, say what to type."""
    problems = [problem for problem in map(problem_of, packages) if problem]
    if problems:
        complain("nothing was installed", *problems)
        raise typer.Exit(2)
    environment = here()
    if not environment.is_ours:
        complain(f"this program may not change its environment: {environment.why}. Type this instead:")
        note(f"  {environment.line('install', packages, plugin_distributions(), upgrade=upgrade)}")
        raise typer.Exit(1)
    before = _installed()
    if run_pip("install", packages, upgrade=upgrade):
        complain("pip could not install them; what it says stands above")
        raise typer.Exit(1)
    _tell([info for key, info in _installed().items() if before.get(key) != info])


def _installed() -> dict[tuple[str, str], PluginInfo]:
    return {(info.kind.value, info.name): info for info in discover(Policy()).values()}


def _tell(infos: list[PluginInfo]) -> None:
    for info in infos:
        state = f" is {info.state}: {info.reason}" if info.reason else ""
        note(f"{info.kind} {info.name} ({info.distribution} {info.version}){state}")
    if infos:
        note("`ytworker plugins check` loads them, `ytworker plugins show NAME` tells about one")
    else:
        note("no plugin came with that, or it was there already; `ytworker plugins list` shows what is")
