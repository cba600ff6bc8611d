"""Where a scrape may have told a secret."""

import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from ytworker.engine.classify import causes
from ytworker.testing.scraping import Scraping

_WARNINGS, _FAILURES = "what it warns of", "a failure of a thread or a finalizer"


@contextmanager
def unheard() -> Iterator[dict[str, str]]:
    """Gather what neither a logger nor a stream gets: warnings, and failures that nobody caught; by their place."""
    told: dict[str, str] = {_WARNINGS: "", _FAILURES: ""}

    def failed(about: Any) -> None:
        told[_FAILURES] += "".join(traceback.format_exception(about.exc_type, about.exc_value, about.exc_traceback))

    with (
        warnings.catch_warnings(record=True) as warned,
        mock.patch.object(threading, "excepthook", failed),
        mock.patch.object(sys, "unraisablehook", failed),
    ):
        warnings.simplefilter("always")
        yield told
    told[_WARNINGS] = "\n".join(str(each.message) for each in warned)


def said(done: Scraping) -> dict[str, str]:
    """Give what a scrape gave the engine, as it was before the engine takes secrets out; by its place."""
    port, raised = done.port, done.raised
    everything = [*done.items, *(each.item for each in done.apart)]
    failures = [] if raised is None else list(causes(raised))
    named = [getattr(error, "source", None) for error in failures]
    return {
        "an item": "\n".join(item.model_dump_json() for item in everything),
        "an error": "\n".join(str(error) for error in failures[:1]),
        "a note of an error": "\n".join(str(getattr(error, "__notes__", "")) for error in failures),
        "the cause of an error": "\n".join(str(error) for error in failures[1:]),
        "the traceback of an error": "" if raised is None else "".join(traceback.format_exception(raised)),
        "a note of its progress": repr(port.progressed),
        "a checkpoint": repr(port.checkpoints),
        "a reason": repr([done.deferred, *port.suspected, *(each.reason for each in done.apart)]),
        "the name of a source": repr([port.acquired, port.reserved, port.quotas, port.held, named]),
        "the parameters of a follow-up task": repr(port.enqueued),
    }
