"""Where the children of a crew come from: also when the system refuses them, and when a plugin kills the fork server.

Neither ends the worker. It leaves the system alone for a while, longer each time, and goes on with the children that it
has. A fork server that is gone is replaced when the next child is wanted.
"""

import logging
import selectors
import socket
import time
from collections.abc import Callable

from ytworker.engine.backoff import Backoff
from ytworker.engine.children import ForkServer, describe, refusal
from ytworker.engine.gate import Gate
from ytworker.engine.raw_output import RawOutput
from ytworker.errors import ChildrenError

log = logging.getLogger(__name__)

MOST_REFUSALS = 5
"""After so many in a row, 15 seconds, it is said to whoever asks that nothing will come of it."""


class Nursery:
    """Starts children, has them killed, and hears when they end.

    Args:
        server: The first fork server; closed at the end.
        selector: Waits for what it has to tell.
        make: Makes another one.
    """

    def __init__(
        self, server: ForkServer, selector: selectors.BaseSelector, make: Callable[[], ForkServer] = ForkServer
    ) -> None:
        self._server: ForkServer | None = None
        self._output: RawOutput | None = None
        self._selector = selector
        self._make = make
        self._again_at = 0.0
        self._refusals = 0
        self._refused = Backoff()
        self._killed = Backoff()
        self._loss: str | None = None
        self._why: ChildrenError | None = None
        self._adopt(server)

    @property
    def rest(self) -> float:
        """For how many seconds no child is started; 0 where one may be."""
        return max(0.0, self._again_at - time.monotonic())

    @property
    def lost(self) -> bool:
        """Whether :meth:`loss` has something to tell."""
        return self._loss is not None

    @property
    def has_news(self) -> bool:
        """Whether :meth:`endings` or :meth:`loss` has something to tell at once."""
        return self.lost or (self._server is not None and self._server.has_news)

    @property
    def despair(self) -> ChildrenError | None:
        """Why no child could be started lately, if that failed very often in a row."""
        return self._why if self._refusals >= MOST_REFUSALS else None

    def start(self) -> tuple[int, socket.socket, Gate] | None:
        """Start a child: its process id, the worker's end of its socket pair, and its gate; None when that fails.

        When it was the fork server that failed, :meth:`loss` tells: the children that it had are gone with it.
        """
        if self.rest or self.lost:
            return None
        try:
            born = self._start()
        except ChildrenError as error:
            self._refusals += 1
            self._why = error
            if self._server is not None and self._server.gone:
                self._lose(self._server)
            else:
                self._leave_alone(error)
            return None
        self._refusals = 0
        self._refused.reset()
        return born

    def kill(self, pid: int) -> None:
        """Have a child killed, with its group; :meth:`endings` tells when it is gone."""
        if self._server is not None:
            self._server.kill(pid)

    def endings(self) -> list[tuple[int, int]]:
        """Give the process id and the exit code of every child that has ended; see :meth:`ForkServer.endings`."""
        if self._server is None:
            return []
        try:
            return self._server.endings()
        except ChildrenError:
            self._lose(self._server)
            return []

    def loss(self) -> str | None:
        """Tell once how the fork server ended, if it did: every child that it had is dead."""
        loss, self._loss = self._loss, None
        return loss

    def thrives(self) -> None:
        """Take notice that a child has done a task: whatever killed the fork server lets others work."""
        self._killed.reset()

    def close(self) -> None:
        """Kill every child, and end the fork server."""
        if self._output is not None:
            self._output.close()
        if self._server is not None:
            self._server.close()

    def _adopt(self, server: ForkServer) -> ForkServer:
        self._output = RawOutput(server.output)
        self._server = server
        self._selector.register(server, selectors.EVENT_READ)
        self._selector.register(self._output, selectors.EVENT_READ)
        return server

    def _replace(self) -> ForkServer:
        server = self._make()
        try:
            return self._adopt(server)
        except OSError as error:
            server.close()
            raise refusal(error.errno) from error

    def _start(self) -> tuple[int, socket.socket, Gate]:
        try:
            gate = Gate()
        except OSError as error:
            raise refusal(error.errno) from error
        try:
            server = self._server or self._replace()
            return *server.start(gate.far), gate
        except BaseException:
            gate.close()
            raise

    def _leave_alone(self, error: ChildrenError) -> None:
        seconds = self._refused.grow()
        self._again_at = time.monotonic() + seconds
        what = "the tasks that it was for go back or wait, with no attempt counted"
        log.error("%s. The worker goes on with the children it has, %s; it tries again in %g s", error, what, seconds)

    def _lose(self, server: ForkServer) -> None:
        self._selector.unregister(server)
        self._server = None
        self._loss = describe(server.close())
        if self._output is not None:  # last, because children may have written until they were killed
            self._selector.unregister(self._output)
            self._output.close()
            self._output = None
        seconds = self._killed.grow()
        self._again_at = time.monotonic() + seconds
        log.error(
            "the process that starts children %s; what they were doing counts as a failed attempt, and the rest goes "
            "back. Another one is started in %g s. If this repeats, one of these tasks kills it: look at `dead list`",
            self._loss,
            seconds,
        )
