"""The plugin as an installed distribution: its entry point, its requirement on the core, its import."""
# ruff: noqa: D102, S101 - tests: their names say what they show

import json
import subprocess
import sys
from collections import Counter
from importlib.metadata import Distribution, EntryPoint, entry_points

import pytest
from packaging.requirements import Requirement

from ytworker.testing.worker_conformance.base import Suite

_IMPORT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from importlib.metadata import entry_points
from pydantic import BaseModel, Field
import ytworker
for name in ytworker.__all__:
    getattr(ytworker, name)
class Empty(BaseModel):
    pass
known = set(sys.modules)
(found,) = entry_points(group="ytworker.workers", name=sys.argv[2])
found.load()
print("\\n" + json.dumps(sorted(set(sys.modules) - known)))
"""


class InstalledTests(Suite):
    """The distribution; skipped for a plugin that is given as an object."""

    @pytest.fixture
    def entry_point(self) -> EntryPoint:
        """The entry point of the task type."""
        if self.plugin is not None:
            pytest.skip(
                "the plugin is given as an object; install it and leave `plugin` out to test how it is installed"
            )
        found = list(entry_points(group="ytworker.workers", name=self.task_type))
        assert found, (
            f'no installed distribution has an entry point {self.task_type!r} in the group "ytworker.workers"; add '
            f'[project.entry-points."ytworker.workers"] to pyproject.toml and install the plugin again'
        )
        return found[0]

    @pytest.fixture
    def distribution(self, entry_point: EntryPoint) -> Distribution:
        """The distribution that has it."""
        assert entry_point.dist is not None
        return entry_point.dist

    def test_the_entry_point_is_there_once(self, entry_point: EntryPoint) -> None:
        found = entry_points(group=entry_point.group, name=self.task_type)
        owners = sorted({each.dist.name for each in found if each.dist})
        assert len(owners) == 1, (
            f"{' and '.join(owners)} both have an entry point {self.task_type!r}; uninstall one of them, or choose "
            "another name for the task type"
        )

    def test_the_requirement_on_the_core_is_bounded(self, distribution: Distribution) -> None:
        wanted = [Requirement(text) for text in distribution.requires or ()]
        found = [each for each in wanted if each.name.lower() == "ytworker" and each.marker is None]
        cure = f'write "ytworker>=0.1,<1" into the dependencies of {distribution.name}'
        assert found, f"{distribution.name} does not require ytworker; {cure}"
        operators = {specifier.operator for each in found for specifier in each.specifier}
        assert operators & {">=", ">", "==", "~="}, f"ytworker has no lower bound; {cure}"
        assert operators & {"<", "<=", "==", "~="}, (
            f"ytworker has no upper bound, so the plugin would break with version 1 instead of being refused; {cure}"
        )

    def test_the_import_is_light(self, entry_point: EntryPoint) -> None:
        command = [sys.executable, "-c", _IMPORT, json.dumps(sys.path), self.task_type]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own text
        assert done.returncode == 0, f"{entry_point.value} cannot be imported:\n{done.stderr}"
        modules = json.loads(done.stdout.splitlines()[-1])
        packages = Counter(name.partition(".")[0] for name in modules)
        heavy = sorted(set(self.heavy) & set(packages))
        cure = "import it inside of scrape(): --help and enqueue import the plugin, too"
        assert not heavy, f"importing {entry_point.value} imports {', '.join(heavy)}; {cure}"
        most = ", ".join(f"{name} ({count})" for name, count in packages.most_common(5))
        assert len(modules) <= self.max_modules, (
            f"importing {entry_point.value} imports {len(modules)} modules beyond pydantic and ytworker, at most "
            f"{self.max_modules} are fine (max_modules). Most are of {most}; {cure}"
        )
