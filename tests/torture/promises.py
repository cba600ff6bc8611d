"""Nothing is lost, nothing comes from nowhere, and every run has one holder and one end."""

from collections import Counter
from collections.abc import Iterator

from torture.plan import FINISH
from torture.store import ENDED, Store
from torture.witnesses import FATES, Key, Violation, Witnesses


def no_error_surfaced(seen: Witnesses, _: Store) -> Iterator[Violation]:
    for event in seen.of("error"):
        yield Violation("error", f"{event['who']}: {event['text']}")


def the_file_is_sound(_: Witnesses, store: Store) -> Iterator[Violation]:
    for problem in store.problems:
        yield Violation("damage", problem)
    there = Counter(stored.task.state for stored in store.tasks.values())
    counted = {state: count for state, count in store.counts.items() if count}
    if counted != there:
        yield Violation("damage", f"the queue counts {counted}, there are {dict(there)}")


def nothing_acknowledged_is_lost(seen: Witnesses, store: Store) -> Iterator[Violation]:
    for event in seen.of("enqueued"):
        if event["task"] not in store.tasks:
            yield Violation("lost", f"task {event['task']} was acknowledged to {event['who']} and is not there")


def everything_ends(_: Witnesses, store: Store) -> Iterator[Violation]:
    for number, stored in store.tasks.items():
        if stored.task.state not in ENDED:
            yield Violation("unfinished", f"task {number} is {stored.task.state}")


def nothing_comes_from_nowhere(seen: Witnesses, store: Store) -> Iterator[Violation]:
    known = seen.follow_ups.union(*(event["tags"] for event in seen.of("enqueuing")))
    for tag, count in Counter(stored.tag for stored in store.tasks.values()).items():
        if tag not in known:
            yield Violation("invented", f"nobody enqueued {tag}")
        if count > 1:
            yield Violation("doubled", f"{tag} was enqueued once and is there {count} times")


def a_bulk_is_stored_as_a_whole(seen: Witnesses, store: Store) -> Iterator[Violation]:
    tags = {stored.tag for stored in store.tasks.values()}
    for event in seen.of("enqueuing"):
        found = tags.intersection(event["tags"])
        if not event["keyed"] and found and len(found) < len(event["tags"]):
            yield Violation("torn_bulk", f"{len(found)} of {len(event['tags'])} tasks with {event['tags'][0]}")


def a_fence_has_one_holder(seen: Witnesses, _: Store) -> Iterator[Violation]:
    for (task, fence), claims in seen.claims.items():
        if len(claims) > 1:
            holders = ", ".join(event["who"] for event in claims)
            yield Violation("two_winners", f"task {task} was claimed with fence {fence} by {holders}")


def a_task_is_done_once(seen: Witnesses, store: Store) -> Iterator[Violation]:
    finishes = Counter(task for (task, _), done in seen.done.items() for each in done if each["what"] == FINISH)
    for task, count in finishes.items():
        if count > 1:
            yield Violation("done_twice", f"{count} completions of task {task} were acknowledged")
    for number, stored in store.tasks.items():
        ends = [event.kind for event in stored.events if event.kind in ENDED.values()]
        if len(ends) > 1:
            yield Violation("done_twice", f"task {number} ended as {', '.join(ends)}")


def no_stale_ending_is_accepted(seen: Witnesses, _: Store) -> Iterator[Violation]:
    """An ending that was tried after somebody had received a higher fence must not be acknowledged."""
    for (task, fence), done in seen.done.items():
        claimed_again = min((at for later, at in seen.fences[task] if later > fence), default=None)
        tried = max((event["t"] for event in seen.tries[task, fence]), default=0)
        if claimed_again is not None and claimed_again < tried:
            text = f"task {task}: fence {fence} {done[0]['what']} was acknowledged after it had been claimed again"
            yield Violation("stale_accepted", text)
        if len(done) > 1:
            yield Violation("stale_accepted", f"task {task}: fence {fence} ended {len(done)} times")


def what_was_answered_is_what_happened(seen: Witnesses, store: Store) -> Iterator[Violation]:
    for number, run in store.runs():
        for event in seen.done[number, run.fence]:
            if run.fate not in FATES[event["what"]]:
                text = f"task {number}: fence {run.fence} {event['what']} was acknowledged, and the run was {run.fate}"
                yield Violation("stale_accepted" if run.fate in {"rescued", "cancelled"} else "forgotten", text)
        for event in seen.refused[number, run.fence]:
            # A rescue may kill and a worker that leaves gives back: those are no answers to this ending.
            if run.fate in FATES[event["what"]] - {"died", "returned"}:
                yield Violation("refused", f"task {number}: fence {run.fence} was refused, and yet it was {run.fate}")


def no_more_runs_than_attempts(seen: Witnesses, store: Store) -> Iterator[Violation]:
    begun = Counter(task for task, _ in seen.claims)
    free = Counter(key[0] for key in seen.claims if _may_not_count(seen, store, key))
    for number, stored in store.tasks.items():
        counted = sum(run.fate not in {"deferred", "returned"} for run in stored.runs)
        ran = max(counted, begun[number] - free[number])
        if ran > stored.task.max_attempts:
            yield Violation("too_many_runs", f"task {number} ran {ran} times, allowed are {stored.task.max_attempts}")
        if counted != stored.task.attempt:
            yield Violation("too_many_runs", f"task {number} ran {counted} times and counts {stored.task.attempt}")


def _may_not_count(seen: Witnesses, store: Store, key: Key) -> bool:
    if any(FATES[event["what"]] & {"deferred", "returned"} for event in [*seen.done[key], *seen.unanswered(key)]):
        return True
    run = store.run(key)
    return run is not None and run.fate == "returned" and run.worker in seen.leaving
