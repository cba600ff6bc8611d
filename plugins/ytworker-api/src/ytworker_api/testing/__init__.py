"""A Data API of one's own on loopback, for tests: synthetic answers, faults, and a log of what was asked.

::

    with FakeDataApi() as api:
        api.add_channel("UC" + "x" * 22, handle="@somebody", videos=120)
        api.refuse("quotaExceeded", match="search.list", times=1)
        settings = ApiSettings(**api.settings())
"""

from ytworker_api.testing._content import make_id, make_video
from ytworker_api.testing._server import FakeDataApi, Request

__all__ = ["FakeDataApi", "Request", "make_id", "make_video"]
