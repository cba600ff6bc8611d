"""Finding plugins by their metadata alone: nothing is imported here.

Entry points tell what is installed; the block list, the requirement on the core and the names taken twice tell what
may be loaded. What a plugin really is shows when :mod:`ytworker.plugins.registry` loads it.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import TYPE_CHECKING, Any

from ytworker._version import __version__

if TYPE_CHECKING:
    from packaging.requirements import Requirement

CORE = "ytworker"
NAMELESS = "?"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class PluginState(StrEnum):
    """What can be said of a plugin."""

    FOUND = "found"
    LOADED = "loaded"
    BLOCKED = "blocked"
    INCOMPATIBLE = "incompatible"
    CONFLICT = "conflict"
    BROKEN = "broken"
    MISSING = "missing"


class PluginKind(StrEnum):
    """What a plugin is for; each has its entry-point group."""

    WORKER = "worker"
    EXTENSION = "extension"
    QUEUE = "queue"
    COMMAND = "command"
    CHECK = "check"

    @property
    def group(self) -> str:
        """The entry-point group."""
        return f"ytworker.{self.value}s"


USABLE = frozenset({PluginState.FOUND, PluginState.LOADED})

# So that an unknown type can name the package to install; the only place where the core knows first-party names.
FIRST_PARTY = {
    "channel_scrape": "ytworker-channel",
    "trending_scrape": "ytworker-trending",
    "keyword_search": "ytworker-keyword",
    "api_scrape": "ytworker-api",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Which plugins may be used: names of entry points or of distributions.

    Attributes:
        only: If not empty, nothing else is used.
        block: Never used.
        no_plugins: Nothing is used.
        prefer: Distributions that win where two provide the same name.
    """

    only: Collection[str] = ()
    block: Collection[str] = ()
    no_plugins: bool = False
    prefer: Collection[str] = ()

    def verdict(self, name: str, distribution: str) -> str | None:
        """Say why a plugin must not be used, or None."""
        if self.no_plugins:
            return "plugins are switched off by --no-plugins"
        if _mentions(self.block, name, distribution):
            return f"blocked by you; `ytworker plugins unblock {name}` lifts a lasting block"
        if self.only and not _mentions(self.only, name, distribution):
            return "not on the list of allowed plugins (--only or YTWORKER_ONLY)"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """What is known of one plugin.

    Attributes:
        name: The entry-point name; of a worker plugin, its task type.
        kind: What it is for.
        distribution: The installed distribution that brings it, if any.
        version: The version of that distribution.
        state: Whether it can be used.
        summary: The one-line summary of the distribution.
        reason: Why it cannot be used, and what to do about it.
        entry_point: Where to load it from.
        rivals: The distributions that provide it too, where it is in conflict.
    """

    name: str
    kind: PluginKind
    state: PluginState
    distribution: str | None = None
    version: str | None = None
    summary: str | None = None
    reason: str | None = None
    entry_point: EntryPoint | None = field(default=None, repr=False, compare=False)
    rivals: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Give the stable JSON shape of ``plugins list``."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "distribution": self.distribution,
            "version": self.version,
            "status": self.state.value,
            "summary": self.summary,
            "reason": self.reason,
        }

    def about(self) -> dict[str, Any]:
        """Give what else the metadata tells: the core it needs, its licence and its pages; nothing is imported."""
        distribution = self.entry_point.dist if self.entry_point else None
        if distribution is None or self.state is PluginState.BROKEN:
            return {}
        metadata = distribution.metadata
        needs = [text for text in distribution.requires or () if canonical(re.split(r"[^\w.-]", text)[0]) == CORE]
        return {
            "entry_point": self.entry_point.value if self.entry_point else None,
            "requires": _CONTROL.sub("", ", ".join(needs)) or None,
            "licence": _first(metadata.get_all("License-Expression") or metadata.get_all("License")),
            "pages": [_CONTROL.sub("", text) for text in metadata.get_all("Project-URL") or ()],
        }


Catalogue = Mapping[tuple[PluginKind, str], PluginInfo]


def discover(policy: Policy, kinds: Iterable[PluginKind] = PluginKind) -> Catalogue:
    """List what is installed and whether it may be loaded, sorted by kind and name."""
    catalogue: dict[tuple[PluginKind, str], PluginInfo] = {}
    for kind, declared in _declared(kinds).items():
        claims = _by_name(declared)
        for name in sorted(claims):
            catalogue[kind, name] = _judge(policy, kind, name, claims[name])
    return catalogue


def plugin_distributions(name: str | None = None) -> set[str]:
    """Name the installed distributions that bring plugins; those of one name, if one is given. The core is none."""
    infos = [info for info in discover(Policy()).values() if name is None or info.name == name]
    owners = {owner for info in infos for owner in (*info.rivals, info.distribution)}
    return {owner for owner in owners if owner and owner not in {CORE, NAMELESS}}


def missing(kind: PluginKind, name: str, known: Iterable[str]) -> PluginInfo:
    """Describe a plugin that is asked for and not installed."""
    package = FIRST_PARTY.get(name)
    installed = ", ".join(sorted(known)) or "none"
    cure = f"install it: pip install {package}" if package else f"installed are: {installed}"
    reason = f"no installed distribution provides {name!r}; {cure}"
    return PluginInfo(name=name, kind=kind, state=PluginState.MISSING, reason=reason)


def _declared(kinds: Iterable[PluginKind]) -> dict[PluginKind, list[EntryPoint]]:
    """Read the entry points of everything that is installed; a damaged distribution must not hide the others."""
    wanted = list(kinds)
    try:
        installed = entry_points()
        return {kind: list(installed.select(group=kind.group)) for kind in wanted}
    except Exception:  # noqa: BLE001 - whatever is in those files
        found = list(_one_by_one())
        return {kind: [each for each in found if each.group == kind.group] for kind in wanted}


def _one_by_one() -> Iterator[EntryPoint]:
    """Do what ``entry_points()`` does, without those that cannot be read."""
    known: set[str] = set()
    for distribution in distributions():
        try:
            name, declared = distribution.name, list(distribution.entry_points)
        except Exception:  # noqa: BLE001, S112 - damaged, and no plugin can be named in it
            continue
        if name not in known:
            known.add(name)
            yield from declared


def _by_name(found: Iterable[EntryPoint]) -> dict[str, dict[str, EntryPoint]]:
    """Sort by name and distribution; of one that is found twice the first on the path wins, as in imports."""
    claims: dict[str, dict[str, EntryPoint]] = defaultdict(dict)
    for entry_point in found:
        claims[entry_point.name].setdefault(_owner(entry_point), entry_point)
    return claims


def _owner(entry_point: EntryPoint) -> str:
    try:
        return canonical(entry_point.dist.name) if entry_point.dist else NAMELESS
    except Exception:  # noqa: BLE001 - metadata that is not there, or no text
        return NAMELESS


def _judge(policy: Policy, kind: PluginKind, name: str, claims: Mapping[str, EntryPoint]) -> PluginInfo:
    """Ask in this order: blocked? fits this core? claimed twice?"""
    candidates = {owner: _describe(policy, kind, entry_point) for owner, entry_point in claims.items()}
    usable = {owner: info for owner, info in candidates.items() if info.state is PluginState.FOUND}
    if CORE in usable:  # no plugin takes the place of what is built in
        return usable[CORE]
    preferred = [owner for owner in usable if _mentions(policy.prefer, owner, owner)]
    if len(preferred) == 1:
        return usable[preferred[0]]
    if len(usable) > 1:
        owners = " and ".join(sorted(usable))
        reason = f"{owners} both provide {name!r}; choose one: ytworker plugins prefer {min(usable)}"
        return replace(usable[min(usable)], state=PluginState.CONFLICT, reason=reason, rivals=tuple(usable))
    return next(iter(usable.values()), candidates[min(candidates)])


def _describe(policy: Policy, kind: PluginKind, entry_point: EntryPoint) -> PluginInfo:
    distribution = entry_point.dist
    owner = _owner(entry_point)
    info = PluginInfo(
        name=entry_point.name, kind=kind, state=PluginState.FOUND, distribution=owner, entry_point=entry_point
    )
    blocked = policy.verdict(entry_point.name, owner) if owner != CORE else None
    if distribution is not None and owner != NAMELESS:
        summary = next(iter(distribution.metadata.get_all("Summary") or ()), None)
        info = replace(info, version=distribution.version, summary=_CONTROL.sub("", summary) if summary else None)
    if blocked is not None:
        return replace(info, state=PluginState.BLOCKED, reason=blocked)
    if distribution is None or owner == NAMELESS:
        reason = "the metadata of its distribution cannot be read; install it anew, or remove what is left of it"
        return replace(info, state=PluginState.BROKEN, reason=reason)
    misfit = _misfit(distribution) if owner != CORE else None
    if misfit is not None:
        return replace(info, state=PluginState.INCOMPATIBLE, reason=misfit)
    return info


def _misfit(distribution: Distribution) -> str | None:
    """Say why a distribution does not fit this core; pip only warns when the core outgrows a bound."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - --help needs none of it

    for text in distribution.requires or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # pip's business, and it may concern another package
        if canonical(requirement.name) != CORE or _conditional(requirement):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            return (
                f"it needs ytworker{requirement.specifier}, this is {__version__}; "
                f"upgrade it: pip install --upgrade {distribution.name}"
            )
    return None


def _first(texts: list[str] | None) -> str | None:
    return _CONTROL.sub("", texts[0]) if texts else None


def _conditional(requirement: "Requirement") -> bool:
    return requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})


def canonical(name: str) -> str:
    """Write a distribution's name the one way that PEP 503 knows, without the 50 ms that packaging takes to import."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _mentions(names: Collection[str], name: str, distribution: str) -> bool:
    return name in names or any(canonical(given) == distribution for given in names)
