"""The children of one worker: who does which task, and what becomes of it.

Nothing here waits but :meth:`Crew.turn`, and nothing here runs a plugin.
"""

import logging
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ytworker.engine.attempt import Attempt, AttemptDeps
from ytworker.engine.channel import Channel, LineTooLongError
from ytworker.engine.children import ForkServer, describe
from ytworker.engine.classify import clean
from ytworker.engine.messages import LAST_WORDS, Message, decode, encode, is_a, task_message
from ytworker.model import Claim, ErrorClass, ErrorInfo, TaskResult

log = logging.getLogger(__name__)

SHORT_SECONDS = 0.25
"""A child whose last task took less is handed one more ahead, and has it taken back if the next one takes longer."""
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


class Child:
    """What the worker knows of one child.

    Args:
        pid: Its process id, and the id of its group.
        channel: To it.
    """

    def __init__(self, pid: int, channel: Channel) -> None:
        self.pid = pid
        self.channel = channel
        self.running: Attempt | Revoked | None = None
        self.ahead: Attempt | Revoked | None = None
        self.since = 0.0
        self.stop_since: float | None = None
        self.last_seconds: float | None = None
        self.handed = 0
        self.rss = 0
        self.retired_at: float | None = None
        self.verdict: ErrorInfo | None = None
        self.killed = False

    def attempts(self) -> Iterable[Attempt]:
        """Give the attempts that it holds."""
        return [each for each in (self.running, self.ahead) if isinstance(each, Attempt)]


class Crew:
    """Up to ``size`` children, each at one task, with one more in hand while tasks are short.

    Args:
        server: Starts and kills them.
        hello: Their first message.
        attempts: What attempts share.
        learn: Told about a plugin that a child cannot use: its name, its state and why.
        size: How many children.
        limits: What they may use.
    """

    def __init__(
        self,
        server: ForkServer,
        hello: Message,
        attempts: AttemptDeps,
        learn: Callable[[str, str, str], None],
        *,
        size: int,
        limits: Limits,
    ) -> None:
        self._server = server
        self._hello = encode({**hello, "memory_mb": limits.memory_mb})
        self._attempts = attempts
        self._learn = learn
        self._size = size
        self._limits = limits
        self._children: dict[int, Child] = {}
        self._ended: list[Ended] = []
        self._alarm: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(server, selectors.EVENT_READ)

    # -- tasks

    @property
    def holds(self) -> int:
        """How many tasks are with children."""
        return sum(len(list(child.attempts())) for child in self._children.values())

    def room(self) -> int:
        """How many tasks may be handed out now."""
        staying = self._staying()
        idle = sum(child.running is None for child in staying)
        return self._size - len(staying) + idle + sum(self._takes_ahead(child) for child in staying)

    def hand(self, claim: Claim) -> None:
        """Give a task to a child; ask :meth:`room` before."""
        staying = self._staying()
        idle = [child for child in staying if child.running is None]
        attempt = Attempt(claim, self._attempts)
        if idle or len(staying) < self._size:
            child = idle[0] if idle else self._start()
            self._begin(child, attempt)
        else:
            child = min(filter(self._takes_ahead, staying), key=lambda each: each.last_seconds or 0.0)
            child.ahead = attempt
        child.handed += 1
        child.channel.send(encode(task_message(claim)))
        self._watch(child)

    def listen(self, alarm: socket.socket) -> None:
        """Let a byte on this socket, which does not block, end a wait, too."""
        self._alarm = alarm
        self._selector.register(alarm, selectors.EVENT_READ)

    def turn(self, seconds: float) -> list[Ended]:
        """Wait until something happens, ``seconds`` at the most, and give the attempts that are over.

        Raises:
            StoreError: The queue cannot be written.
            ChildrenError: No children can be had any more.
        """
        ready = self._selector.select(self._patience(seconds))
        for key, events in ready:
            if isinstance(key.data, Child):
                self._serve(key.data, events)
            elif key.fileobj is self._alarm:
                self._alarm.recv(4096)
        # Last, because what a child said, it said before it ended.
        if self._server.has_news or any(key.fileobj is self._server for key, _ in ready):
            for pid, code in self._server.endings():
                self._bury(self._children.pop(pid), code)
        self._look_after()
        return self.collect()

    def collect(self) -> list[Ended]:
        """Give the attempts that ended since this was last asked."""
        ended, self._ended = self._ended, []
        return ended

    def recall(self) -> list[Ended]:
        """Take back what was handed ahead and has not begun."""
        for child in self._children.values():
            self._revoke(child)
        return self.collect()

    def abandon(self, reason: str) -> list[Ended]:
        """Give all tasks back and kill their children."""
        for child in self._children.values():
            for attempt in child.attempts():
                attempt.give_back(reason)
                self._over(attempt)
            child.running = child.ahead = None
            self._kill(child)
        return self.collect()

    def close(self) -> None:
        """Let idle children close their plugins, kill the others, and end the fork server."""
        try:
            for child in self._children.values():
                if child.running is None:
                    self._retire(child)
                else:
                    self._kill(child)
            while self._children:
                self.turn(1.0)
        finally:
            self._selector.close()
            for child in self._children.values():
                child.channel.close()
            self._server.close()

    # -- children

    def _staying(self) -> list[Child]:
        return [each for each in self._children.values() if each.retired_at is None and not each.killed]

    def _takes_ahead(self, child: Child) -> bool:
        if child.running is None or child.ahead is not None or child.last_seconds is None:
            return False
        young = time.monotonic() - child.since < SHORT_SECONDS
        return young and child.last_seconds < SHORT_SECONDS and not self._is_worn(child)

    def _is_worn(self, child: Child) -> bool:
        rss = self._limits.recycle_rss_mb
        return child.handed >= self._limits.recycle_after_tasks or (rss > 0 and child.rss > rss * MIB)

    def _start(self) -> Child:
        pid, sock = self._server.start()
        child = Child(pid, Channel(sock))
        self._children[pid] = child
        self._selector.register(child.channel, selectors.EVENT_READ, child)
        child.channel.send(self._hello)
        return child

    def _retire(self, child: Child) -> None:
        if child.retired_at is None:
            child.retired_at = time.monotonic()
            child.channel.finish()

    def _kill(self, child: Child, verdict: ErrorInfo | None = None) -> None:
        if not child.killed:
            child.killed = True
            child.verdict = verdict
            self._server.kill(child.pid)

    def _watch(self, child: Child) -> None:
        """Listen to a child, and wait for room when something is still to be said."""
        if child.pid in self._children and not child.channel.ended:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.channel.wants_to_write else 0)
            self._selector.modify(child.channel, events, child)

    # -- messages

    def _serve(self, child: Child, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            child.channel.flush()
        if events & selectors.EVENT_READ:
            try:
                for line in child.channel.receive():
                    self._take(child, line)
            except LineTooLongError:
                self._kill(child, _bug("sent a line without an end instead of a message"))
                child.channel.ended = True
        if child.channel.ended:
            self._selector.unregister(child.channel)
            self._server.kill(child.pid)  # it is ending, or it has closed its end: both come to the same
        else:
            self._watch(child)

    def _take(self, child: Child, line: str) -> None:
        """Deal with one line; a plugin can write to the socket, too, so it may be anything."""
        if child.killed:
            return
        try:
            if is_a("log", line):
                _pass_on(decode(line))
            elif is_a("state", line):
                self._note(child, decode(line))
            else:
                self._converse(child, line)
        except (AttributeError, KeyError, LookupError, TypeError, ValueError, RecursionError) as error:
            log.debug("not understood: %.200s", line, exc_info=True)
            self._kill(child, _bug(f"sent a message that the worker does not understand ({type(error).__name__})"))

    def _converse(self, child: Child, line: str) -> None:
        running = child.running
        if running is None:
            msg = "nobody asked it"
            raise ValueError(msg)
        answer = running.exchange(line)
        if isinstance(running, Attempt) and running.store_error is not None:
            raise running.store_error
        if running.over:
            self._next(child)
        else:
            child.channel.send(answer)

    def _next(self, child: Child) -> None:
        """Book what ended; what was handed ahead begins in the child by itself."""
        if isinstance(child.running, Attempt):
            self._over(child.running)
            child.last_seconds = time.monotonic() - child.since
        ahead, child.running, child.ahead = child.ahead, None, None
        if ahead is not None:
            self._begin(child, ahead)
        elif self._is_worn(child):
            self._retire(child)

    def _begin(self, child: Child, attempt: Attempt | Revoked) -> None:
        child.running, child.since, child.stop_since = attempt, time.monotonic(), None
        if isinstance(attempt, Attempt):
            attempt.begin()

    def _over(self, attempt: Attempt) -> None:
        if attempt.result is not None:
            self._ended.append(Ended(attempt.claim, attempt.result))

    def _note(self, child: Child, message: Message) -> None:
        child.rss = int(message.get("rss", child.rss))
        plugin: dict[str, Any] | None = message.get("plugin")
        if plugin is not None:
            self._learn(str(plugin["name"]), str(plugin["state"]), clean(str(plugin["reason"])))

    # -- ends

    def _bury(self, child: Child, code: int) -> None:
        """Find out what a child that has ended has left behind."""
        if not child.channel.ended:
            self._selector.unregister(child.channel)
            with suppress(LineTooLongError):
                for line in child.channel.drain():
                    self._take(child, line)
        child.channel.close()
        if isinstance(child.running, Attempt):
            child.running.fail(child.verdict or _crash(code))
            self._over(child.running)
        if isinstance(child.ahead, Attempt):
            child.ahead.give_back()
            self._over(child.ahead)

    def _look_after(self) -> None:
        """Take back what waits behind a long task, and kill what does not stop."""
        now = time.monotonic()
        for child in list(self._children.values()):
            if child.ahead is not None and now - child.since > SHORT_SECONDS:
                self._revoke(child)
            if self._is_overdue(child, now):
                running = child.running
                if isinstance(running, Attempt) and running.lost:
                    running.give_back()  # nobody waits for it: the queue refuses what it says
                elif isinstance(running, Attempt):
                    running.fail()
                if isinstance(running, Attempt):
                    self._over(running)
                    log.warning("task %d did not stop when it should: its process was killed", running.claim.task.id)
                child.running = None
                self._kill(child)

    def _is_overdue(self, child: Child, now: float) -> bool:
        """Tell whether a child should have stopped long ago."""
        if child.killed:
            return False
        if child.running is None:
            return child.retired_at is not None and now - child.retired_at > self._limits.grace_seconds
        if isinstance(child.running, Revoked):  # it has only to load its plugin
            return now - child.since > self._limits.grace_seconds + 60
        if child.running.seconds_left > 0 and not child.running.lost:
            child.stop_since = None
            return False
        child.stop_since = child.stop_since or now
        return now - child.stop_since > self._limits.grace_seconds

    def _revoke(self, child: Child) -> None:
        if isinstance(child.ahead, Attempt):
            child.ahead.give_back()
            self._over(child.ahead)
            child.ahead = Revoked()

    def _patience(self, seconds: float) -> float:
        """Say how long to wait for an event."""
        waits = [0.0 if self._server.has_news else seconds]
        for child in self._children.values():
            if isinstance(child.ahead, Attempt):
                waits.append(SHORT_SECONDS - (time.monotonic() - child.since) + 0.01)
            if isinstance(child.running, Attempt):
                late = child.running.seconds_left
                waits.append(late if late > 0 else self._limits.grace_seconds / 10)
        return max(0.0, min(waits))


def _pass_on(message: Message) -> None:
    """Log what a child logs; only the names of ours, or a plugin could speak for others."""
    name = str(message["name"])
    logger = logging.getLogger(name if name.startswith("ytworker.") else "ytworker.plugin")
    logger.log(int(message["level"]), "%s", clean(str(message["text"])))


def _crash(code: int) -> ErrorInfo:
    by_limit = code in {-9, -24}  # SIGKILL comes from the system when memory is short, SIGXCPU from a limit
    return ErrorInfo(
        error_class=ErrorClass.RESOURCE if by_limit else ErrorClass.BUG,
        type="ytworker.ChildDied",
        message=f"the process of the plugin {describe(code)} in the middle of the task; report this to its authors",
        fingerprint=f"child-died{code}",
    )


def _bug(what: str) -> ErrorInfo:
    return ErrorInfo(
        error_class=ErrorClass.BUG,
        type="ytworker.ProtocolError",
        message=f"the process of the plugin {what}; report this to its authors",
        fingerprint="protocol",
    )
