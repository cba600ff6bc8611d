"""What is written down of a result, as values."""

from ytworker.engine.retry import Decision, Defer, Release
from ytworker.model import Claim, ErrorClass, ErrorInfo, Microseconds, TaskResult
from ytworker.queue import Completion, CoolDown
from ytworker.redaction import redact


def refused(result: TaskResult, error: Exception) -> TaskResult:
    """Give what is left of a result: whatever it carried may be what was refused."""
    info = ErrorInfo(
        error_class=ErrorClass.BUG,
        type="ytworker.UnstorableError",
        message=f"what the plugin gave cannot be stored: {redact(str(error))}; report this to its authors",
        fingerprint="unstorable",
    )
    return TaskResult(
        success=False,
        error=info,
        earlier=result.earlier,
        sources=result.sources,
        settings_digest=result.settings_digest,
        plugin_version=result.plugin_version,
        requests=result.requests,
        sights=result.sights,
        lasted=result.lasted,
    )


def went_back(result: TaskResult, decision: Decision | None) -> bool:
    """Tell whether a task is queued again as if it had not been claimed."""
    return isinstance(decision, Release) or not (result.success or result.error or result.deferred_until)


def completion(claim: Claim, result: TaskResult) -> Completion:
    """Say what is kept of a success."""
    return Completion(
        claim=claim,
        outcome=result.outcome,
        items=result.data,
        suspect=result.suspect,
        apart=result.apart,
        sources=result.sources,
        follow_ups=result.follow_ups,
        settings=result.settings_digest or None,
    )


def cool_down(
    result: TaskResult, error: ErrorInfo, decision: Defer, until: Microseconds, strikes: int
) -> CoolDown | None:
    """Say what the source goes through; an error that names no source is only its task's."""
    if error.source is None or not (decision.cool_down or decision.pause):
        return None
    return CoolDown(
        source=error.source,
        error_class=error.error_class,
        reason=error.message,
        until=until,
        paused_by=result.settings_digest if decision.pause else None,
        strikes=strikes,
    )
