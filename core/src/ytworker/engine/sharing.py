"""What the attempts of a worker share: the queue, the budgets, the settings, and who watches."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ytworker.engine.budgets import Budgets
from ytworker.model import Clock, NewTask
from ytworker.queue import TaskQueue
from ytworker.secret_references import marks

Sections = Mapping[str, Mapping[str, Any]]


def digest(sections: Sections) -> str:
    """Digest all plugin settings, and what tells that a secret which they refer to has changed.

    A source that is paused under one digest is asked again under another.
    """
    return hashlib.sha256(json.dumps([sections, marks(sections)], sort_keys=True, default=str).encode()).hexdigest()


class Checker(Protocol):
    """Makes a follow-up task out of parameters that were checked where its plugin is; the service has one."""

    def __call__(self, task_type: str, params: Mapping[str, Any], **options: Any) -> NewTask:
        """Give the task as the queue takes it.

        Raises:
            ParametersError: An option does not fit.
        """


class Observer(Protocol):
    """Who wants to see a task go on, such as a progress bar."""

    def __call__(self, done: int, total: int | None, note: str | None) -> None:
        """Take notice."""


@dataclass(slots=True, kw_only=True)
class AttemptDeps:
    """What every attempt of a worker shares.

    Attributes:
        queue: Where checkpoints and progress go.
        budgets: Who may be asked, and when.
        sections: The raw settings sections of plugins.
        settings_digest: See :func:`digest`.
        clock: Integer UTC microseconds.
        beat: Told with every message that the attempt is alive, and for how many seconds it may now be silent.
        check: Makes follow-up tasks.
        observe: Sees progress, or None.
        steady: Microseconds of a clock that nobody sets, for deadlines and durations.
        stopping: Tells whether the worker gives its task back.
        draining: Tells whether the worker only waits for what it has begun: whoever would have to wait goes back.
        patient: Whether to wait for a turn that is far off; the worker has nothing else to do.
        version_of: Gives the version of the plugin that answers a type, if it is known.
        is_usable: Tells whether the plugin that answers a type can be used, as far as is known here.
        max_depth: How many tasks may follow each other, each enqueued by the one before.
    """

    queue: TaskQueue
    budgets: Budgets
    sections: Sections = field(repr=False)
    settings_digest: str
    clock: Clock
    beat: Callable[[float], None]
    check: Checker
    steady: Clock
    observe: Observer | None = None
    stopping: Callable[[], bool] = field(default=lambda: False)
    draining: Callable[[], bool] = field(default=lambda: False)
    patient: bool = False
    version_of: Callable[[str], str | None] = field(default=lambda _type: None)
    is_usable: Callable[[str], bool] = field(default=lambda _type: True)
    max_depth: int = 100
