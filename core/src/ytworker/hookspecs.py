"""The plugin contract.

A *worker plugin* answers one task type. It is an installed distribution with an entry point in the group
``ytworker.workers`` whose name is the task type and whose value is a module, an object or a
:class:`ytworker.PluginBase` subclass::

    [project.entry-points."ytworker.workers"]
    channel_scrape = "ytworker_channel:YouTubeChannelWorker"

A module with two functions is enough::

    from ytworker import Item, hookimpl


    @hookimpl
    def get_task_type() -> str:
        return "hello"


    @hookimpl
    def scrape(params, context):
        yield Item(source="example", id="1", title=f"Hello {params['name']}")

An *extension* (group ``ytworker.extensions``) wraps ``scrape`` or classifies errors without answering a task type.

Hooks never grow arguments; what they may use grows as attributes of ``context``.
"""

from collections.abc import AsyncIterable, Awaitable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import pluggy
from pydantic import BaseModel

from ytworker.context import Context
from ytworker.model import ErrorClass, Item

PROJECT = "ytworker"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Yielded = Item | Mapping[str, Any]
Scraped = Iterable[Yielded] | AsyncIterable[Yielded] | Awaitable[Iterable[Yielded]]
"""What ``scrape`` may give: a list or generator, or the async form of either, which the engine drives."""

HOOKS = ("classify_error", "get_parameters", "get_settings", "get_task_type", "scrape")


class HookSpecs:
    """The five hooks, as pluggy sees them."""

    @hookspec(firstresult=True)
    def get_task_type(self) -> str:  # type: ignore[empty-body]
        """Name the one task type that this plugin answers; must equal the entry-point name."""

    @hookspec(firstresult=True)
    def scrape(self, params: Any, context: Context) -> Scraped:  # type: ignore[empty-body]
        """Do one task.

        Runs in the task's child process. A generator is best: items are stored as they come, and the engine stops
        asking when the task is cancelled.

        Args:
            params: An instance of the plugin's model, or a dict where it has none.
            context: Everything else, see :class:`ytworker.Context`.

        Returns:
            Items, or dicts with at least ``source``, ``kind`` and ``id``. None is a bug; an empty iterable is legal.
        """

    @hookspec(firstresult=True)
    def get_parameters(self) -> type[BaseModel]:  # type: ignore[empty-body]
        """Give the model of the parameters: validation, command-line options and JSON Schema all come from it.

        Unknown parameters are errors whatever the model's ``extra`` says.
        """

    @hookspec
    def get_settings(self) -> Mapping[str, type[BaseModel]]:  # type: ignore[empty-body]
        """Name the settings sections that the plugin reads, with their models.

        The own task type (``[plugins.channel_scrape]``) or a shared one (``[plugins.ytdlp]``). Only these reach
        ``context.settings``.
        """

    @hookspec(firstresult=True)
    def classify_error(self, error: BaseException) -> ErrorClass | None:
        """Say what kind of failure an exception is, or None to leave it to others; the core's rules come last."""


@runtime_checkable
class WorkerPlugin(Protocol):
    """The two hooks that every worker plugin has; a module with two functions fits."""

    def get_task_type(self) -> str:
        """See :meth:`HookSpecs.get_task_type`."""

    def scrape(self, params: Any, context: Context) -> Scraped:
        """See :meth:`HookSpecs.scrape`."""


@runtime_checkable
class HasParameters(Protocol):
    """A plugin with a parameters model."""

    def get_parameters(self) -> type[BaseModel]:
        """See :meth:`HookSpecs.get_parameters`."""


@runtime_checkable
class HasSettings(Protocol):
    """A plugin with settings sections."""

    def get_settings(self) -> Mapping[str, type[BaseModel]]:
        """See :meth:`HookSpecs.get_settings`."""


@runtime_checkable
class ClassifiesErrors(Protocol):
    """A plugin with a taxonomy of its own."""

    def classify_error(self, error: BaseException) -> ErrorClass | None:
        """See :meth:`HookSpecs.classify_error`."""
