"""What became of the tasks that were being done when a worker left."""

from dataclasses import dataclass


@dataclass(slots=True)
class Parting:
    """Filled in by the worker on its way out; tasks that ended in good order are not among these.

    Attributes:
        given_back: How many tasks were given back to the queue, with no attempt counted.
        recalled: How many tasks went back because the worker was asked to stop, and they had not begun or had to wait.
        kept: How many could not be given back, since the queue could not be written: their lease has to end first.
    """

    given_back: int = 0
    recalled: int = 0
    kept: int = 0
