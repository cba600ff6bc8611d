"""The queue's own story of every task: whole, and each turn of it explained by a witness."""

from collections.abc import Iterator

from torture.store import ENDED, LAPSED, Run, Store, Stored
from torture.witnesses import FATES, Violation, Witnesses

FOREVER = 2**63


def the_story_is_whole(seen: Witnesses, store: Store) -> Iterator[Violation]:
    for number, stored in store.tasks.items():
        kinds = [event.kind for event in stored.events]
        end = ENDED.get(stored.task.state)
        if end is not None and kinds[-1:] != [end]:
            yield Violation("story", f"task {number} is {stored.task.state} after {kinds}")
        if held := [run.fence for run in stored.runs[:-1] if run.fate is None]:
            yield Violation("unexplained_run", f"task {number} was claimed again while fence {held[0]} held it")
    for key, claims in seen.claims.items():
        run = store.run(key)
        if run is None or run.worker != claims[0]["worker"]:
            yield Violation("story", f"the claim of task {key[0]} with fence {key[1]} is not in the queue's events")


def every_fate_is_explained(seen: Witnesses, store: Store) -> Iterator[Violation]:
    """By an answer, by a try whose process died before the answer, or by whoever else may end a run."""
    for number, run in store.runs():
        if run.fate is not None and not _is_explained(seen, store.tasks[number], run):
            yield Violation("unexplained_run", f"task {number}: nobody knows why fence {run.fence} was {run.fate}")


def _is_explained(seen: Witnesses, stored: Stored, run: Run) -> bool:
    key = (stored.task.id, run.fence)
    if any(run.fate in FATES[event["what"]] for event in [*seen.done[key], *seen.unanswered(key)]):
        return True
    if run.fate == "cancelled":
        return stored.task.id in seen.cancelling
    if run.fate == "returned":
        return run.worker in seen.leaving
    lapsed = {attempt.worker_id for attempt in stored.attempts if attempt.error.type == LAPSED}
    return run.fate in {"rescued", "died"} and run.worker in lapsed


def nobody_loses_a_live_lease(seen: Witnesses, store: Store) -> Iterator[Violation]:
    for number, stored in store.tasks.items():
        for attempt in stored.attempts:
            early = seen.leases.get(attempt.worker_id, 0) - attempt.at
            if attempt.error.type == LAPSED and early > 0:
                text = f"task {number} was taken from worker {attempt.worker_id} {early} us before its lease ended"
                yield Violation("early_rescue", text)


def a_lost_worker_claims_nothing(seen: Witnesses, store: Store) -> Iterator[Violation]:
    """Whoever received a task that was taken from a worker knows that this one had lost its lease by then."""
    lost: dict[int | None, int] = {}
    for number, run in store.runs():
        lapsed = {each.worker_id for each in store.tasks[number].attempts if each.error.type == LAPSED}
        if run.fate == "rescued" and run.worker in lapsed:
            known = [at for fence, at in seen.fences[number] if fence > run.fence]
            lost[run.worker] = min([*known, lost.get(run.worker, FOREVER)])
    for (task, fence), claims in seen.claims.items():
        for event in claims:
            if event["asked"] > lost.get(event["worker"], FOREVER):
                text = f"task {task}: fence {fence} was given to worker {event['worker']}, which had lost its lease"
                yield Violation("lost_claim", text)


def every_failure_is_remembered(_: Witnesses, store: Store) -> Iterator[Violation]:
    for number, stored in store.tasks.items():
        failed = sum(run.fate in {"retried", "rescued", "died"} for run in stored.runs)
        if failed != len(stored.attempts):
            yield Violation("forgotten", f"task {number}: {failed} failed runs, {len(stored.attempts)} in its history")


def what_is_cancelled_stays_so(seen: Witnesses, store: Store) -> Iterator[Violation]:
    for event in seen.of("cancelled"):
        states = [store.tasks[number].task.state for number in event["tasks"] if number in store.tasks]
        if states.count("cancelled") < event["count"]:
            yield Violation("cancelled", f"{event['count']} of {event['tasks']} were cancelled, they are {states}")


def refusals_and_rescues_are_counted(seen: Witnesses, store: Store) -> Iterator[Violation]:
    """A refused write of a cancelled task may not count, and one whose process died before the answer may."""
    refused = seen.of("refused")
    sure = sum(store.state(event["task"]) != "cancelled" for event in refused)
    answered = {(event["task"], event["fence"], event["what"]) for event in seen.of("done", "refused")}
    unknown = sum((event["task"], event["fence"], event["what"]) not in answered for event in seen.of("try"))
    if not sure <= store.stale_writes <= len(refused) + unknown:
        text = f"{store.stale_writes} stale writes are counted; between {sure} and {len(refused) + unknown} happened"
        yield Violation("counter", text)
    rescued = sum(attempt.error.type == LAPSED for stored in store.tasks.values() for attempt in stored.attempts)
    if store.rescued != rescued:
        yield Violation("counter", f"{store.rescued} rescued tasks are counted, {rescued} are in the history")
