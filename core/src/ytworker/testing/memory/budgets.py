"""Budgets: how often sources are asked, and what is used of their quotas."""

from ytworker.model import SECOND, Claim, Microseconds, SourceState, TaskStatus
from ytworker.pacing import HOUR, PLACE_SECONDS, STEP_BACK, Admission, Ask, Quota, QuotaUse, Reserved, SourceUse
from ytworker.queue.settling import stale_claim
from ytworker.testing.memory.store import Store, StoredPace, Transaction


def admit(transaction: Transaction, ask: Ask) -> Admission:
    """Let a request go, or say what it has to wait for."""
    state = transaction.store.sources.get(ask.source, SourceState(name=ask.source))
    if state.bars(transaction.now, ask.settings):
        return Admission(barred=state)
    wait = _spend(transaction, ask) if ask.cost else 0
    if wait:
        return Admission(wait, far=ask.finds_far(wait))
    if ask.holder is not None and not _take_place(transaction, ask, ask.holder):
        return Admission(round(PLACE_SECONDS * SECOND), crowded=True)
    return Admission()


def leave(transaction: Transaction, source: str, claim: Claim) -> None:
    """Give a place in flight back."""
    place = (source, claim.task.id)
    if transaction.store.places.get(place) == claim.fence:
        transaction.drop(transaction.store.places, place)
        transaction.drop(transaction.store.failed, place)


def hesitate(transaction: Transaction, source: str, claim: Claim) -> None:
    """Close a source to all but this claim, as long as it has its place."""
    place = (source, claim.task.id)
    if transaction.store.places.get(place) == claim.fence:
        transaction.put(transaction.store.failed, place, claim.fence)


def reserve(transaction: Transaction, source: str, quota: Quota, cost: int, settings: str | None) -> Reserved:
    """Take units of a quota if they suffice."""
    state = transaction.store.sources.get(source, SourceState(name=source))
    if state.bars(transaction.now, settings):
        return Reserved(granted=False, barred=state)
    used, reset = quota_of(transaction.store, source, quota, transaction.now)
    granted = used + cost <= quota.limit
    if granted:
        used += cost
        _save_quota(transaction, source, quota, used, reset)
    return Reserved(granted, used, reset)


def exhaust(transaction: Transaction, source: str, quota: Quota) -> None:
    """Take all that is left of a quota."""
    used, reset = quota_of(transaction.store, source, quota, transaction.now)
    _save_quota(transaction, source, quota, max(used, quota.limit), reset)


def quota_of(store: Store, source: str, quota: Quota, now: Microseconds) -> tuple[int, Microseconds]:
    """Say what is used of a quota, and until when."""
    use = store.quotas.get((source, quota.bucket))
    return quota.current(use.used if use else 0, use.reset if use else 0, now)


def usage(store: Store, now: Microseconds) -> list[SourceUse]:
    """Say how much sources are asked."""
    names = {*store.paces, *(source for source, _ in store.quotas)}
    return [_use_of(store, name, now) for name in sorted(names)]


def _use_of(store: Store, name: str, now: Microseconds) -> SourceUse:
    quotas = tuple(
        QuotaUse(bucket=bucket, used=use.used if use.reset > now else 0, limit=use.limit, reset=use.reset)
        for (source, bucket), use in sorted(store.quotas.items())
        if source == name
    )
    kept = store.paces.get(name)
    if kept is None:
        return SourceUse(name=name, quotas=quotas)
    return SourceUse(
        name=name,
        requests=len(kept.requests),
        last_hour=sum(at > now - HOUR for at in kept.requests),
        per_hour=kept.pace.per_hour,
        in_flight=len(_holders(store, name, now)),
        places=kept.pace.in_flight,
        quotas=quotas,
    )


def _spend(transaction: Transaction, ask: Ask) -> Microseconds:
    """Pay for requests and give the time until their turn; one that is too far off is not paid for."""
    now, store = transaction.now, transaction.store
    kept = store.paces.get(ask.source, StoredPace(0, now, ask.pace, ()))
    full_at, back = kept.full_at, kept.asked_at - now
    requests = kept.requests
    if back >= STEP_BACK:  # nothing may become nearer or farther by that
        requests = tuple(at - back for at in requests)
        full_at -= back
    else:
        now = max(now, kept.asked_at)
    ahead = min(len(requests) + ask.cost - ask.pace.per_hour, len(requests))
    turn, full_after = ask.pace.turn(full_at, ask.cost, now, requests[ahead - 1] if ahead > 0 else None)
    if not ask.finds_far(turn - now):
        full_at, requests = full_after, requests + (turn,) * ask.cost
    transaction.put(store.paces, ask.source, StoredPace(full_at, now, ask.pace, requests))
    return turn - now


def _take_place(transaction: Transaction, ask: Ask, claim: Claim) -> bool:
    held = _holders(transaction.store, ask.source, transaction.now)
    failed = [task_id for task_id in held if _has_failed(transaction.store, ask.source, task_id)]
    if min(failed, default=claim.task.id) != claim.task.id:
        return False
    if claim.task.id in held and transaction.store.places[ask.source, claim.task.id] == claim.fence:
        return True
    if len(held) >= ask.pace.in_flight:
        return False
    transaction.put(transaction.store.places, (ask.source, claim.task.id), claim.fence)
    if claim.task.id not in _holders(transaction.store, ask.source, transaction.now):
        raise stale_claim(claim)
    return True


def _has_failed(store: Store, source: str, task_id: int) -> bool:
    place = (source, task_id)
    return place in store.failed and store.failed[place] == store.places[place]


def _holders(store: Store, source: str, now: Microseconds) -> list[int]:
    """Give the tasks that hold a place: what an attempt has left behind counts no more."""
    found = [(store.tasks.get(task_id), fence) for (name, task_id), fence in store.places.items() if name == source]
    return [
        task.id
        for task, fence in found
        if task is not None
        and (task.state, task.fence) == (TaskStatus.CLAIMED, fence)
        and task.owner in store.workers
        and store.workers[task.owner].lease_until >= now
    ]


def _save_quota(transaction: Transaction, source: str, quota: Quota, used: int, reset: Microseconds) -> None:
    use = QuotaUse(bucket=quota.bucket, used=used, limit=quota.limit, reset=reset)
    transaction.put(transaction.store.quotas, (source, quota.bucket), use)
