"""What a scrape expects of its answer, so that a hollow or mixed-up one does not pass for data.

A plugin says it with :meth:`ytworker.Context.expect`; the engine looks at each item where the plugin runs. An item that
misses is kept apart. When many miss, the answer as a whole is wrong, and the attempt fails as ``suspect``.
"""

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from ytworker.errors import SuspectError
from ytworker.model import Item

TOLERANCE = 0.2
"""Which share of the items may miss before all are doubted. One that misses among several is always doubted alone."""

Test = Callable[[Item], bool]
Identity = Test | Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """See :meth:`ytworker.Context.expect`.

    Raises:
        ValueError: It names a field that no item has, or a number that makes no sense.
    """

    minimum: int = 0
    required: tuple[str, ...] = ()
    identity: Identity | None = None
    where: Test | None = None
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        names = [*self.required, *(self.identity if isinstance(self.identity, Mapping) else ())]
        problems = [problem for name in names if (problem := _problem_of(name))]
        if self.minimum < 0:
            problems.append(f"minimum is a number of items, not {self.minimum}")
        if not 0 <= self.tolerance <= 1:
            problems.append(f"tolerance is a share between 0 and 1, not {self.tolerance}")
        if problems:
            msg = "context.expect(): " + "; ".join(problems)
            raise ValueError(msg)

    def misses(self, item: Item) -> Iterator[str]:
        """Give what an item misses, in words that are equal for equal misses."""
        yield from (f"no {name}" for name in self.required if value_of(item, name) in (None, ""))
        if isinstance(self.identity, Mapping):
            wrong = [name for name, wanted in self.identity.items() if value_of(item, name) != wanted]
            yield from (f"another {name} than was asked for" for name in wrong)
        elif self.identity is not None and not self.identity(item):
            yield "not what was asked for"


@dataclass(slots=True)
class _Tally:
    expectation: Expectation
    looked_at: int = 0
    missed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def look_at(self, item: Item) -> list[str]:
        if self.expectation.where is not None and not self.expectation.where(item):
            return []
        misses = list(self.expectation.misses(item))
        self.looked_at += 1
        self.missed += bool(misses)
        self.reasons.update(misses)
        return misses

    def verdict(self) -> str | None:
        whole = self.missed == self.looked_at
        if not self.missed or not (whole or self.missed > max(1, self.expectation.tolerance * self.looked_at)):
            return None
        return ", ".join(
            f"{reason} in {count} of {self.looked_at} items ({count / self.looked_at:.0%})"
            for reason, count in self.reasons.most_common()
        )


class Expectations:
    """Everything that one attempt expects, and what it has seen so far.

    Args:
        stored: How many items earlier attempts have stored; None where nobody knows, and no least number can be asked.
    """

    def __init__(self, stored: int | None = 0) -> None:
        self._stored = stored
        self._tallies: list[_Tally] = []
        self._seen = 0

    def add(self, expectation: Expectation) -> None:
        """Expect something more of the items that follow."""
        self._tallies.append(_Tally(expectation))

    def look_at(self, item: Item) -> str | None:
        """Say why an item is doubted, or None."""
        self._seen += 1
        return "; ".join(miss for tally in self._tallies for miss in tally.look_at(item)) or None

    def judge(self, *, ended: bool) -> None:
        """Look at all items so far.

        Args:
            ended: Whether these were all; before a checkpoint they are not, and their number is no miss.

        Raises:
            SuspectError: Too many of them miss, or there are too few.
        """
        problems = [verdict for tally in self._tallies if (verdict := tally.verdict())]
        least = max((tally.expectation.minimum for tally in self._tallies), default=0)
        if ended and self._stored is not None and self._stored + self._seen < least:
            problems.append(f"{self._stored + self._seen} items where at least {least} were expected")
        if problems:
            msg = (
                f"the answer is not what was expected: {'; '.join(problems)}. Its items are kept apart "
                "(`ytworker items list --suspect`); look whether the site has changed"
            )
            raise SuspectError(msg)


def value_of(item: Item, name: str) -> Any:
    """Give the value behind a dotted name, such as ``metrics.views`` or ``extra.chapters``, or None."""
    value: Any = item
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    return value.strip() if isinstance(value, str) else value


def _problem_of(name: str) -> str | None:
    """Say what is wrong with the name of a field: a misspelt one would be missing in every item."""
    model: Any = Item
    for part in name.split("."):
        if model is dict:
            return None
        fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
        if part not in fields:
            guess = difflib.get_close_matches(part, fields, n=1)
            return f"items have no field {name!r}" + (f"; did you mean {guess[0]!r}?" if guess else "")
        model = dict if part == "extra" else fields[part].annotation
    return None
