"""The queue behind a URL, by the backend that is installed for its scheme."""

from pathlib import Path
from urllib.parse import urlsplit

from ytworker.errors import PluginUnavailableError, QueueError
from ytworker.plugins.discovery import PluginKind
from ytworker.plugins.registry import PluginRegistry
from ytworker.queue import TaskQueue
from ytworker.settings import sqlite_url


def open_queue(url: str, registry: PluginRegistry, durability: str, *, events: bool = True) -> TaskQueue:
    """Open the queue behind a URL with the backend that serves its scheme; a plain path is a SQLite file.

    Args:
        url: The queue.
        registry: Knows the backends.
        durability: ``full`` or ``normal``.
        events: Whether changes of tasks are recorded.

    Raises:
        QueueError: This is no queue, or no backend for it is installed.
    """
    try:
        scheme = urlsplit(url).scheme
        if "://" in url and not scheme:
            msg = "what stands before :// is no kind of queue"
            raise ValueError(msg)  # noqa: TRY301 - one sentence for all that is no queue
        if len(scheme) < 2:  # noqa: PLR2004 - no scheme, or the drive letter of a Windows path
            scheme, url = "sqlite", sqlite_url(Path(url))
    except (ValueError, RuntimeError) as error:  # no URL, no text, or the home of nobody
        msg = f"this names no queue ({error}); name a file, or a URL such as sqlite:///absolute/path"
        raise QueueError(msg) from None
    try:
        backend = registry.load(scheme, PluginKind.QUEUE)
    except PluginUnavailableError as error:
        msg = f"no backend for the queue {scheme}://…: {error.reason}"
        raise QueueError(msg) from None
    queue: TaskQueue = backend(url, durability=durability, events=events)
    return queue
