"""How much is measured: the whole, and a small form for a quick look."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Counts of tasks and rounds.

    Attributes:
        long: Tasks in the long queue.
        short: Tasks in the short queue.
        middle: Tasks queued before whole tasks are measured; enough for all rounds.
        rounds: Rounds that count; one more warms.
        claims: Claims in a round.
        tasks: Whole tasks in a round.
        peers: Tasks in a round that each queue of the comparison takes in and works off.
        bulk: Tasks in one bulk.
        threads: Threads that enqueue at once.
        thread_tasks: Tasks that each of them enqueues.
        process_rounds: Rounds with several processes.
        normal_tasks: Tasks that several processes share, durability normal.
        full_tasks: The same, durability full.
    """

    long: int
    short: int
    middle: int
    rounds: int
    claims: int
    tasks: int
    peers: int
    bulk: int
    threads: int
    thread_tasks: int
    process_rounds: int
    normal_tasks: int
    full_tasks: int


WHOLE = Sizes(
    long=1_000_000,
    short=10_000,
    middle=100_000,
    rounds=7,
    claims=500,
    tasks=2_000,
    peers=3_000,
    bulk=10_000,
    threads=16,
    thread_tasks=50,
    process_rounds=5,
    normal_tasks=12_000,
    full_tasks=1_600,
)
QUICK = Sizes(
    long=50_000,
    short=5_000,
    middle=30_000,
    rounds=3,
    claims=200,
    tasks=1_000,
    peers=1_000,
    bulk=5_000,
    threads=16,
    thread_tasks=10,
    process_rounds=1,
    normal_tasks=4_000,
    full_tasks=800,
)
