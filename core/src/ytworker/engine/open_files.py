"""How many files a child may still open: what its tasks have left open must not be missing to the next one."""

import resource
from dataclasses import dataclass, field

from ytworker.plugins.wants import next_descriptor

_PLENTY = 0.75
"""Which share of the open files that are allowed may be in use, before a process had better end."""


def _limits() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_NOFILE)


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """How many files this process may have open, as it was in the beginning."""

    limits: tuple[int, int] = field(default_factory=_limits)

    def are_scarce(self) -> bool:
        """Tell whether hardly any can be opened any more, or the limit was changed; costs some microseconds."""
        number, soft = next_descriptor(), self.limits[0]
        return number is None or _limits() != self.limits or (soft > 0 and number > _PLENTY * soft)
