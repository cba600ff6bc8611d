"""What a worker knows of one child, and what it concludes from that."""

import selectors
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ytworker.engine.attempt import Attempt
from ytworker.engine.channel import Channel
from ytworker.engine.gate import Gate
from ytworker.engine.loading import Plugin
from ytworker.engine.memory import MIB
from ytworker.engine.messages import encode, task_message
from ytworker.model import Claim, ErrorInfo, TaskResult

SHORT_SECONDS = 0.25
"""A child whose last task took less is handed one more ahead, and has it taken back if the next one takes longer."""
AHEAD_SECONDS = 0.02
"""How much more work, by the length of its last task, a child may be handed on top of that."""
MOST_AHEAD = 8
"""Measured: with fewer the worker writes down too few tasks in one transaction, and with more nothing is gained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What children may use.

    Attributes:
        memory_mb: Megabytes that a child may allocate before it meets MemoryError, and hold together with the processes
            that it started before it is killed; 0 is without limit.
        recycle_after_tasks: After so many tasks a child makes room for a fresh one.
        recycle_rss_mb: And as soon as it holds so many megabytes after a task; 0 is never.
        grace_seconds: How long a task that should stop may take to do so before its child is killed.
        max_processes: How many processes a child may have started that still run; 0 is without limit.
        load_seconds: How long a plugin may take to be imported.
    """

    memory_mb: int = 1024
    recycle_after_tasks: int = 500
    recycle_rss_mb: int = 300
    grace_seconds: float = 10.0
    max_processes: int = 32
    load_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that is over."""

    claim: Claim
    result: TaskResult


class Member:
    """One child of a crew.

    Args:
        pid: Its process id, and the id of its group.
        channel: To it.
        gate: Lets it begin its tasks.
        limits: What it may use.

    Attributes:
        running: What it works on.
        ahead: What it works on next, in this order.
        rss: How much memory it held after a task, in bytes.
        tired: Whether it begins nothing any more, since what its tasks have left behind would harm others.
        killed: Whether it is to die; what it says does not count any more.
        verdict: Why it is to die, if it is its own fault.
        watched: For which events of its channel somebody waits.
        loading: The plugin that it imports, or None.
        done: The names of the attempts that it has brought to an end.
    """

    def __init__(self, pid: int, channel: Channel, gate: Gate, limits: Limits) -> None:
        self.pid = pid
        self.channel = channel
        self.running: Attempt | None = None
        self.ahead: deque[Attempt] = deque()
        self.rss = 0
        self.tired = False
        self.killed = False
        self.verdict: ErrorInfo | None = None
        self.watched = selectors.EVENT_READ
        self.loading: Plugin | None = None
        self.done: set[str] = set()
        self._gate = gate
        self._limits = limits
        self._handed = 0
        self._since = 0.0
        self._loads_since = 0.0
        self._stop_since: float | None = None
        self._last_seconds: float | None = None
        self._dropped = False
        self._retired_at: float | None = None

    # -- tasks

    def hand(self, attempts: Sequence[Attempt]) -> None:
        """Give it tasks: one to begin at once if it is idle, the others behind that.

        Raises:
            OSError: It has shut its gate, and gets none of them.
        """
        self._gate.open(len(attempts))  # first, because this may fail
        self._handed += len(attempts)
        self.ahead.extend(attempts)
        if self.running is None:
            self._begin_next()
        self.channel.hand(*(encode(task_message(attempt.claim)) for attempt in attempts))

    def go_on(self) -> None:
        """Turn to the next task, if there is one: the child begins it by itself."""
        # What was dropped must be past the gate before the next tokens can be taken back.
        self._last_seconds = SHORT_SECONDS if self._dropped else self._seconds()
        self._dropped = False
        self._begin_next()

    def take_back(self) -> list[Attempt]:
        """Give the attempts that it has not begun; it will never begin them.

        Raises:
            OSError: It has shut its gate; what it has not begun is still among its attempts.
        """
        count = self._gate.shut(len(self.ahead)) if self.ahead else 0
        self._dropped = self._dropped or count > 0
        return [self.ahead.pop() for _ in range(count)][::-1]

    def tire(self) -> list[Attempt]:
        """Give the attempts that it has not begun, of a child that says that it begins none any more."""
        held = list(self.ahead)
        with suppress(OSError):
            self.take_back()
        self.ahead.clear()
        return held

    def bar(self) -> bool:
        """Keep one that is to die from beginning anything more; tells whether it had begun what it is held to run."""
        return self._gate.bar() <= len(self.ahead)

    def let_go(self) -> list[Attempt]:
        """Give all its attempts, of a child that is no more."""
        held, self.running = self.attempts, None
        self.ahead.clear()
        return held

    def retire(self) -> None:
        """Give it nothing more, and let it close its plugins."""
        if self._retired_at is None:
            self._retired_at = time.monotonic()
            self.channel.finish()

    def close(self) -> None:
        """Let go of its sockets."""
        self.channel.close()
        self._gate.close()

    def _begin_next(self) -> None:
        self.running = self.ahead.popleft() if self.ahead else None
        self._since, self._stop_since = time.monotonic(), None
        if self.running is not None:
            self.running.begin()

    def load(self, plugin: Plugin | None) -> None:
        """Take notice of what it imports now, or that it has done so."""
        self.loading, self._loads_since = plugin, time.monotonic()

    # -- conclusions

    @property
    def attempts(self) -> list[Attempt]:
        """The attempts that it holds."""
        return [*([] if self.running is None else [self.running]), *self.ahead]

    @property
    def stays(self) -> bool:
        """Whether it may be given tasks."""
        return self._retired_at is None and not self.killed and not self.tired

    @property
    def is_worn(self) -> bool:
        """Whether it should make room for a fresh one."""
        limits = self._limits
        return self.tired or self._handed >= limits.recycle_after_tasks or 0 < limits.recycle_rss_mb * MIB < self.rss

    def room(self) -> int:
        """Say how many tasks it may be handed: one to work on, and the more ahead the shorter they are."""
        if not self.stays:
            return 0
        if self.is_worn:
            return int(self.running is None)
        left = self._limits.recycle_after_tasks - self._handed
        return max(0, min(left, 1 + self._most_ahead() - len(self.ahead) - (self.running is not None)))

    def _most_ahead(self) -> int:
        last = self._last_seconds
        if last is None or last >= SHORT_SECONDS or (self.running is not None and self._seconds() >= SHORT_SECONDS):
            return 0
        return min(MOST_AHEAD, 1 + int(AHEAD_SECONDS / max(last, 1e-6)))

    @property
    def keeps_waiting(self) -> bool:
        """Whether what was handed ahead waits behind a long task."""
        return bool(self.ahead) and self._seconds() > SHORT_SECONDS

    @property
    def hangs_in_load(self) -> bool:
        """Whether it imports a plugin for longer than that may take."""
        return self._load_seconds_left() <= 0

    def is_overdue(self) -> bool:
        """Tell whether it should have stopped long ago; once a second this asks the queue whether its claim holds."""
        grace = self._limits.grace_seconds
        if self.killed:
            return False
        if self.running is None:
            return self._retired_at is not None and time.monotonic() - self._retired_at > grace
        if self.running.seconds_left > 0 and not self.running.lost:
            self._stop_since = None
            return False
        self._stop_since = self._stop_since or time.monotonic()
        return time.monotonic() - self._stop_since > grace

    def patience(self) -> float:
        """Say for how many seconds nothing need be done about it."""
        waits = [float("inf")]
        if self.ahead:
            waits.append(max(0.0, SHORT_SECONDS - self._seconds()) + 0.01)
        if self.running is not None:
            left = self.running.seconds_left
            waits.append(left if left > 0 else self._limits.grace_seconds / 10)
            waits.append(self._load_seconds_left())
        return max(0.0, min(waits))

    def _load_seconds_left(self) -> float:
        if self.loading is None or self.killed:
            return float("inf")
        return self._limits.load_seconds - (time.monotonic() - self._loads_since)

    def _seconds(self) -> float:
        return time.monotonic() - self._since
