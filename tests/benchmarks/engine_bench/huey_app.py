"""A task of huey's that does nothing."""

import os

from huey import SqliteHuey

huey = SqliteHuey(filename=os.environ["BENCH_FILE"], fsync=os.environ["BENCH_FSYNC"] == "1")


@huey.task()
def nothing(number: int) -> None:
    """Do nothing."""
