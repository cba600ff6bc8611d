"""What children say, and what it means; a plugin can write to the socket, too, so it may be anything."""

import logging
import re
from collections.abc import Callable
from typing import Any

from ytworker.engine.attempt import Attempt, OfAnotherError
from ytworker.engine.checking import text, whole
from ytworker.engine.children import describe
from ytworker.engine.classify import clean
from ytworker.engine.loading import Plugin
from ytworker.engine.member import Member
from ytworker.engine.messages import Message, decode, is_a
from ytworker.model import ErrorClass, ErrorInfo
from ytworker.plugins.discovery import PluginKind
from ytworker.plugins.tracing import LOGGER as HOOKS

log = logging.getLogger(__name__)

_plugins = logging.getLogger("ytworker.plugin")
_OURS = ("ytworker.plugin.", "ytworker.plugins.", "ytworker.hooks")
"""What speaks of plugins in a child; a library keeps its name behind ``ytworker.plugin.``, whatever that is."""
_ODD = re.compile(r"[^\w.:-]+")
_MAX_NAME = 120
_MAX_LEVEL = 2**63
_HIGHEST = 2 * logging.CRITICAL
_MAX_RSS = 2**63

_SIGNS_OF_NONSENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

Learn = Callable[[str, str, str], None]
"""Told about a plugin that a child cannot use: its name, its state and why."""
Survived = Callable[[Plugin], None]
"""Told about a plugin that a child has loaded, or failed to load, and lives on."""


class NonsenseError(Exception):
    """A child sent what no child of ours sends; the message says what.

    Args:
        what: What it did.
        of: The name of another attempt than the one that runs, if it spoke of one.
    """

    def __init__(self, what: str, of: str | None) -> None:
        self.of = of
        super().__init__(what)


def hear(member: Member, line: str, learn: Learn, survived: Survived) -> Attempt | None:
    """Deal with one line of a child, and give the attempt that it ended, if it did.

    Raises:
        NonsenseError: It means nothing.
        StoreError: The queue could not do what it asks for.
    """
    try:
        if is_a("log", line):
            _pass_on(decode(line), member.running)
        elif is_a("state", line):
            _note(member, decode(line), learn, survived)
        else:
            return _converse(member, line)
    except _SIGNS_OF_NONSENSE as error:
        log.debug("not understood: %.200s", line, exc_info=True)
        msg = f"sent a message that the worker does not understand ({type(error).__name__})"
        raise NonsenseError(msg, error.named if isinstance(error, OfAnotherError) else None) from error
    return None


def crashed(code: int) -> ErrorInfo:
    """Say what a child that has ended in the middle of a task did to it."""
    by_limit = code in {-9, -24}  # SIGKILL comes from the system when memory is short, SIGXCPU from a limit
    return ErrorInfo(
        error_class=ErrorClass.RESOURCE if by_limit else ErrorClass.BUG,
        type="ytworker.ChildDied",
        message=f"the process of the plugin {describe(code)} in the middle of the task; report this to its authors",
        fingerprint=f"child-died{code}",
    )


def orphaned(how: str) -> ErrorInfo:
    """Say what has become of a task whose child was killed because the fork server had ended, and how that was."""
    return ErrorInfo(
        error_class=ErrorClass.RESOURCE,
        type="ytworker.ChildDied",
        message=f"the process that starts children {how} in the middle of the task, and all children with it: by the "
        "plugin of this task or of another one that ran then, or for want of memory. If it happens again, report it to "
        "the plugin's authors",
        fingerprint="fork-server-died",
    )


def nonsense(what: str) -> ErrorInfo:
    """Say why a child that sent nonsense has to die."""
    return ErrorInfo(
        error_class=ErrorClass.BUG,
        type="ytworker.ProtocolError",
        message=f"the process of the plugin {what}; report this to its authors",
        fingerprint="protocol",
    )


def _converse(member: Member, line: str) -> Attempt | None:
    running = member.running
    if running is None:
        msg = "nobody asked it"
        raise ValueError(msg)
    answer = running.exchange(line)
    if running.store_error is not None:
        raise running.store_error
    if running.over:
        member.done.add(running.name)
        member.go_on()
        return running
    if not is_a("leave", line):
        member.channel.send(answer)
    return None


def _note(member: Member, message: Message, learn: Learn, survived: Survived) -> None:
    member.rss = whole(message.get("rss", member.rss), 0, _MAX_RSS)
    member.tired = member.tired or message.get("tired") is True
    if "loading" in message:
        if member.loading is not None:
            survived(member.loading)
        plugin_named = message["loading"]
        member.load(None if plugin_named is None else (PluginKind(plugin_named[0]), text(plugin_named[1])))
    plugin: dict[str, Any] | None = message.get("plugin")
    if plugin is not None:
        name = text(plugin["name"])
        if member.running is None or member.running.claim.task.type != name:
            msg = f"it does not work for {name:.80}"
            raise ValueError(msg)
        learn(name, text(plugin["state"]), clean(text(plugin["reason"])))


def _pass_on(message: Message, running: Attempt | None) -> None:
    """Log what a child logs, under a name that cannot be taken for the worker's own.

    No logger is made for it: they are never forgotten, and a plugin may have one for each video.
    """
    level = min(max(0, whole(message["level"], -_MAX_LEVEL, _MAX_LEVEL)), _HIGHEST)  # a logger remembers each level
    name = text(message["name"])
    if not (HOOKS if name == HOOKS.name else _plugins).isEnabledFor(level):
        return
    task = None if running is None else running.claim.task
    told: dict[str, Any] = {} if task is None else {"task_id": task.id, "attempt": task.attempt}
    if not name.startswith(_OURS):
        told["task_type"] = "" if task is None else task.type
        name = f"{_plugins.name}.{name}"
    name = _ODD.sub("_", name)[:_MAX_NAME]
    words = clean(text(message["text"]))
    _plugins.handle(_plugins.makeRecord(name, level, "", 0, "%s", (words,), None, extra=told))
