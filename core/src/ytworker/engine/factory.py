"""Makes workers: with plugins in this process, or in children."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ytworker.engine.budgets import Budgets
from ytworker.engine.children import ForkServer
from ytworker.engine.crew import Crew
from ytworker.engine.executor import InlineExecutor
from ytworker.engine.loading import Loading
from ytworker.engine.loop import CrewWorker
from ytworker.engine.member import Limits
from ytworker.engine.messages import Message
from ytworker.engine.retry import RetryStrategy
from ytworker.engine.runner import TaskRunner
from ytworker.engine.sharing import AttemptDeps, Checker, Observer, Sections, digest
from ytworker.engine.worker import PluginWorker, WorkerDeps
from ytworker.model import Clock
from ytworker.pacing import Pace
from ytworker.plugins.discovery import USABLE
from ytworker.plugins.registry import PluginRegistry
from ytworker.queue import ClaimingStrategy, LIFOStrategy, TaskQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFactory:
    """Makes workers that share one queue and one set of plugins.

    Attributes:
        queue: Where tasks come from.
        registry: The plugins.
        sections: The raw settings sections of plugins.
        clock: Integer UTC microseconds.
        steady: Microseconds of a clock that nobody sets, for deadlines and durations.
        sleep: How to wait inside an attempt.
        check: Validates follow-up tasks.
        lease_seconds: How long a silent worker keeps its tasks.
        retry: What follows a failure, by task type.
        pace: How often a source may be asked.
        max_depth: How many tasks may follow each other, each enqueued by the one before.
    """

    queue: TaskQueue
    registry: PluginRegistry
    sections: Sections = field(repr=False)
    clock: Clock
    steady: Clock
    sleep: Callable[[float], None]
    check: Checker
    lease_seconds: float = 60.0
    retry: Callable[[str], RetryStrategy] = field(default=lambda _type: RetryStrategy())
    pace: Pace = field(default_factory=Pace)
    max_depth: int = 100

    def create(
        self,
        *,
        strategy: ClaimingStrategy = LIFOStrategy,
        types: Sequence[str] = (),
        observe: Observer | None = None,
        stopping: Callable[[], bool] = lambda: False,
        draining: Callable[[], bool] = lambda: False,
        foreground: bool = False,
    ) -> PluginWorker:
        """Make a worker that runs plugins in this process.

        Args:
            strategy: In which order it claims.
            types: The task types that it claims; empty for all that can be loaded.
            observe: Sees the progress of each task.
            stopping: Tells whether it gives its task back.
            draining: Tells whether it gives its task back as soon as that has to wait.
            foreground: Whether it comes for a task of its own, for somebody who waits, and goes again: it asks paused
                sources all the same, and waits for a turn however far off that is.
        """
        attempts = replace(
            self._attempts(foreground), observe=observe, stopping=stopping, draining=draining, patient=foreground
        )
        executor = InlineExecutor(TaskRunner(self.registry, self.sleep, self.clock))
        return PluginWorker(replace(self._deps(strategy, types), foreground=foreground), executor, attempts)

    def create_crew(
        self,
        server: ForkServer,
        *,
        size: int,
        limits: Limits,
        strategy: ClaimingStrategy = LIFOStrategy,
        types: Sequence[str] = (),
        strict: bool = False,
        draining: Callable[[], bool] = lambda: False,
    ) -> CrewWorker:
        """Make a worker whose plugins run in child processes; this process imports none of them.

        Args:
            server: Starts the children.
            size: How many of them work at a time.
            limits: What they may use.
            strategy: In which order it claims.
            types: The task types that it claims; empty for all that can be loaded.
            strict: Whether to stop rather than go on without a plugin that ends children while it is loaded.
            draining: Tells whether a task goes back as soon as it has to wait.
        """
        attempts = replace(self._attempts(), draining=draining)
        loading = Loading(self.registry, strict=strict)
        crew = Crew(server, self._hello(), attempts, self.registry.learn, loading, size=size, limits=limits)
        return CrewWorker(self._deps(strategy, types), attempts, crew)

    def _hello(self) -> Message:
        policy = self.registry.policy
        return {
            "kind": "hello",
            "policy": {
                "only": list(policy.only),
                "block": list(policy.block),
                "no_plugins": policy.no_plugins,
                "prefer": list(policy.prefer),
            },
            "trace_hooks": self.registry.trace,
            "log_level": logging.getLogger("ytworker").getEffectiveLevel(),
        }

    def _version_of(self, name: str) -> str | None:
        return self.registry.info(name).version

    def _deps(self, strategy: ClaimingStrategy, types: Sequence[str]) -> WorkerDeps:
        return WorkerDeps(
            queue=self.queue,
            types=lambda: [name for name in self.registry.task_types() if not types or name in types],
            strategy=strategy,
            retry=self.retry,
            clock=self.clock,
            lease_seconds=self.lease_seconds,
        )

    def _attempts(self, ignore_pauses: bool = False) -> AttemptDeps:
        return AttemptDeps(
            queue=self.queue,
            budgets=Budgets(self.queue, self.clock, self.pace, ignore_pauses),
            sections=self.sections,
            settings_digest=digest(self.sections),
            clock=self.clock,
            steady=self.steady,
            beat=lambda _seconds: None,
            check=self.check,
            version_of=self._version_of,
            is_usable=lambda name: self.registry.info(name).state in USABLE,
            max_depth=self.max_depth,
        )
