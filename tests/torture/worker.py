"""A worker of the torture: claims in every order, ends its tasks in every way, and now and then hangs or leaves."""

import time
from collections.abc import Callable
from functools import partial

from torture.history import Event, now
from torture.plan import BURY, DEFER, FINISH, RETRY, Plan, plan
from torture.process import LEFT, OVER, TYPES, Place, Process
from torture.witnesses import CHECKPOINT, PROGRESS

from ytworker.errors import StaleClaimError
from ytworker.model import SECOND, Claim, ErrorClass, ErrorInfo, Item, NewTask, Outcome, TaskStatus
from ytworker.queue import (
    ClaimingStrategy,
    ClaimRequest,
    Completion,
    Deferral,
    Ending,
    Enqueued,
    Failure,
    Return,
    get_strategy,
)

IDLE_SECONDS = 0.002
RESCUING_SHARE = 0.05
LEAVING_SHARE = 0.003
HANGING_SHARE, LINGERING_SHARE = 1.5, 0.6
"""Of the lease."""
LIVE = (TaskStatus.QUEUED, TaskStatus.SCHEDULED, TaskStatus.CLAIMED)
FAILURE = ErrorInfo(error_class=ErrorClass.TRANSIENT, type="torture.Failure", message="as planned")


class Worker(Process):
    """One worker process.

    Args:
        place: Where.
        who: Names its history.
        seed: Of its choices.
        lease_seconds: Short, so that much is rescued.
    """

    def __init__(self, place: Place, who: str, seed: str, lease_seconds: float) -> None:
        super().__init__(place, who, seed)
        self.seed = seed
        self.lease_seconds = lease_seconds
        self.enqueued = 0
        self.register()

    def live(self) -> int:
        held: list[Claim] = []
        while held or not self.is_over():
            self.keep_lease()
            if self.draw.random() < RESCUING_SHARE:
                self.queue.rescue()
            self.take_time(held)
            self.save(held)
            held = self.go_on(held)
            if not held:
                time.sleep(IDLE_SECONDS)
            if self.draw.random() < LEAVING_SHARE:
                return self.leave(LEFT)
        return self.leave(OVER)

    def leave(self, ended: int) -> int:
        """Give back whatever is held."""
        self.history.write({"event": "leaving", "worker": self.id})
        self.queue.remove_worker(self.id)
        return ended

    def is_over(self) -> bool:
        if not self.place.all_enqueued.exists():
            return False
        counts = self.queue.counts()
        return not any(counts[state] for state in LIVE)

    # -- the lease

    def register(self) -> None:
        before = now()
        self.id = self.queue.add_worker(lease_seconds=self.lease_seconds)
        self.leased(before)

    def keep_lease(self) -> None:
        before = now()
        if before < self.renewed_at + self.lease_seconds * SECOND / 3:
            return
        if self.queue.renew(self.id, lease_seconds=self.lease_seconds):
            self.leased(before)
        else:
            self.register()

    def leased(self, before: int) -> None:
        self.renewed_at = before
        until = before + round(self.lease_seconds * SECOND)
        self.history.write({"event": "leased", "worker": self.id, "until": until})

    # -- the tasks

    def plan(self, claim: Claim) -> Plan:
        return plan(self.seed, claim.task.id, claim.fence, grown_up=not claim.task.params["tag"].startswith("f"))

    def take_time(self, held: list[Claim]) -> None:
        plans = [self.plan(claim) for claim in held]
        if any(plan.hangs for plan in plans):
            time.sleep(self.lease_seconds * HANGING_SHARE)
        elif any(plan.lingers for plan in plans):
            time.sleep(self.lease_seconds * LINGERING_SHARE)

    def save(self, held: list[Claim]) -> None:
        for claim in held:
            if saved := self.plan(claim).saved:
                checkpoint = partial(self.queue.checkpoint, claim, _items(saved), {"fence": claim.fence})
                self.attempt({**_of(claim), "what": CHECKPOINT, "items": saved}, checkpoint)
                progress = partial(self.queue.progress, claim, 1, 2, None)
                self.attempt({**_of(claim), "what": PROGRESS}, progress)

    def go_on(self, held: list[Claim]) -> list[Claim]:
        """End what is held and claim the next, in one step or in many."""
        limit = self.draw.choice([1, 1, 2, 5])
        if not held and self.draw.random() < 0.02:
            return self.bring_one()
        if self.draw.random() < 0.5:
            return self.settle(held, limit)
        for claim in held:
            self.end(claim)
        return self.claim(limit)

    def claim(self, limit: int) -> list[Claim]:
        asked = now()
        claims = self.queue.claim(self.id, self.strategy(), TYPES, limit=limit)
        self.history.write(*(_claimed(claim, asked) for claim in claims))
        return claims

    def settle(self, held: list[Claim], limit: int) -> list[Claim]:
        endings = [self.ending(claim) for claim in held]
        events = [self.event(claim) for claim in held]
        self.history.write(*({"event": "try", **event} for event in events))
        request = ClaimRequest(worker_id=self.id, strategy=self.strategy(), types=TYPES, limit=limit)
        asked = now()
        settled = self.queue.settle(endings, request)
        stale = {(ending.claim.task.id, ending.claim.fence) for ending in settled.stale}
        self.history.write(
            *(
                {"event": "refused" if (event["task"], event["fence"]) in stale else "done", **event}
                for event in events
            ),
            *(_claimed(claim, asked) for claim in settled.claims),
        )
        return settled.claims

    def end(self, claim: Claim) -> None:
        self.attempt(self.event(claim), lambda: self.call(self.ending(claim)))

    def attempt(self, event: Event, call: Callable[[], None]) -> None:
        self.history.write({"event": "try", **event})
        try:
            call()
        except StaleClaimError:
            self.history.write({"event": "refused", **event})
        else:
            self.history.write({"event": "done", **event})

    def call(self, ending: Ending) -> None:
        if isinstance(ending, Completion):
            self.queue.finish(ending.claim, ending.items, ending.outcome, follow_ups=ending.follow_ups)
        elif isinstance(ending, Failure):
            self.queue.fail(ending.claim, ending.error, retry_at=ending.retry_at)
        elif isinstance(ending, Deferral):
            self.queue.defer(ending.claim, ending.until, ending.reason)
        else:
            self.queue.release(ending.claim, ending.reason)

    def ending(self, claim: Claim) -> Ending:
        plan = self.plan(claim)
        later = now() + plan.wait_us
        if plan.ending == FINISH:
            outcome = Outcome.OK if plan.items else Outcome.EMPTY
            follow_ups = [NewTask(type="a", params={"tag": tag}, max_attempts=2) for tag in plan.follow_ups]
            return Completion(claim=claim, outcome=outcome, items=_items(plan.items), follow_ups=follow_ups)
        if plan.ending == DEFER:
            return Deferral(claim=claim, until=later, reason="as planned")
        if plan.ending in (RETRY, BURY):
            last = plan.ending == BURY or claim.task.attempt >= claim.task.max_attempts
            return Failure(claim=claim, error=FAILURE, retry_at=None if last else later)
        return Return(claim=claim, reason="as planned")

    def event(self, claim: Claim) -> Event:
        plan = self.plan(claim)
        found = {"items": plan.items, "follow_ups": plan.follow_ups} if plan.ending == FINISH else {}
        return {**_of(claim), "what": plan.ending, **found}

    def bring_one(self) -> list[Claim]:
        """Enqueue a task and claim it at once."""
        self.enqueued += 1
        task = NewTask(type="b", params={"tag": f"{self.who}-{self.enqueued}"}, max_attempts=3)
        self.history.write({"event": "enqueuing", "tags": [task.params["tag"]], "keyed": False})
        asked = now()
        claim = self.queue.enqueue_and_claim(task, self.id)
        if isinstance(claim, Enqueued):  # the lease had lapsed: stored, but not claimed
            self.history.write({"event": "enqueued", "tag": task.params["tag"], "task": claim.id, "created": True})
            return []
        event = {"event": "enqueued", "tag": task.params["tag"], "task": claim.task.id, "created": True}
        self.history.write(event, _claimed(claim, asked))
        return [claim]

    def strategy(self) -> ClaimingStrategy:
        return get_strategy(
            self.draw.choice(sorted(self.queue.orders())), aging_seconds=self.draw.choice([None, None, 0.05])
        )


def _of(claim: Claim) -> Event:
    return {"task": claim.task.id, "fence": claim.fence, "worker": claim.worker_id}


def _claimed(claim: Claim, asked: int) -> Event:
    task = claim.task
    return {
        "event": "claimed",
        **_of(claim),
        "asked": asked,
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
    }


def _items(ids: list[str]) -> list[Item]:
    return [Item(source="torture", id=name, title=name) for name in ids]
