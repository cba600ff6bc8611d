"""The children of one worker: who does which task, and what becomes of it.

Nothing here waits but :meth:`Crew.turn`, and nothing here runs a plugin.
"""

import logging
import selectors
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from ytworker.engine.attempt import Attempt
from ytworker.engine.burying import do_all
from ytworker.engine.channel import Channel, LineTooLongError
from ytworker.engine.children import ForkServer, describe
from ytworker.engine.headcount import COUNT_SECONDS, Headcount
from ytworker.engine.hearing import Learn, NonsenseError, crashed, hear, nonsense, orphaned
from ytworker.engine.loading import Loading
from ytworker.engine.member import Ended, Limits, Member
from ytworker.engine.messages import Message, encode
from ytworker.engine.nursery import Nursery
from ytworker.engine.raw_output import RawOutput
from ytworker.engine.share import Share
from ytworker.engine.sharing import AttemptDeps
from ytworker.engine.sparing import Sparing
from ytworker.engine.suspects import Suspects
from ytworker.errors import ChildrenError
from ytworker.model import Claim, ErrorClass, ErrorInfo
from ytworker.plugins.discovery import PluginKind
from ytworker.queue import Waker

log = logging.getLogger(__name__)

_NO_CHILD = "no child process could be started for it"
_SHUT = "shut the gate that lets it begin tasks"


class Crew:
    """Up to ``size`` children, each at one task, with more in hand while tasks are short.

    Args:
        server: Starts and kills them.
        hello: Their first message.
        attempts: What attempts share.
        learn: Told about a plugin that a child cannot use: its name, its state and why.
        loading: What comes of loading plugins.
        size: How many children.
        limits: What they may use.

    Attributes:
        woken: Whether the waker has ended a wait since this was last set to False.
        suspects: The tasks that are to run alone.
    """

    def __init__(
        self,
        server: ForkServer,
        hello: Message,
        attempts: AttemptDeps,
        learn: Learn,
        loading: Loading,
        *,
        size: int,
        limits: Limits,
    ) -> None:
        self._hello: Message = {**hello, "memory_mb": limits.memory_mb}
        self._attempts = attempts
        self._learn = learn
        self._loading = loading
        self._size = size
        self.suspects = Suspects()
        self._sparing = Sparing()
        self._limits = limits
        self._members: dict[int, Member] = {}
        self._ended: list[Ended] = []
        self._alarm: socket.socket | None = None
        self._waker: Waker | None = None
        self._headcount = Headcount(limits)
        self.woken = False
        self._selector = selectors.DefaultSelector()
        self._nursery = Nursery(server, self._selector)

    # -- tasks

    @property
    def holds(self) -> int:
        """How many tasks are with children."""
        return sum(len(member.ahead) + (member.running is not None) for member in self._members.values())

    def room(self) -> int:
        """How many tasks may be handed out now."""
        if self._nursery.lost:
            return 0
        staying = self._staying()
        unborn = 0 if self._nursery.rest else self._most() - len(staying)
        return unborn + sum(member.room() for member in staying)

    @property
    def despair(self) -> ChildrenError | None:
        """Why nothing can be done, while there is no child and starting one failed very often in a row."""
        return None if self._members else self._nursery.despair

    def hand(self, claims: Iterable[Claim]) -> None:
        """Give tasks to children, to the one with the least to do first; ask :meth:`room` before.

        What no child can be had for is given back.
        """
        shares = [Share(member) for member in self._staying()]
        for claim in claims:
            attempt = Attempt(claim, self._attempts)
            share = self._choose(shares)
            if share is None:
                self._give_back([attempt], _NO_CHILD)
            else:
                share.add(attempt)
        for share in shares:
            if share.attempts and not self._nursery.lost:
                self._hand(share.member, share.attempts)
            else:
                self._give_back(share.attempts, _NO_CHILD)

    def _hand(self, member: Member, attempts: Sequence[Attempt]) -> None:
        try:
            member.hand(attempts)
        except OSError:
            self._kill(member, nonsense(_SHUT))
            self._give_back(attempts, f"the process of a plugin {_SHUT}")
        else:
            self._watch(member)

    def recall(self) -> list[Ended]:
        """Take back what was handed ahead and has not begun, and what only waits: that might go on for long."""
        for member in self._members.values():
            self._take_back(member)
            if member.running is not None and member.running.rests:
                self._give_back(member.let_go())
                self._kill(member)
        return self.collect()

    def abandon(self, reason: str) -> list[Ended]:
        """Give all tasks back and kill their children."""
        for member in self._members.values():
            self._give_back(member.let_go(), reason)
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

    def attend(self, waker: Waker | None) -> None:
        """Let this waker end a wait, too, or none any more."""
        if waker is not self._waker:
            if self._waker is not None:
                self._selector.unregister(self._waker)
            if waker is not None:
                self._selector.register(waker, selectors.EVENT_READ)
            self._waker = waker

    def turn(self, seconds: float) -> list[Ended]:
        """Wait until something happens, ``seconds`` at the most, and give the attempts that are over.

        Raises:
            StoreError: The queue cannot be written.
            PluginsRefusedError: A plugin that is required ends children while it is loaded.
        """
        ready = self._selector.select(min([seconds, *self._waits()]))
        for key, events in ready:
            if isinstance(key.data, Member):
                self._serve(key.data, events)
            elif key.fileobj is self._alarm:
                self._alarm.recv(4096)
            elif isinstance(key.fileobj, RawOutput):
                key.fileobj.read()
            elif key.fileobj is self._waker:
                self._waker.clear()
                self.woken = True
        # Last, because what a child said, it said before it ended.
        if self._nursery.has_news or any(isinstance(key.fileobj, ForkServer) for key, _ in ready):
            do_all(self._burial(self._nursery.endings()))  # all, because nobody tells of an ending twice
            self._bury_orphans(self._nursery.loss())
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
                member.close()
            self._nursery.close()

    # -- children

    def _staying(self) -> list[Member]:
        return [member for member in self._members.values() if member.stays]

    def _most(self) -> int:
        return 1 if self.suspects else self._size

    def _choose(self, shares: list[Share]) -> Share | None:
        """Find who gets the next task: an idle child, a new one, or the one with the least in hand; None: nobody."""
        best = min((share for share in shares if share.room), key=Share.load_of, default=None)
        if best is None or (best.load and len(shares) < self._most()):
            newborn = self._start()
            if newborn is not None:
                best = Share(newborn)
                shares.append(best)
        return best

    def _start(self) -> Member | None:
        born = self._nursery.start()
        if born is None:
            return None
        pid, sock, gate = born
        member = self._members[pid] = Member(pid, Channel(sock), gate, self._limits)
        self._selector.register(member.channel, selectors.EVENT_READ, member)
        member.channel.send(encode({**self._hello, "left_out": self._loading.left_out()}))
        return member

    def _kill(self, member: Member, verdict: ErrorInfo | None = None) -> None:
        if not member.killed:
            member.killed, member.verdict = True, verdict
            self._nursery.kill(member.pid)

    def _burial(self, endings: Iterable[tuple[int, int]], how: str | None = None) -> Iterator[Callable[[], None]]:
        """Give the steps that bury children; ``how`` is how the fork server ended, if they died of that."""
        dead = [(self._members.pop(pid), code) for pid, code in endings]
        yield from (partial(self._hear_out, member) for member, _ in dead)
        ran: set[int] = set()
        if how is not None:  # from here on it is known what ran: what was done before has been heard
            ran = {member.running.claim.task.id for member, _ in dead if member.running is not None}
            for member, _ in dead:
                if member.verdict is None and member.loading is not None and len(ran) > 1:
                    self._give_back(member.let_go(), "its plugin was loading when another task killed all children")
                member.verdict = member.verdict or orphaned(how)
        yield from (partial(self._bury, member, code) for member, code in dead)
        self.suspects.accuse(ran)  # last, because whose attempt ends is acquitted, and these end by this

    def _bury_orphans(self, how: str | None) -> None:
        """Bury all children if the fork server has ended, in this way: no one else tells of their endings."""
        if how is not None:
            do_all(self._burial([(pid, -signal.SIGKILL) for pid in self._members], how))

    def _hear_out(self, member: Member) -> None:
        if not member.channel.ended:
            self._selector.unregister(member.channel)
            with suppress(LineTooLongError):
                for line in member.channel.drain():
                    self._take(member, line)

    def _bury(self, member: Member, code: int) -> None:
        """Find out what a child that has ended has left behind."""
        member.close()
        if member.running is not None:
            self._end_of_dead(member, member.running, code)
            self._book(member.running)
            member.running = None
        self._give_back(member.let_go())

    def _end_of_dead(self, member: Member, running: Attempt, code: int) -> None:
        """End what a child did when it died; a task that was only waiting for its plugins to load is not to blame."""
        short_of_memory = member.verdict is None and crashed(code).error_class is ErrorClass.RESOURCE
        if member.loading is None or short_of_memory:
            running.fail(member.verdict or crashed(code))
        else:
            running.give_back(self._loading.died(member.loading, describe(code)))

    def _look_after(self) -> None:
        """Take back what waits behind a long task, and kill what does not stop or multiplies."""
        for member in self._members.values():
            if member.keeps_waiting:
                self._take_back(member)
            if member.is_overdue() or member.hangs_in_load:
                self._stop(member)
        living = [pid for pid, member in self._members.items() if not member.killed]
        for pid, verdict in self._headcount.look(living).items():
            log.warning("a child is killed with all that it started: %s", verdict.message)
            self._kill(self._members[pid], verdict)

    def _waits(self) -> list[float]:
        if self._nursery.has_news:
            return [0.0]
        rest = [self._nursery.rest] if self._nursery.rest else []
        count = [COUNT_SECONDS] if self._headcount.watches and self.holds else []
        return [*rest, *count, *(member.patience() for member in self._members.values())]

    def _stop(self, member: Member) -> None:
        running = member.running
        if running is not None:
            log.warning("task %d did not stop when it should: its process is killed", running.claim.task.id)
            self._end_of_late(member, running)
            self._book(running)
        member.running = None
        self._kill(member)

    def _end_of_late(self, member: Member, running: Attempt) -> None:
        """End what a child does that must be killed; a task cannot help how long an extension takes to load."""
        if running.lost:
            running.give_back()  # nobody waits for it: the queue refuses what is said of it
        elif member.loading is not None and (member.hangs_in_load or member.loading[0] is PluginKind.EXTENSION):
            running.give_back(self._loading.died(member.loading, "did not come back"))
        else:
            running.fail()

    def _take_back(self, member: Member) -> None:
        try:
            self._give_back(member.take_back())
        except OSError:  # it goes back when the child is buried
            self._kill(member, nonsense(_SHUT))

    def _give_back(self, attempts: Sequence[Attempt], reason: str | None = None) -> None:
        for attempt in attempts:
            attempt.give_back(reason)
            self._book(attempt)

    def _book(self, attempt: Attempt) -> None:
        result = attempt.result
        if result is not None:
            self._ended.append(Ended(attempt.claim, result))
            if result.success or result.error or result.deferred_until:
                self.suspects.acquit(attempt.claim.task.id)
                self._sparing.acquit(attempt.claim.task.id)

    # -- messages

    def _watch(self, member: Member) -> None:
        """Wait for room as long as something is still to be said to a child, and hear none that does not listen."""
        if not member.channel.ended and member.channel.events != member.watched:
            member.watched = member.channel.events
            self._selector.modify(member.channel, member.watched, member)

    def _serve(self, member: Member, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            member.channel.flush()
        if events & selectors.EVENT_READ:
            try:
                for line in member.channel.receive():
                    self._take(member, line)
            except LineTooLongError:
                self._kill(member, nonsense("sent a line without an end instead of a message"))
                member.channel.ended = True
        if member.channel.ended:
            self._selector.unregister(member.channel)
            self._nursery.kill(member.pid)  # it is ending, or it has closed its end: both come to the same
        else:
            self._watch(member)

    def _take(self, member: Member, line: str) -> None:
        """Deal with one line."""
        if member.killed:
            return
        try:
            over = hear(member, line, self._learn, self._loading.survived)
        except NonsenseError as error:
            self._kill(member, nonsense(str(error)))
            if self._sparing.spares(member, error.of):
                self._give_back(member.let_go())
            return
        if member.tired and member.ahead:
            self._give_back(member.tire())
        if over is not None:
            self._nursery.thrives()
            self._book(over)
            if member.running is None and member.is_worn:
                member.retire()
