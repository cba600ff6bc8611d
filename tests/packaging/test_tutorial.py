"""The tutorials as they stand: every command of their console blocks, in order, in one shell of a newcomer."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from packaging_helpers import FOLDERS, ROOT, Fresh

Make = Callable[[], Fresh]

TUTORIAL = ROOT / "docs" / "tutorial"
SHOWN_TO_FAIL = {"ytworker scrape channel_scrape --top-n 1000 --depht list": 2}
"""Commands of which the page says that they are refused."""

# Serve what a page asks for, and run the shell beside it: a FakeYouTube, and the catalogue that `plugins new` makes up.
YOUTUBE = """
import os, subprocess, sys
from ytworker_ytdlp.testing import FakeYouTube
with FakeYouTube() as youtube:
    for name in ("@NASA", "@esa"):
        youtube.add_channel(name, title=name, videos=40)
    settings = {f"YTWORKER_PLUGINS__YTDLP__{name.upper()}": value for name, value in youtube.settings().items()}
    pace = {"INTERVAL_SECONDS": "0.001", "BURST": "1000", "PER_HOUR": "100000"}  # nobody is asked but ourselves
    settings |= {f"YTWORKER_PACE_{name}": value for name, value in pace.items()}
    sys.exit(subprocess.run(["bash", sys.argv[1]], env={**os.environ, **settings}).returncode)
"""
CATALOGUE = """
import json, os, subprocess, sys
from ytworker.testing import Answer, FakeSite
pages = [[{"id": f"e{n}", "url": f"https://catalogue.example/e{n}", "title": f"Star {n}"} for n in range(3)], []]
with FakeSite() as site:
    site.answer("/search", *(Answer(body=json.dumps({"entries": page}).encode()) for page in pages))
    setting = {"YTWORKER_PLUGINS__STAR_SCRAPE__BASE_URL": site.url}
    sys.exit(subprocess.run(["bash", sys.argv[1]], env={**os.environ, **setting}).returncode)
"""


def lines(page: str) -> Iterator[str]:
    """Give the commands of a page."""
    for block in re.findall(r"^```console\n(.*?)^```", (TUTORIAL / page).read_text("utf-8"), re.DOTALL | re.MULTILINE):
        yield from re.findall(r"^\$ (.*)$", block, re.MULTILINE)


def script(page: str) -> str:
    """Make a script that stops at the first command that does not end as the page says."""
    steps = ["set -u"]
    for line in lines(page):
        expected = SHOWN_TO_FAIL.get(line, 0)
        told = shlex.quote(f"{line}: it must end with {expected}")
        steps += [f"echo {shlex.quote('$ ' + line)}", line, f"[ $? = {expected} ] || {{ echo {told} >&2; exit 99; }}"]
    return "\n".join([*steps, ""])


def follow(environment: Fresh, page: str, server: str, folder: Path, **more: str) -> str:
    """Run a page beside its server and give what it showed."""
    names = environment.home / "names"
    names.mkdir()
    (names / "python3").symlink_to(sys.executable)
    (environment.home / "serve.py").write_text(server, "utf-8")
    (environment.home / "page.sh").write_text(f"cd {shlex.quote(str(folder))}\n{script(page)}", "utf-8")
    path = f"{environment.folder / 'bin'}:{names}:/usr/bin:/bin"
    place = environment.home / "page.sh"
    return environment("python", environment.home / "serve.py", place, PATH=path, **more).stdout


def test_every_page_of_the_tutorial_is_followed_here() -> None:
    assert sorted(page.name for page in TUTORIAL.glob("*.md")) == ["first-ten-minutes.md", "write-a-plugin.md"]
    assert set(SHOWN_TO_FAIL) < set(lines("first-ten-minutes.md"))


def test_the_first_ten_minutes(built: Path, fresh: Make) -> None:
    environment = fresh()
    environment.install("ytworker-ytdlp[testing]", find=built)  # serves; the page installs its own
    clone = environment.home / "clone"
    for name in ("ytworker", "ytworker-ytdlp", "ytworker-channel"):
        place = clone / FOLDERS[name].relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(FOLDERS[name])
    shown = follow(environment, "first-ten-minutes.md", YOUTUBE, clone)
    assert "channel_scrape" in shown
    assert (clone / "ideas.jsonl").read_text("utf-8").count("\n") == 10


def test_an_afternoon_with_a_plugin(built: Path, fresh: Make) -> None:
    environment = fresh()
    environment.install("ytworker", find=built)
    folder = environment.home / "work"
    folder.mkdir()
    shown = follow(environment, "write-a-plugin.md", CATALOGUE, folder, PIP_FIND_LINKS=str(built))
    assert " passed" in shown
    assert "Star 2" in shown


@pytest.mark.parametrize("name", ["write-a-plugin.md", "first-ten-minutes.md"])
def test_a_page_has_no_command_that_is_not_followed(name: str) -> None:
    text = (TUTORIAL / name).read_text("utf-8")
    assert not re.findall(r"^```(sh|bash|shell)$", text, re.MULTILINE)
