"""The children of one worker: who does which task, and what becomes of it.

Nothing here waits but :meth:`Crew.turn`, and nothing here runs a plugin.
"""

import logging
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ytworker.engine.attempt import Attempt, AttemptDeps
from ytworker.engine.channel import Channel, LineTooLongError
from ytworker.engine.children import ForkServer, describe
from ytworker.engine.classify import clean
from ytworker.engine.member import Ended, Limits, Member, Revoked
from ytworker.engine.messages import Message, decode, encode, is_a, task_message
from ytworker.model import Claim, ErrorClass, ErrorInfo

log = logging.getLogger(__name__)

_SIGNS_OF_NONSENSE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


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
        self._members: dict[int, Member] = {}
        self._ended: list[Ended] = []
        self._alarm: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(server, selectors.EVENT_READ)

    # -- tasks

    @property
    def holds(self) -> int:
        """How many tasks are with children."""
        return sum(len(member.attempts) for member in self._members.values())

    def room(self) -> int:
        """How many tasks may be handed out now."""
        staying = self._staying()
        free = sum((member.running is None) + member.takes_ahead for member in staying)
        return self._size - len(staying) + free

    def hand(self, claim: Claim) -> None:
        """Give a task to a child; ask :meth:`room` before."""
        staying = self._staying()
        idle = next((member for member in staying if member.running is None), None)
        if idle is None and len(staying) < self._size:
            idle = self._start()
        member = idle or next(member for member in staying if member.takes_ahead)
        member.hold(Attempt(claim, self._attempts))
        member.channel.send(encode(task_message(claim)))
        self._watch(member)

    def recall(self) -> list[Ended]:
        """Take back what was handed ahead and has not begun."""
        for member in self._members.values():
            self._revoke(member)
        return self.collect()

    def abandon(self, reason: str) -> list[Ended]:
        """Give all tasks back and kill their children."""
        for member in self._members.values():
            for attempt in member.attempts:
                attempt.give_back(reason)
                self._book(attempt)
            member.running = member.ahead = None
            self._kill(member)
        return self.collect()

    def collect(self) -> list[Ended]:
        """Give the attempts that ended since this was last asked."""
        ended, self._ended = self._ended, []
        return ended

    # -- time

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
        waits = [0.0] if self._server.has_news else [member.patience() for member in self._members.values()]
        ready = self._selector.select(min([seconds, *waits]))
        for key, events in ready:
            if isinstance(key.data, Member):
                self._serve(key.data, events)
            elif key.fileobj is self._alarm:
                self._alarm.recv(4096)
        # Last, because what a child said, it said before it ended.
        if self._server.has_news or any(key.fileobj is self._server for key, _ in ready):
            for pid, code in self._server.endings():
                self._bury(self._members.pop(pid), code)
        self._look_after()
        return self.collect()

    def close(self) -> None:
        """Let idle children close their plugins, kill the others, and end the fork server."""
        try:
            for member in self._members.values():
                if member.running is None:
                    member.retire()
                else:
                    self._kill(member)
            while self._members:
                self.turn(1.0)
        finally:
            self._selector.close()
            for member in self._members.values():
                member.channel.close()
            self._server.close()

    # -- children

    def _staying(self) -> list[Member]:
        return [member for member in self._members.values() if member.stays]

    def _start(self) -> Member:
        pid, sock = self._server.start()
        member = self._members[pid] = Member(pid, Channel(sock), self._limits)
        self._selector.register(member.channel, selectors.EVENT_READ, member)
        member.channel.send(self._hello)
        return member

    def _kill(self, member: Member, verdict: ErrorInfo | None = None) -> None:
        if not member.killed:
            member.killed, member.verdict = True, verdict
            self._server.kill(member.pid)

    def _bury(self, member: Member, code: int) -> None:
        """Find out what a child that has ended has left behind."""
        if not member.channel.ended:
            self._selector.unregister(member.channel)
            with suppress(LineTooLongError):
                for line in member.channel.drain():
                    self._take(member, line)
        member.channel.close()
        if isinstance(member.running, Attempt):
            member.running.fail(member.verdict or _crash(code))
            self._book(member.running)
        self._revoke(member)

    def _look_after(self) -> None:
        """Take back what waits behind a long task, and kill what does not stop."""
        for member in self._members.values():
            if member.keeps_waiting:
                self._revoke(member)
            if member.is_overdue():
                self._stop(member)

    def _stop(self, member: Member) -> None:
        running = member.running
        if isinstance(running, Attempt):
            log.warning("task %d did not stop when it should: its process is killed", running.claim.task.id)
            if running.lost:
                running.give_back()  # nobody waits for it: the queue refuses what is said of it
            else:
                running.fail()
            self._book(running)
        member.running = None
        self._kill(member)

    def _revoke(self, member: Member) -> None:
        if isinstance(member.ahead, Attempt):
            member.ahead.give_back()
            self._book(member.ahead)
            member.ahead = Revoked()

    def _book(self, attempt: Attempt) -> None:
        if attempt.result is not None:
            self._ended.append(Ended(attempt.claim, attempt.result))

    # -- messages

    def _watch(self, member: Member) -> None:
        """Listen to a child, and wait for room when something is still to be said."""
        if not member.channel.ended:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if member.channel.wants_to_write else 0)
            self._selector.modify(member.channel, events, member)

    def _serve(self, member: Member, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            member.channel.flush()
        if events & selectors.EVENT_READ:
            try:
                for line in member.channel.receive():
                    self._take(member, line)
            except LineTooLongError:
                self._kill(member, _bug("sent a line without an end instead of a message"))
                member.channel.ended = True
        if member.channel.ended:
            self._selector.unregister(member.channel)
            self._server.kill(member.pid)  # it is ending, or it has closed its end: both come to the same
        else:
            self._watch(member)

    def _take(self, member: Member, line: str) -> None:
        """Deal with one line; a plugin can write to the socket, too, so it may be anything."""
        if member.killed:
            return
        try:
            if is_a("log", line):
                _pass_on(decode(line))
            elif is_a("state", line):
                self._note(member, decode(line))
            else:
                self._converse(member, line)
        except _SIGNS_OF_NONSENSE as error:
            log.debug("not understood: %.200s", line, exc_info=True)
            self._kill(member, _bug(f"sent a message that the worker does not understand ({type(error).__name__})"))

    def _converse(self, member: Member, line: str) -> None:
        running = member.running
        if running is None:
            msg = "nobody asked it"
            raise ValueError(msg)
        answer = running.exchange(line)
        if isinstance(running, Attempt) and running.store_error is not None:
            raise running.store_error
        if not running.over:
            member.channel.send(answer)
            return
        if isinstance(running, Attempt):
            self._book(running)
        member.go_on()
        if member.running is None and member.is_worn:
            member.retire()

    def _note(self, member: Member, message: Message) -> None:
        member.rss = int(message.get("rss", member.rss))
        plugin: dict[str, Any] | None = message.get("plugin")
        if plugin is not None:
            self._learn(str(plugin["name"]), str(plugin["state"]), clean(str(plugin["reason"])))


def _pass_on(message: Message) -> None:
    """Log what a child logs; only under names of ours, or a plugin could speak for others."""
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
