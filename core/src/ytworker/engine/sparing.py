"""Who is not to blame when a child says nonsense: a plugin may leave a thread behind that speaks of a task before."""

from ytworker.engine.member import Member


class Sparing:
    """Tells which tasks of children that said nonsense go back as if they had not been claimed."""

    def __init__(self) -> None:
        self._spared: set[int] = set()

    def spares(self, member: Member, named: str | None) -> bool:
        """Tell whether what this child runs goes back unburned; it begins nothing more in any case.

        So does what had not begun, and what runs after the attempt that the nonsense was of; but that only once until
        an attempt of it counts, because it may have named the other one itself.

        Args:
            member: Who said it.
            named: Of which attempt, if that was not the one that runs.
        """
        if member.running is None:
            return False
        if not member.bar():
            return True
        task_id = member.running.claim.task.id
        if named not in member.done or task_id in self._spared:
            return False
        self._spared.add(task_id)
        return True

    def acquit(self, task_id: int) -> None:
        """Take notice that an attempt of this task counted."""
        self._spared.discard(task_id)
