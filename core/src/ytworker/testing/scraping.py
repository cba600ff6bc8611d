"""Doing a plugin's scrape in a test as the engine does it, without a queue and a process."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from ytworker.context import Context, Deferred
from ytworker.engine.classify import ErrorClassifier
from ytworker.engine.driving import as_item, drive
from ytworker.engine.runner import leave_of
from ytworker.model import Doubted, ErrorClass, ErrorInfo, Item
from ytworker.plugins.parameters import validate
from ytworker.plugins.registry import PluginRegistry
from ytworker.testing.context import FakePort, make_context


@dataclass(slots=True)
class Scraping:
    """What a scrape came to.

    Attributes:
        items: What it yielded and nobody doubts.
        apart: What it yielded and its own expectations doubt.
        error: How it failed, or None.
        raised: The exception behind it.
        deferred: Why it asked to wait, or None.
        stopped: Whether it ended because it was told to.
        port: What it said to the engine.
    """

    port: FakePort
    items: list[Item] = field(default_factory=list)
    apart: list[Doubted] = field(default_factory=list)
    error: ErrorInfo | None = None
    raised: BaseException | None = None
    deferred: str | None = None
    stopped: bool = False


def collect(
    scrape: Callable[[Context], Any],
    context: Context,
    port: FakePort,
    *,
    classify: Callable[[BaseException], Any] | None = None,
    watch: Callable[[int], None] = lambda _count: None,
) -> Scraping:
    """Drive a scrape to its end and look at each item as the engine does.

    Args:
        scrape: Starts it, such as ``lambda context: plugin.scrape(params, context)``.
        context: What it is given; make it with :func:`ytworker.testing.make_context`.
        port: The port of that context.
        classify: The plugin's ``classify_error``.
        watch: Told after each item how many there were.
    """
    done = Scraping(port)
    try:
        with closing(drive(scrape(context))) as scraped:
            for count, yielded in enumerate(scraped, 1):
                item = as_item(yielded)
                doubt = context.expectations.look_at(item)
                if doubt is None:
                    done.items.append(item)
                else:
                    done.apart.append(Doubted(item, doubt))
                watch(count)
        context.expectations.judge(ended=not port.stop)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a plugin raises is an answer
        _end(done, error, classify)
    return done


def _end(done: Scraping, error: BaseException, classify: Callable[[BaseException], Any] | None) -> None:
    left = leave_of(error)
    if left is not None:
        done.deferred = left.reason if isinstance(left, Deferred) else None
        done.stopped = not isinstance(left, Deferred)
        return
    done.raised, done.error = error, ErrorClassifier(classify).describe(error)
    if done.error.error_class is ErrorClass.SUSPECT:
        done.apart += [Doubted(item, str(error)) for item in done.items]
        done.items = []


def scrape_sample(
    registry: PluginRegistry,
    task_type: str,
    params: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    port: FakePort | None = None,
    watch: Callable[[int], None] = lambda _count: None,
) -> Scraping:
    """Do a task of a plugin that is in a registry, with its parameters and settings checked as the engine does it."""
    port = port or FakePort()
    sections: dict[str, BaseModel] = registry.open(task_type, settings)
    checked = validate(task_type, registry.parameters(task_type), params)
    context = make_context(task_type, params=params, settings=sections, port=port)
    return collect(
        lambda given: registry.scrape(task_type, checked, given),
        context,
        port,
        classify=lambda error: registry.classify(task_type, error),
        watch=watch,
    )


def identities(items: Sequence[Item]) -> list[tuple[str, str, str]]:
    """Give what makes each item the one that it is."""
    return [(item.source, item.kind, item.id) for item in items]
