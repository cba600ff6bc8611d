"""Public fakes and conformance suites for plugin and queue authors; imported by nothing in the product."""

from ytworker.testing.clock import FakeClock
from ytworker.testing.context import FakePort, make_context

__all__ = ["FakeClock", "FakePort", "make_context"]
