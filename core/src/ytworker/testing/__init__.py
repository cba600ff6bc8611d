"""Public fakes and conformance suites for plugin and queue authors; imported by nothing in the product."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from ytworker.testing.clock import FakeClock
from ytworker.testing.context import FakePort, make_context
from ytworker.testing.http import Answer, FakeSite
from ytworker.testing.memory import MemoryQueue
from ytworker.testing.network import NetworkGuard, UndeclaredHostError, guarded_network
from ytworker.testing.scraping import Scraping, collect

if TYPE_CHECKING:
    from ytworker.testing.queue_conformance import QueueConformance
    from ytworker.testing.worker_conformance import Sample, WorkerConformance

__all__ = [
    "Answer",
    "FakeClock",
    "FakePort",
    "FakeSite",
    "MemoryQueue",
    "NetworkGuard",
    "QueueConformance",
    "Sample",
    "Scraping",
    "UndeclaredHostError",
    "WorkerConformance",
    "collect",
    "guarded_network",
    "make_context",
]

_SUITES = {
    "QueueConformance": "ytworker.testing.queue_conformance",
    "Sample": "ytworker.testing.worker_conformance",
    "WorkerConformance": "ytworker.testing.worker_conformance",
}


def __getattr__(name: str) -> Any:
    """Import a suite when it is asked for: suites need pytest, the fakes do not."""
    if name not in _SUITES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    if _SUITES[name] not in sys.modules:
        import pytest  # noqa: PLC0415

        pytest.register_assert_rewrite(_SUITES[name])  # so that a failure shows the values that were compared
    return getattr(importlib.import_module(_SUITES[name]), name)
