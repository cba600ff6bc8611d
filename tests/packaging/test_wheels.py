"""Distributions used from their wheels, in fresh environments, with the others really absent."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from packaging_helpers import FOLDERS, Fresh, uv

Make = Callable[[], Fresh]

TASK_TYPES = {
    "ytworker-api": "api_scrape",
    "ytworker-channel": "channel_scrape",
    "ytworker-feeds": "feed_scrape",
    "ytworker-keyword": "keyword_search",
    "ytworker-trending": "trending_scrape",
}

QUICK = ("ytworker-cache", "ytworker-digest", "ytworker-feeds", "ytworker-metrics")
"""Whose suites take a second or two."""
NEEDED_IN_TESTS = dict.fromkeys(("ytworker-channel", "ytworker-keyword", "ytworker-trending"), ("ytworker-ytdlp",))

FEED = """<rss version="2.0"><channel><title>News</title><item><guid>g1</guid><title>First [item]</title></item>
</channel></rss>"""


@pytest.mark.parametrize("name", FOLDERS)
def test_each_works_with_nothing_but_what_it_requires(built: Path, fresh: Make, name: str) -> None:
    environment = fresh()
    environment.install(name, find=built)
    environment("python", "-c", f"import {name.replace('-', '_')}")
    checked = json.loads(environment("ytworker", "plugins", "check", "--json").stdout)
    assert {each["status"] for each in checked} <= {"loaded"}
    expected = TASK_TYPES.get(name)
    assert [each["name"] for each in checked if each["kind"] == "worker"] == ([expected] if expected else [])
    assert environment("ytworker", "status", "--json").stdout


SUBSETS = [
    ("ytworker", "ytworker-api", "ytworker-feeds"),
    ("ytworker", "ytworker-keyword", "ytworker-metrics"),
    ("ytworker", "ytworker-trending", "ytworker-channel", "ytworker-cache"),
    tuple(FOLDERS),
]


@pytest.mark.parametrize("names", SUBSETS, ids=lambda names: f"{len(names)}-{names[1]}")
def test_any_subset_lives_together(built: Path, fresh: Make, names: tuple[str, ...]) -> None:
    environment = fresh()
    environment.install(*names, find=built)
    checked = json.loads(environment("ytworker", "--strict-plugins", "plugins", "check", "--json").stdout)
    assert {each["status"] for each in checked} == {"loaded"}
    workers = {each["name"] for each in checked if each["kind"] == "worker"}
    assert workers == {TASK_TYPES[name] for name in names if name in TASK_TYPES}
    assert set(environment("ytworker", "doctor", "--json").stdout)


@pytest.mark.parametrize("name", FOLDERS)
def test_an_sdist_stands_alone(built: Path, fresh: Make, tmp_path: Path, name: str) -> None:
    """Its suite is whole, and runs where nothing but the sdist is; the long ones only show that they could."""
    (file,) = built.glob(f"{name.replace('-', '_')}-*.tar.gz")
    with tarfile.open(file) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / file.name.removesuffix(".tar.gz")
    extra = "[testing]" if "testing =" in (source / "pyproject.toml").read_text("utf-8") else ""
    others = [f"{other}[testing]" for other in NEEDED_IN_TESTS.get(name, ())]
    environment = fresh()
    environment.install(f"{name}{extra} @ {source.as_uri()}", *others, "hypothesis", "pytest", find=built)
    whole = [] if name in QUICK else ["--collect-only"]
    environment("python", "-m", "pytest", "-q", *whole, "--rootdir", source, source / "tests")


def test_the_main_job_runs_from_wheels(built: Path, fresh: Make) -> None:
    environment = fresh()
    environment.install("ytworker-channel", "ytworker-ytdlp[testing]", find=built)
    script = environment.home / "job.py"
    script.write_text(
        "import os, subprocess, sys\n"
        "from ytworker_ytdlp.testing import FakeYouTube\n"
        "with FakeYouTube() as youtube:\n"
        "    youtube.add_channel('@NASA', title='NASA', videos=40)\n"
        "    env = {f'YTWORKER_PLUGINS__YTDLP__{k.upper()}': v for k, v in youtube.settings().items()}\n"
        "    url = 'https://www.youtube.com/@NASA'\n"
        "    command = [sys.argv[1], 'scrape', 'channel_scrape', '--channel-url', url, '--json']\n"
        "    sys.exit(subprocess.run(command, env={**os.environ, **env}).returncode)\n",
        "utf-8",
    )
    done = json.loads(environment("python", script, environment.folder / "bin" / "ytworker").stdout)
    assert (done["task"]["state"], len(done["items"])) == ("completed", 10)


def test_a_newcomer_ships_a_plugin(built: Path, fresh: Make) -> None:
    """``plugins new``, install, its own suite with the conformance kit, types, style, a wheel: all pass at once."""
    environment = fresh()
    environment.install("ytworker", find=built)
    environment("ytworker", "plugins", "new", "ytworker-stars", "--task-type", "star_scrape")
    project = environment.home / "ytworker-stars"
    environment.install("--editable", project, "mypy", "pytest", "ruff", "hatchling", find=built)
    assert " failed" not in environment("python", "-m", "pytest", project, "-c", project / "pyproject.toml").stdout
    environment("python", "-m", "mypy", "--config-file", project / "pyproject.toml", project / "src", project / "tests")
    environment("ruff", "check", project)
    environment("ruff", "format", "--check", project)
    uv("build", "--no-build-isolation", "--python", environment.python, "--out-dir", environment.home / "dist", project)
    (wheel,) = (environment.home / "dist").glob("*.whl")
    user = fresh()
    user.install(wheel, find=built)
    (checked,) = json.loads(user("ytworker", "plugins", "check", "--json").stdout)
    assert (checked["name"], checked["status"]) == ("star_scrape", "loaded")


def test_the_examples_work_together_from_wheels(built: Path, fresh: Make) -> None:
    environment = fresh()
    environment.install("ytworker-feeds", "ytworker-cache", "ytworker-digest", find=built)
    (environment.home / "feed.xml").write_text(FEED, "utf-8")
    script = environment.home / "serve.py"
    script.write_text(
        "import os, subprocess, sys, threading\n"
        "from functools import partial\n"
        "from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer\n"
        "asked = []\n"
        "class Handler(SimpleHTTPRequestHandler):\n"
        "    def log_message(self, *_): asked.append(self.path)\n"
        "with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:\n"
        "    threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "    url = f'http://127.0.0.1:{server.server_address[1]}/feed.xml'\n"
        "    env = {**os.environ, 'YTWORKER_PLUGINS__FEED_SCRAPE__ALLOW_PRIVATE': 'true'}\n"
        "    for _ in range(2):\n"
        "        job = ['scrape', 'feed_scrape', '--feed-url', url, '--jsonl']\n"
        "        subprocess.run([sys.argv[1], '--log-level', 'info', *job], env=env, check=True)\n"
        "    server.shutdown()\n"
        "assert len(asked) == 1, asked\n",
        "utf-8",
    )
    done = environment("python", script, environment.folder / "bin" / "ytworker")
    assert [json.loads(line)["title"] for line in done.stdout.splitlines()] == ["First [item]"] * 2
    assert "miss: feed_scrape" in done.stderr
    assert "hit: 1 items of feed_scrape" in done.stderr
    assert environment("ytworker", "digest").stdout == "# 1 ideas\n\n* First \\[item\\]\n"


def test_the_core_that_outgrows_a_plugin_shows_it_before_any_import(built: Path, fresh: Make) -> None:
    environment = fresh()
    environment.install("ytworker-feeds", find=built)
    (info,) = environment.folder.rglob("ytworker_feeds-*.dist-info/METADATA")
    info.write_text(info.read_text("utf-8").replace("Requires-Dist: ytworker<1,>=0.1", "Requires-Dist: ytworker<0.1"))
    (package,) = environment.folder.rglob("ytworker_feeds/__init__.py")
    package.write_text("raise SystemExit('imported')\n")
    (listed,) = [
        each
        for each in json.loads(environment("ytworker", "plugins", "list", "--json").stdout)
        if each["name"] == "feed_scrape"
    ]
    assert listed["status"] == "incompatible"
    assert "it needs ytworker<0.1" in listed["reason"]
