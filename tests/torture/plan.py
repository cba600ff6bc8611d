"""What becomes of one run of a task: drawn from a seed, so that the same round makes the same choices again."""

import random
from dataclasses import dataclass

FINISH, RETRY, BURY, DEFER, GIVE_BACK = "finish", "retry", "bury", "defer", "give_back"

_ENDINGS = {FINISH: 74, RETRY: 10, BURY: 3, DEFER: 8, GIVE_BACK: 5}


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        ending: How it ends.
        items: The ids of the items that it ends with.
        saved: The ids of the items that it saves with a checkpoint before; empty means no checkpoint.
        follow_ups: The tags of the tasks that it asks for.
        hangs: Whether it outlives its lease before it ends.
        lingers: Whether it takes its time, within the lease; so that whoever had the task before meets it.
        wait_us: For how long a retry or a deferral waits.
    """

    ending: str
    items: list[str]
    saved: list[str]
    follow_ups: list[str]
    hangs: bool
    lingers: bool
    wait_us: int


def plan(seed: str, task: int, fence: int, *, grown_up: bool) -> Plan:
    """Decide about the run ``fence`` of a task; only a task that is no follow-up itself has some."""
    draw = random.Random(f"{seed}:{task}:{fence}")
    (ending,) = draw.choices(list(_ENDINGS), list(_ENDINGS.values()))
    name = f"{task}-{fence}"
    return Plan(
        ending=ending,
        items=[f"{name}-{n}" for n in range(draw.choice([0, 0, 1, 3]))],
        saved=[f"{name}-c{n}" for n in range(2)] if draw.random() < 0.1 else [],
        follow_ups=[f"f{name}-{n}" for n in range(2)] if grown_up and draw.random() < 0.06 else [],
        hangs=draw.random() < 0.01,
        lingers=fence > 1 and draw.random() < 0.12,
        wait_us=draw.choice([-1_000_000, 0, 5_000, 60_000]),
    )
