"""The base class for plugins that are classes: dependencies injected, a life cycle, hooks without decorators."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from ytworker.context import AnyLogger, Context
from ytworker.hookspecs import Scraped


class PluginBase(ABC):
    """A worker plugin as a class.

    The hook methods of a subclass count as implementations without ``@hookimpl``. The registry makes one instance in
    each process that runs tasks, fills :attr:`settings`, and calls :meth:`open` before the first task and
    :meth:`close` when the process ends. ``get_parameters``, ``get_settings`` and ``classify_error`` are optional.

    Args:
        settings: The validated sections by name. Filled after construction and before :meth:`open`: read them there or
            in ``scrape`` (``context.settings`` is the same), not in ``__init__``.
        logger: Where to log; never print.
    """

    def __init__(self, settings: Mapping[str, BaseModel] | None = None, logger: AnyLogger | None = None) -> None:
        self.settings: Mapping[str, BaseModel] = {} if settings is None else settings
        self.logger: AnyLogger = logger or logging.getLogger(type(self).__module__)

    @abstractmethod
    def get_task_type(self) -> str:
        """Name the one task type that this plugin answers; must equal the entry-point name."""

    @abstractmethod
    def scrape(self, params: Any, context: Context) -> Scraped:
        """Do one task; see :meth:`ytworker.hookspecs.HookSpecs.scrape`."""

    def open(self) -> None:  # noqa: B027 - most plugins need nothing here
        """Get ready: called once per process, before the first task."""

    def close(self) -> None:  # noqa: B027 - most plugins need nothing here
        """Let go: called once per process, after the last task."""
