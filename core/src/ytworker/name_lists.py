"""Names that the program keeps for its user: one a line, in a file beside the config file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ytworker.errors import SettingsError


@dataclass(frozen=True, slots=True)
class NameList:
    """A file of names; one that is not there is empty.

    Attributes:
        file: Where it is.
    """

    file: Path

    def read(self) -> tuple[str, ...]:
        """Give the names.

        Raises:
            SettingsError: The file is there and cannot be read; an unreadable block list must not unblock anything.
        """
        try:
            lines = self.file.read_text("utf-8").splitlines() if self.file.exists() else ()
        except (OSError, ValueError) as error:
            msg = f"{self.file} cannot be read: {error}"
            raise SettingsError(msg) from None
        return tuple(filter(None, map(str.strip, lines)))

    def write(self, names: Iterable[str]) -> None:
        """Replace the names, in one step.

        Raises:
            SettingsError: The file cannot be written; it is as it was.
        """
        draft = self.file.with_suffix(".new")
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_text("".join(f"{name}\n" for name in sorted(set(names))), "utf-8")
            draft.replace(self.file)
        except OSError as error:
            msg = f"{self.file} cannot be written: {error.strerror}; nothing was changed"
            raise SettingsError(msg) from None
