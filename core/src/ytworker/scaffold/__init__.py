"""Writes a new plugin project that passes its own suite, the type checker and the conformance kit at once."""

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from string import Template

BOUNDS = ">=0.1,<1"
"""What a new plugin requires of the core: 0.x only adds to the contract."""

_NAME = re.compile(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*", re.IGNORECASE)
_MAX_NAME = 60
_CORE = "ytworker"
_PREFIX = f"{_CORE}-"

# Where each template goes; the names of the package and of the command are filled in as in the texts.
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "LICENSE": "LICENSE",
    "gitignore": ".gitignore",
    "test.yml": ".github/workflows/test.yml",
    "init.py": "src/$package/__init__.py",
    "site.py": "src/$package/site.py",
    "worker.py": "src/$package/worker.py",
    "py.typed": "src/$package/py.typed",
    "conftest.py": "tests/conftest.py",
    "test_conformance.py": "tests/test_conformance.py",
    "test_worker.py": "tests/test_worker.py",
}


@dataclass(frozen=True, slots=True)
class Project:
    """What a new plugin is called.

    Attributes:
        distribution: What people install, such as ``ytworker-feeds``.
        task_type: What it answers, such as ``feeds``.
        author: Who holds the copyright.
    """

    distribution: str
    task_type: str
    author: str

    @property
    def package(self) -> str:
        """What Python imports, such as ``ytworker_feeds``."""
        return self.distribution.replace("-", "_")

    def words(self) -> dict[str, str]:
        """Give what the templates are filled with."""
        source = self.distribution.removeprefix(_PREFIX)
        return {
            "author": self.author,
            "bounds": BOUNDS,
            "distribution": self.distribution,
            "package": self.package,
            "source": source,
            "summary": f"Entries of {source} for ytworker",
            "task_type": self.task_type,
            "year": str(date.today().year),  # noqa: DTZ011 - the year on the author's own calendar
        }


def name_project(name: str, task_type: str | None = None, author: str | None = None) -> Project:
    """Make the names of a project out of what a person typed.

    Args:
        name: The distribution, or the part behind ``ytworker-``.
        task_type: What it answers; the same part by default.
        author: Who holds the copyright.

    Raises:
        ValueError: No distribution, or no module, can have such a name.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        msg = f"{name!r} is no name for a plugin: use letters, digits and dashes, such as ytworker-feeds"
        raise ValueError(msg)
    short = re.sub(r"[-_.]+", "-", name).lower().removeprefix(_PREFIX)
    if short == _CORE:
        msg = f"{name!r} is ytworker itself; name what your plugin asks, such as ytworker-feeds"
        raise ValueError(msg)
    answered = (task_type or short).replace("-", "_")
    if not answered.isidentifier() or keyword.iskeyword(answered) or not answered.islower():
        msg = f"{answered!r} is no task type: use lower-case letters, digits and underscores, such as feed_scrape"
        raise ValueError(msg)
    return Project(_PREFIX + short, answered, (author or f"The {_PREFIX}{short} developers").replace('"', "'"))


def render(project: Project) -> Iterator[tuple[Path, str]]:
    """Give the files of a project: where each goes, and its text."""
    words = project.words()
    templates = resources.files(__name__) / "plugin"
    for name, place in _FILES.items():
        text = templates.joinpath(f"{name}.tmpl").read_text("utf-8")
        yield Path(Template(place).substitute(words)), Template(text).substitute(words)


def write_project(project: Project, folder: Path) -> list[Path]:
    """Write a project into a new folder and give its files.

    Raises:
        FileExistsError: Something is there already; nothing is written then.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder} is there already; choose another folder with --directory, or remove it"
        raise FileExistsError(msg)
    files = []
    for place, text in render(project):
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        files.append(file)
    return files
