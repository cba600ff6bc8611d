"""Which route answers a task at the lowest cost: a pure decision."""

from typing import Literal

from ytworker_channel.parameters import ChannelParameters

PAGE_LENGTH = {"videos": 30, "shorts": 48, "streams": 30}
"""How many entries the first page of a tab holds."""

Chosen = Literal["tab", "uploads", "feed"]


def choose_route(params: ChannelParameters) -> Chosen:
    """Choose the cheapest listing that gives the answer.

    ====================================================================  =========
    what is asked for                                                     route
    ====================================================================  =========
    a route by name                                                       that one
    max_age_days with depth=list (only the feed has dates)                feed
    one kind, top_n within the tab's first page (30; shorts 48)           tab
    everything else: content=all, or a longer list (100 entries a page)   uploads
    ====================================================================  =========

    Where a chosen tab comes back without entries and without channel facts, as those of age-restricted and topic
    channels do, ``auto`` goes on with the uploads list; :mod:`ytworker_channel.lists` does that.
    """
    if params.route != "auto":
        return params.route
    if params.depth == "list" and params.max_age_days is not None:
        return "feed"
    if params.content != "all" and params.top_n <= PAGE_LENGTH[params.content]:
        return "tab"
    return "uploads"
