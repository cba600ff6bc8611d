"""The suite that tells whether a worker plugin does what ytworker and its users rely on; needs pytest."""

from typing import Any

from ytworker.testing.worker_conformance.answers import AnswerTests
from ytworker.testing.worker_conformance.base import HEAVY, Sample
from ytworker.testing.worker_conformance.contract import ContractTests
from ytworker.testing.worker_conformance.installed import InstalledTests
from ytworker.testing.worker_conformance.manners import MannersTests

__all__ = ["HEAVY", "Sample", "WorkerConformance"]


class WorkerConformance(InstalledTests, ContractTests, AnswerTests, MannersTests):
    """Every promise of a worker plugin as a test.

    Subclass it in your tests, under a name that pytest collects::

        class TestMyWorker(WorkerConformance):
            task_type = "my_scrape"
            samples = [Sample(params={"list": "news"}), Sample(params={"list": "nothing"}, empty=True)]
            hosts = ["127.0.0.1"]

            @pytest.fixture
            def plugin_settings(self, site):
                return {"my_scrape": {"base_url": site.url}}

    A standard test may only be overridden by one that is marked ``xfail(reason=...)``: then the reason is on record.

    Attributes:
        task_type: The task type, which is the name of the entry point.
        plugin: The plugin itself (a module, an object or a class), where it is not installed; the tests of how it is
            installed are skipped then.
        samples: Tasks that it can do in a test; see :class:`Sample`.
        failures: Exceptions that it may meet, each with the class that it must have.
        hosts: Whom a sample may reach: names, addresses, or ``*.example.com``.
        secrets: Settings whose values must not be told, such as ``my_scrape.api_key``; those of telling names (key,
            token, password, cookie and the like) are secrets without that.
        renamed_options: Parameters that have the name of an option of ours, and are typed as ``--param-NAME``.
        heavy: Packages that the plugin must not import before it scrapes.
        late_seconds: How long a scrape that is past its deadline may take to end.
        max_modules: How many modules its import may bring beyond pydantic and ytworker.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, standard in vars_of(WorkerConformance).items():
            own = getattr(cls, name)
            marks = getattr(own, "pytestmark", [])
            excused = any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)
            if own is not standard and not excused:
                msg = (
                    f"{cls.__name__} overrides the standard test {name}; leave it as it is, or mark yours with "
                    '@pytest.mark.xfail(reason="why it cannot hold")'
                )
                raise TypeError(msg)


def vars_of(suite: type) -> dict[str, Any]:
    """Give the standard tests of a suite by name."""
    return {name: getattr(suite, name) for name in dir(suite) if name.startswith("test_")}
