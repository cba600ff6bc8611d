"""The offline checker: holds what the processes saw against what the queue says, and finds every broken promise.

It trusts neither side. The histories are witnesses from outside: what they saw acknowledged must be in the queue. The
queue's own events must be explained by the histories: by an answer, or by a try whose process died before the answer.
All times are of one clock. A witness writes before a call and after its answer, and the queue reads the clock before
its transaction, so the comparisons hold however long a call took.

Run ``python -m torture.checker FOLDER`` on the folder of a round to check it once more.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from torture import belongings, explanations, promises
from torture.history import Event, read
from torture.process import Place
from torture.store import Store, load
from torture.witnesses import Violation, Witnesses

RULES = (
    promises.no_error_surfaced,
    promises.the_file_is_sound,
    promises.nothing_acknowledged_is_lost,
    promises.everything_ends,
    promises.nothing_comes_from_nowhere,
    promises.a_bulk_is_stored_as_a_whole,
    promises.a_fence_has_one_holder,
    promises.a_task_is_done_once,
    promises.no_stale_ending_is_accepted,
    promises.what_was_answered_is_what_happened,
    promises.no_more_runs_than_attempts,
    explanations.the_story_is_whole,
    explanations.every_fate_is_explained,
    explanations.nobody_loses_a_live_lease,
    explanations.a_lost_worker_claims_nothing,
    explanations.every_failure_is_remembered,
    explanations.what_is_cancelled_stays_so,
    explanations.refusals_and_rescues_are_counted,
    belongings.items_are_those_of_accepted_endings,
    belongings.follow_ups_are_those_of_accepted_endings,
    belongings.a_key_keeps_others_out,
)


def check(events: Sequence[Event], store: Store) -> list[Violation]:
    """Find every broken promise; an empty list is what a round is for."""
    seen = Witnesses(events)
    return [violation for rule in RULES for violation in rule(seen, store)]


def main() -> int:
    """Check one round again."""
    place = Place(Path(sys.argv[1]).absolute())
    violations = check(read(place.histories), load(place.queue))
    sys.stdout.writelines(f"{violation}\n" for violation in violations)
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main())
