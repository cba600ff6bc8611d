"""What a person looks at when something is odd: versions, the store, the plugins, and what has grown old.

Everything is found through metadata; no plugin is imported.
"""

import platform
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from ytworker._version import __version__
from ytworker.errors import QueueError
from ytworker.health import DISK_FLOOR, Check, Status, clock, disk
from ytworker.model import Microseconds, to_datetime
from ytworker.plugins.discovery import CORE, USABLE, PluginInfo
from ytworker.queue import QueueFacts
from ytworker.service import Service

OLD_DAYS = 45
"""A library that follows a site and tells its version by the day is too old then: sites change every few weeks."""

_FAMILY = "ytworker"
_DATED = re.compile(r"(20\d\d)\.(\d{1,2})\.(\d{1,2})(?!\d)")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SCARCE_FILES = 256


def of_program() -> list[Check]:
    """Tell what runs here."""
    python = f"Python {platform.python_version()} ({sys.executable}) on {platform.platform()}"
    return [Check("ytworker", Status.OK, f"{__version__}, {python}"), *_open_files()]


def _open_files() -> list[Check]:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return []
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in {resource.RLIM_INFINITY, -1} or soft >= _SCARCE_FILES:
        return []
    return [Check("open files", Status.DEGRADED, f"a process may open only {soft}; raise it: ulimit -n 1024")]


def of_plugins(infos: Iterable[PluginInfo], today: date) -> list[Check]:
    """Tell the state of every plugin, and which of the libraries behind them have grown old."""
    checks = []
    owners = set()
    for info in infos:
        if info.distribution == CORE:
            continue
        usable = info.state in USABLE
        text = f"{info.kind} of {info.distribution} {info.version or ''}".strip()
        status = Status.OK if usable else Status.DEGRADED
        checks.append(
            Check(f"plugin {info.name}", status, text if usable else f"{text} is {info.state}: {info.reason}")
        )
        owners.add(info.distribution or "")
    return [*checks, *_ages(sorted(owners - {""}), today)]


def _ages(owners: Iterable[str], today: date) -> Iterator[Check]:
    """Look at what plugins and our own libraries require and what carries its day in its version."""
    for name, version in sorted(_required(owners).items()):
        match = _DATED.match(version)
        day = _day(match) if match else None
        if day is None:
            continue
        age = (today - day).days
        if age > OLD_DAYS:
            why = f"{version} is {age} days old, and sites change faster; upgrade it: pip install --upgrade {name}"
            yield Check(name, Status.DEGRADED, why)
        else:
            yield Check(name, Status.OK, version)


def _required(owners: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: set[str] = set()
    pending = list(owners)
    while pending:
        owner = pending.pop()
        here = None if owner in seen else _installed(owner)
        seen.add(owner)
        for requirement in (here.requires or ()) if here else ():
            match = _NAME.match(requirement)
            other = _installed(match.group()) if match and "extra ==" not in requirement else None
            if match and other is not None:
                found[match.group()] = other.version
                pending += [match.group()] if match.group().startswith(_FAMILY) else []
    return found


def _installed(name: str) -> Distribution | None:
    try:
        found = distribution(name)
        damaged = not found.version
    except (PackageNotFoundError, KeyError, ValueError, OSError, TypeError):  # not there, or its metadata is damaged
        return None
    return None if damaged else found


def _day(match: re.Match[str]) -> date | None:
    try:
        return datetime(*map(int, match.groups()), tzinfo=UTC).date()  # type: ignore[misc, arg-type]
    except ValueError:
        return None


def of_queue(service: Service, *, now: Microseconds, disk_floor: int = DISK_FLOOR) -> list[Check]:
    """Tell how the store is, and look through it for damage, which reads all of it."""
    queue = service.queue
    facts = queue.facts() if isinstance(queue, QueueFacts) else {}
    checks = [Check(name.replace("_", " "), Status.OK, str(value)) for name, value in facts.items()]
    checks = [check for check in checks if check.name not in {"free bytes", "journal mode"}]
    if "journal_mode" in facts:
        checks.append(_journal(str(facts["journal_mode"])))
    checks += disk(service, disk_floor)
    checks.append(clock(queue.workers(), now))
    checks.append(_damage(service))
    others = sorted({worker.version for worker in service.living_workers()} - {__version__})
    if others:
        why = f"workers of version {', '.join(others)} are running beside this {__version__}; start them anew"
        checks.append(Check("workers", Status.DEGRADED, why))
    return checks


def _journal(mode: str) -> Check:
    if mode == "wal":
        return Check("journal mode", Status.OK, mode)
    why = f"it is {mode} and should be wal: others switched it. Stop them; the next start of ytworker switches it back"
    return Check("journal mode", Status.DEGRADED, why)


def _damage(service: Service) -> Check:
    try:
        problems = service.care().check()
    except QueueError as error:
        return Check("check", Status.OK, str(error))
    if not problems:
        return Check("check", Status.OK, "nothing is wrong with the queue")
    why = "; ".join(f"{each.message} ({each.count})" for each in problems)
    return Check("check", Status.FAILED, f"{why}. `ytworker db check` tells more")


def day_of(now: Microseconds) -> date:
    """Give the day of a moment, in UTC."""
    return to_datetime(now).date()
