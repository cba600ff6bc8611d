"""Ending one attempt at a time, written once for every backend on top of its ``settle``."""

from collections.abc import Collection, Sequence
from typing import Protocol

from ytworker.errors import StaleClaimError
from ytworker.model import Claim, ErrorInfo, Item, Microseconds, NewTask, Outcome
from ytworker.queue.records import ClaimRequest, Completion, CoolDown, Deferral, Ending, Failure, Return, Settled


class _Settles(Protocol):
    def settle(self, endings: Sequence[Ending], then: ClaimRequest | None = None) -> Settled:
        """See :meth:`ytworker.queue.TaskQueue.settle`."""


class SettleOneByOne:
    """A mixin: the four endings as methods; see :class:`ytworker.queue.TaskQueue` for their contract."""

    def finish(
        self: _Settles,
        claim: Claim,
        items: Sequence[Item],
        outcome: Outcome,
        *,
        suspect: str | None = None,
        sources: Collection[str] = (),
        follow_ups: Sequence[NewTask] = (),
        settings: str | None = None,
    ) -> None:
        """Complete a task."""
        ending = Completion(
            claim=claim,
            outcome=outcome,
            items=items,
            suspect=suspect,
            sources=sources,
            follow_ups=follow_ups,
            settings=settings,
        )
        _refuse_stale(self.settle([ending]))

    def fail(
        self: _Settles,
        claim: Claim,
        error: ErrorInfo,
        *,
        retry_at: Microseconds | None,
        plugin_version: str | None = None,
    ) -> None:
        """Record a failure."""
        _refuse_stale(
            self.settle([Failure(claim=claim, error=error, retry_at=retry_at, plugin_version=plugin_version)])
        )

    def defer(
        self: _Settles,
        claim: Claim,
        until: Microseconds,
        reason: str,
        *,
        source: str | None = None,
        error: ErrorInfo | None = None,
        cool_down: CoolDown | None = None,
        plugin_version: str | None = None,
    ) -> None:
        """Put a task off."""
        ending = Deferral(
            claim=claim,
            until=until,
            reason=reason,
            source=source,
            error=error,
            cool_down=cool_down,
            plugin_version=plugin_version,
        )
        _refuse_stale(self.settle([ending]))

    def release(self: _Settles, claim: Claim, reason: str | None = None) -> None:
        """Put a task back."""
        _refuse_stale(self.settle([Return(claim=claim, reason=reason)]))


def stale_claim(claim: Claim) -> StaleClaimError:
    """Say that a claim no longer holds, in the words of every backend."""
    return StaleClaimError(
        f"task {claim.task.id}: the claim of worker {claim.worker_id} (fence {claim.fence}) no longer holds. "
        "Its lease lapsed and the task went on without it, or the task was cancelled; nothing was written"
    )


def _refuse_stale(settled: Settled) -> None:
    for ending in settled.stale:
        raise stale_claim(ending.claim)
