"""Asking the sites themselves, once, because a person wants to know: ``ytworker doctor --online``.

A distribution that knows a site names a canary in the entry-point group ``ytworker.checks``: a module or object with

* ``check(context) -> str``, which asks for something well known and says in a sentence what it saw, or raises;
* ``get_settings()``, as plugins have it, if it reads settings.

Unlike everything else that ``doctor`` looks at, canaries are imported, into the doctor's own process.
"""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from ytworker.context import Context, Deferred
from ytworker.errors import YtworkerError
from ytworker.health import Check, Status
from ytworker.model import Microseconds, SourceState, Task, TaskStatus, rfc3339
from ytworker.pacing import Quota
from ytworker.plugins.discovery import PluginInfo, PluginKind, PluginState, Policy, discover
from ytworker.plugins.registry import PluginRegistry
from ytworker.redaction import redact, source_name
from ytworker.settings_sections import decode_section

TIMEOUT = timedelta(seconds=60)


def of_sites(
    policy: Policy,
    sections: Mapping[str, Mapping[str, Any]],
    sources: list[SourceState],
    now: Microseconds,
) -> Iterator[Check]:
    """Let every installed canary ask its site.

    Args:
        policy: Which plugins may be used; it holds for canaries too.
        sections: The raw values of the ``[plugins.NAME]`` sections.
        sources: What the queue knows of the sources. One that cools down or is paused is not asked.
        now: Integer UTC microseconds.
    """
    found = discover(policy, [PluginKind.CHECK])
    registry = PluginRegistry(policy, found)
    for info in found.values():
        yield _ask(info, registry, sections, _Port({source.name: source for source in sources}, now))
    if not found:
        yield Check("online", Status.OK, "no installed plugin has anything to ask")


def _ask(info: PluginInfo, registry: PluginRegistry, sections: Mapping[str, Mapping[str, Any]], port: "_Port") -> Check:
    name = f"online {info.name}"
    if info.state is not PluginState.FOUND:
        return Check(name, Status.DEGRADED, f"not asked: {info.reason}")
    try:
        canary = registry.load(info.name, PluginKind.CHECK)
        with redirect_stdout(sys.stderr):  # stdout is for data, and what a canary prints is none
            models = canary.get_settings() if hasattr(canary, "get_settings") else {}
            settings = {each: decode_section(each, model, sections.get(each, {})) for each, model in models.items()}
            return Check(name, Status.OK, redact(str(canary.check(_context(info, port, settings)))))
    except Deferred as wait:
        return Check(name, Status.DEGRADED, f"not asked: {wait.reason}")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is a stranger's code, and what it raises is the answer
        said = str(error) if isinstance(error, YtworkerError) else f"{type(error).__name__}: {error}"
        return Check(name, Status.FAILED, redact(said))


def _context(info: PluginInfo, port: "_Port", settings: Mapping[str, Any]) -> Context:
    task = Task(
        id=0,
        type=info.name,
        state=TaskStatus.CLAIMED,
        params={},
        priority=5,
        attempt=1,
        max_attempts=1,
        timeout_seconds=TIMEOUT.total_seconds(),
        created_at=0,
    )
    logger = logging.getLogger(f"ytworker.check.{info.name}")
    return Context(task=task, port=port, logger=logger, deadline=datetime.now(UTC) + TIMEOUT, settings=settings)


class _Port:
    """The far side of a canary's context: no task stands behind it, so it may ask and nothing else."""

    def __init__(self, sources: Mapping[str, SourceState], now: Microseconds) -> None:
        self._sources = sources
        self._now = now

    def acquire(self, source: str, cost: int, *, hold: bool) -> None:  # noqa: ARG002 - it makes a handful of requests
        known = self._sources.get(source_name(source))
        until = max((known.cooling_until or 0, known.paused_until or 0)) if known else 0
        if known and until > self._now:
            why = f"{source} rests until {rfc3339(until)} ({known.pause_reason or known.reason})"
            raise Deferred(datetime.now(UTC), why)

    def leave(self, source: str) -> None:
        """Give back a place that nobody counts."""

    def hesitate(self, source: str) -> None:
        """Keep nobody from asking: a canary is alone."""

    def reserve(self, source: str, quota: Quota, cost: int) -> NoReturn:  # noqa: ARG002 - refused whatever it is
        _refuse("reserve")

    def left(self, source: str, quota: Quota) -> int:  # noqa: ARG002 - nobody counts what a canary spends
        """Give what there may be at the most."""
        return quota.limit

    def exhaust(self, source: str, quota: Quota) -> None:
        """Take no notice: the next task hears it from the site itself."""

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def cancelled(self) -> bool:
        return False

    def progress(self, done: int, total: int | None, note: str | None) -> None:
        """Show nothing."""

    def suspect(self, reason: str) -> None:
        """Take a doubt for what it is."""
        raise YtworkerError(reason)

    def checkpoint(self, value: Any) -> NoReturn:  # noqa: ARG002 - refused whatever it is
        _refuse("checkpoint")

    def enqueue(self, task_type: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> NoReturn:  # noqa: ARG002
        _refuse("enqueue")


def _refuse(what: str) -> NoReturn:
    msg = f"a check is no task, so it cannot {what}"
    raise RuntimeError(msg)
