"""What a worker knows of one child, and what it concludes from that."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ytworker.engine.attempt import Attempt
from ytworker.engine.channel import Channel
from ytworker.engine.messages import LAST_WORDS, decode, encode
from ytworker.model import Claim, ErrorInfo, TaskResult

SHORT_SECONDS = 0.25
"""A child whose last task took less is handed one more ahead, and has it taken back if the next one takes longer."""
LOADING_SECONDS = 60.0
"""How long a child may load the plugin of a task that was taken back: until then it cannot hear that it should stop."""
MIB = 1 << 20
_STOP = encode({"stop": "the task was given back before it began"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What children may use.

    Attributes:
        memory_mb: Megabytes that a child may allocate before it meets MemoryError; 0 is without limit.
        recycle_after_tasks: After so many tasks a child makes room for a fresh one.
        recycle_rss_mb: And as soon as it holds so many megabytes after a task; 0 is never.
        grace_seconds: How long a task that should stop may take to do so before its child is killed.
    """

    memory_mb: int = 1024
    recycle_after_tasks: int = 500
    recycle_rss_mb: int = 300
    grace_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that is over."""

    claim: Claim
    result: TaskResult


class Revoked:
    """Stands for a task that went back to the queue while it waited in a child: it is stopped before it begins."""

    def __init__(self) -> None:
        self.over = False

    def exchange(self, line: str) -> str:
        """Answer the child."""
        self.over = decode(line)["kind"] in LAST_WORDS
        return _STOP


class Member:
    """One child of a crew.

    Args:
        pid: Its process id, and the id of its group.
        channel: To it.
        limits: What it may use.

    Attributes:
        running: What it works on.
        ahead: What it works on next.
        rss: How much memory it held after a task, in bytes.
        killed: Whether it is to die; what it says does not count any more.
        verdict: Why it is to die, if it is its own fault.
    """

    def __init__(self, pid: int, channel: Channel, limits: Limits) -> None:
        self.pid = pid
        self.channel = channel
        self.running: Attempt | Revoked | None = None
        self.ahead: Attempt | Revoked | None = None
        self.rss = 0
        self.killed = False
        self.verdict: ErrorInfo | None = None
        self._limits = limits
        self._handed = 0
        self._since = 0.0
        self._stop_since: float | None = None
        self._last_seconds: float | None = None
        self._retired_at: float | None = None

    # -- tasks

    def hold(self, attempt: Attempt) -> None:
        """Take one more task: at once, or behind the one that runs."""
        self._handed += 1
        if self.running is None:
            self._begin(attempt)
        else:
            self.ahead = attempt

    def go_on(self) -> None:
        """Turn to the task that was handed ahead, if there is one: the child begins it by itself."""
        if isinstance(self.running, Attempt):
            self._last_seconds = self._seconds()
        ahead, self.running, self.ahead = self.ahead, None, None
        if ahead is not None:
            self._begin(ahead)

    def retire(self) -> None:
        """Give it nothing more, and let it close its plugins."""
        if self._retired_at is None:
            self._retired_at = time.monotonic()
            self.channel.finish()

    def _begin(self, attempt: Attempt | Revoked) -> None:
        self.running, self._since, self._stop_since = attempt, time.monotonic(), None
        if isinstance(attempt, Attempt):
            attempt.begin()

    # -- conclusions

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts that it holds."""
        return [each for each in (self.running, self.ahead) if isinstance(each, Attempt)]

    @property
    def stays(self) -> bool:
        """Whether it may be given tasks."""
        return self._retired_at is None and not self.killed

    @property
    def is_worn(self) -> bool:
        """Whether it should make room for a fresh one."""
        limits = self._limits
        return self._handed >= limits.recycle_after_tasks or 0 < limits.recycle_rss_mb * MIB < self.rss

    @property
    def takes_ahead(self) -> bool:
        """Whether it may be handed a task ahead."""
        if self.running is None or self.ahead is not None or self._last_seconds is None or self.is_worn:
            return False
        return self._last_seconds < SHORT_SECONDS and self._seconds() < SHORT_SECONDS

    @property
    def keeps_waiting(self) -> bool:
        """Whether what was handed ahead waits behind a long task."""
        return isinstance(self.ahead, Attempt) and self._seconds() > SHORT_SECONDS

    def is_overdue(self) -> bool:
        """Tell whether it should have stopped long ago; once a second this asks the queue whether its claim holds."""
        grace = self._limits.grace_seconds
        if self.killed:
            return False
        if self.running is None:
            return self._retired_at is not None and time.monotonic() - self._retired_at > grace
        if isinstance(self.running, Revoked):
            return self._seconds() > LOADING_SECONDS
        if self.running.seconds_left > 0 and not self.running.lost:
            self._stop_since = None
            return False
        self._stop_since = self._stop_since or time.monotonic()
        return time.monotonic() - self._stop_since > grace

    def patience(self) -> float:
        """Say for how many seconds nothing need be done about it."""
        waits = [float("inf")]
        if isinstance(self.ahead, Attempt):
            waits.append(SHORT_SECONDS - self._seconds() + 0.01)
        if isinstance(self.running, Attempt):
            left = self.running.seconds_left
            waits.append(left if left > 0 else self._limits.grace_seconds / 10)
        return max(0.0, min(waits))

    def _seconds(self) -> float:
        return time.monotonic() - self._since
