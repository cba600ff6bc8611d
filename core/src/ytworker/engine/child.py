"""What a child process does: one task after another, over one socket, until nothing more comes.

It never sees the queue, the settings of others, or a variable of ours; what it knows of a task the worker tells it.
"""

import os
import resource
import socket
import threading
from collections import deque
from collections.abc import Iterator
from functools import partial

import packaging.requirements  # noqa: F401 - each child needs it to judge plugins, and would take 40 ms to load it

from ytworker.engine import memory
from ytworker.engine.gate import may_begin
from ytworker.engine.messages import Message, decode, encode, encode_about, error_message, is_a
from ytworker.engine.open_files import OpenFiles
from ytworker.engine.overhearing import Overhearing
from ytworker.engine.port import EX_FORKED, FORKED, Exchange
from ytworker.engine.runner import TaskRunner
from ytworker.model import ErrorClass, ErrorInfo
from ytworker.plugins.discovery import USABLE, PluginInfo, PluginKind, PluginState, Policy, discover
from ytworker.plugins.registry import PluginRegistry

GROWN = 1.05
"""How much larger than ever is worth a word to the worker; to look closely takes longer than a short task."""


class Wire:
    """The child's end of the socket: everything in lines, and one conversation at a time.

    Args:
        sock: The child's end of the pair.
        gate: Where the tokens for its tasks come from; without one each task may begin.
    """

    def __init__(self, sock: socket.socket, gate: socket.socket | None = None) -> None:
        self._sock = sock
        self._gate = gate
        self._reader = sock.makefile("rb")
        self._tasks: deque[str] = deque()
        self._owner = os.getpid()
        self._sending = False
        self._unsent: list[str] = []
        self._lock = threading.RLock()  # a plugin may have threads
        self._conversation = 0

    def tell(self, *lines: str) -> bool:
        """Send lines that get no answer; False in a process that the plugin forked, which has nothing to say here."""
        if os.getpid() != self._owner:
            return False
        with self._lock:
            self._unsent.extend(lines)
            if not self._sending:  # else a signal's handler speaks in the middle of a line, which has to end first
                self._sending = True
                try:
                    while self._unsent:
                        whole, self._unsent = self._unsent, []
                        self._sock.sendall("".join(f"{line}\n" for line in whole).encode())
                finally:
                    self._sending = False
        return True

    def conversation(self) -> Exchange:
        """Give the way to talk about the next task; it ends with :meth:`end`."""
        self._conversation += 1
        return partial(self._exchange, self._conversation)

    def end(self, *lines: str) -> None:
        """Send the last lines about a task."""
        with self._lock:
            self._conversation += 1
            self.tell(*lines)

    def _exchange(self, conversation: int, line: str) -> str:
        """Send a line and wait for its answer, if it gets one; a task that was handed ahead may come first."""
        if os.getpid() != self._owner:
            raise RuntimeError(FORKED)
        with self._lock:
            if conversation != self._conversation:  # a thread that was left behind must not speak for the next task
                msg = "the task of this context has ended; let scrape() wait for the threads that it starts"
                raise RuntimeError(msg)
            self.tell(line)
            if is_a("leave", line):
                return ""
            while is_a("task", answer := self._read()):
                self._tasks.append(answer)
            return answer

    def tasks(self) -> Iterator[str]:
        """Give the tasks that may begin, until the worker has no more for this child."""
        while True:
            self.leave_forked()
            if not self._tasks and not (line := self._reader.readline()):
                return
            task = self._tasks.popleft() if self._tasks else line.decode()
            allowed = self._gate is None or may_begin(self._gate)
            if allowed is None:  # see `_read`
                os._exit(0)
            if allowed:
                yield task

    def leave_forked(self) -> None:
        """End a process that the plugin forked and that came back from there: it must not pass for another child.

        It would take the next task and its token, and could tell nobody what became of it.
        """
        if os.getpid() != self._owner:
            os._exit(EX_FORKED)

    def greeting(self) -> Message:
        """Give the first message."""
        return decode(self._read())

    def _read(self) -> str:
        line = self._reader.readline()
        if not line:  # the worker is gone, and nobody is left whom a cleanup could serve
            os._exit(0)
        return line.decode()


class Child:
    """One child: gets its orders, does tasks and tells what loaded.

    Args:
        wire: To the worker.
        hello: What the worker told it first.
        ears: Hear what it says beside its messages.
    """

    def __init__(self, wire: Wire, hello: Message, ears: Overhearing) -> None:
        policy = Policy(**hello["policy"])
        self._wire = wire
        self._ears = ears
        kinds = (PluginKind.WORKER, PluginKind.EXTENSION)
        self._registry = PluginRegistry(
            policy, discover(policy, kinds), trace=hello["trace_hooks"], watch=self._tell_load
        )
        for kind, name, reason in hello["left_out"]:
            self._registry.learn(name, PluginState.BROKEN.value, reason, PluginKind(kind))
        self._runner = TaskRunner(self._registry)
        self._told: set[str] = set()
        self._largest = 0.0
        self._files = OpenFiles()

    def work(self) -> None:
        """Do tasks until there are no more; then close the plugins."""
        for line in self._wire.tasks():
            message = decode(line)
            words = self._do(message)
            self._wire.leave_forked()
            state = self._state(message["type"])
            self._ears.end()
            self._wire.end(*([encode({"kind": "state", **state})] if state else []), words)
            if "tired" in state:
                break
            self._ears.mend()  # now, and not when somebody waits for the next one
        self._runner.close()
        self._ears.end()

    def _tell_load(self, info: PluginInfo | None) -> None:
        """Say what is loaded before it is: nothing can be said any more by a process that it ends."""
        plugin = None if info is None else [info.kind.value, info.name]
        self._wire.tell(encode({"kind": "state", "loading": plugin}))

    def _do(self, message: Message) -> str:
        try:
            return self._runner.do(message, self._wire.conversation())
        except KeyboardInterrupt:  # no key reaches a child: the plugin raised it
            text = "scrape() raised KeyboardInterrupt; report this to the plugin's authors"
            kind = "builtins.KeyboardInterrupt"
            failure = ErrorInfo(error_class=ErrorClass.BUG, type=kind, message=text)
            return encode_about(message["of"], error_message(failure))

    def _state(self, task_type: str) -> Message:
        """Say what there is to say of this process, and once for each plugin if it cannot be used.

        That is how large it is, if it has grown, and that others had better not run in it any more.
        """
        state: Message = {}
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if largest > self._largest * GROWN:
            self._largest = largest
            state["rss"] = resident()
        if self._files.are_scarce():
            state["tired"] = True
        info = self._registry.info(task_type)
        if task_type not in self._told and info.state not in USABLE:
            self._told.add(task_type)
            state["plugin"] = {"name": task_type, "state": info.state.value, "reason": info.reason}
        return state


def resident() -> int:
    """Give how much memory this process holds, in bytes; where the system does not tell, the most that it ever held."""
    return memory.resident("self") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def limit(memory_mb: int) -> None:
    """Turn an allocation beyond the limit into a MemoryError, and write no core file: it would hold secrets.

    What this does not count, shared memory and what other processes hold, the worker weighs now and then.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_mb:
        most = memory_mb * memory.MIB
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def main(sock: socket.socket, gate: socket.socket | None = None) -> None:
    """Live as a child at this end of the socket pair, and of the gate."""
    wire = Wire(sock, gate)
    hello = wire.greeting()
    limit(hello["memory_mb"])
    Child(wire, hello, Overhearing(wire, hello["log_level"])).work()
