"""What the parts of the suite share: the plugin under test, its samples, and the names of the heavy libraries."""
# ruff: noqa: S101 - assert is how pytest works

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Any, ClassVar, cast

import pytest

from ytworker.errors import PluginUnavailableError
from ytworker.model import ErrorClass
from ytworker.plugins.discovery import PluginInfo, PluginKind, PluginState, Policy, discover
from ytworker.plugins.registry import PluginRegistry
from ytworker.testing.scraping import Scraping, scrape_sample

HEAVY = frozenset(
    {
        "aiohttp", "bs4", "googleapiclient", "httpx", "lxml", "numpy", "pandas", "playwright", "requests", "scrapy",
        "selenium", "yt_dlp",
    }
)  # fmt: skip
"""Libraries that take longer to import than the whole command line; a plugin imports them when it first scrapes."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A task that the plugin can do in a test, without reaching anybody but the declared hosts.

    Attributes:
        params: Its parameters.
        settings: Settings sections for it alone, over those of the fixture ``plugin_settings``.
        empty: Whether the answer is legal and without items.
        fails: The class of the failure that it must end with.
        name: Shown by pytest.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    empty: bool = False
    fails: ErrorClass | None = None
    name: str = ""

    @property
    def succeeds(self) -> bool:
        """Whether it is to give items."""
        return not self.empty and self.fails is None


@dataclass(frozen=True)
class _Given:
    """Stands for the entry point of a plugin that is not installed."""

    plugin: object

    def load(self) -> object:
        return self.plugin


class Suite:
    """The seams of the suite; see :class:`ytworker.testing.WorkerConformance`."""

    task_type: ClassVar[str] = ""
    plugin: ClassVar[object] = None
    samples: ClassVar[Sequence[Sample]] = ()
    failures: ClassVar[Sequence[tuple[BaseException, ErrorClass]]] = ()
    hosts: ClassVar[Collection[str]] = ()
    secrets: ClassVar[Collection[str]] = ()
    renamed_options: ClassVar[Collection[str]] = ()
    heavy: ClassVar[Collection[str]] = HEAVY
    max_modules: ClassVar[int] = 150
    late_seconds: ClassVar[float] = 30.0

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Give each test that wants a sample one after the other."""
        wanted: dict[str, list[Any]] = {
            "sample": list(cls.samples),
            "good_sample": [each for each in cls.samples if each.succeeds],
            "empty_sample": [each for each in cls.samples if each.empty],
            "bad_sample": [each for each in cls.samples if each.fails is not None],
            "failure": list(cls.failures),
        }
        for name, found in wanted.items():
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, found, ids=[_name_of(each) for each in found])

    @pytest.fixture
    def plugin_settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The raw settings sections by name; override it, for instance to name a fake site."""
        return {}

    @pytest.fixture
    def registry(self) -> Iterator[PluginRegistry]:
        """A registry in which the plugin is loaded."""
        assert self.task_type, f"{type(self).__name__} must name its task_type"
        catalogue = dict(discover(Policy(), [PluginKind.WORKER]))
        if self.plugin is not None:
            given = cast("EntryPoint", _Given(self.plugin))
            info = PluginInfo(name=self.task_type, kind=PluginKind.WORKER, state=PluginState.FOUND, entry_point=given)
            catalogue = {(PluginKind.WORKER, self.task_type): info}
        registry = PluginRegistry(catalogue=catalogue)
        try:
            registry.load(self.task_type)
        except PluginUnavailableError as error:
            pytest.fail(f"the plugin cannot be loaded: {error.reason}", pytrace=False)
        yield registry
        registry.close()

    def scrape(
        self,
        registry: PluginRegistry,
        sample: Sample,
        plugin_settings: Mapping[str, Mapping[str, Any]],
        **more: Any,
    ) -> Scraping:
        """Do a sample as the engine does it."""
        return scrape_sample(registry, self.task_type, sample.params, {**plugin_settings, **sample.settings}, **more)


def _name_of(case: Any) -> str:
    if not isinstance(case, Sample):
        return type(case[0]).__name__
    text = case.name or ",".join(f"{key}={value}" for key, value in case.params.items())
    return re.sub(r"[^\w.,=-]+", "-", text)[:60] or "no-parameters"
