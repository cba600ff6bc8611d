"""What one child gets when tasks are handed out."""

from ytworker.engine.attempt import Attempt
from ytworker.engine.member import Member


class Share:
    """What one child gets of some tasks.

    Args:
        member: The child.

    Attributes:
        load: How many tasks it has to do, these included.
        room: How many more it may be given.
        attempts: What it is to be handed.
    """

    def __init__(self, member: Member) -> None:
        self.member = member
        self.load = len(member.attempts)
        self.room = member.room()
        self.attempts: list[Attempt] = []

    def load_of(self) -> int:
        """Give the load."""
        return self.load

    def add(self, attempt: Attempt) -> None:
        """Let it have one more."""
        self.attempts.append(attempt)
        self.load += 1
        self.room -= 1
