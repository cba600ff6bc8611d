"""The whole records of the videos of a list, where one that cannot be read costs no more than itself."""

from collections.abc import Sequence

from ytworker import ErrorClass, Item, OfflineError, TaskError
from ytworker_ytdlp.mapping import merged
from ytworker_ytdlp.session import Session
from ytworker_ytdlp.video import read_video_or_stub

ABOUT_ONE = frozenset({ErrorClass.TRANSIENT, ErrorClass.SUSPECT, ErrorClass.BUG})
"""Failures that may be one video's own."""
TRIES = 2


class RecordReader:
    """Reads one record after the other.

    A video whose record cannot be read keeps what its list tells, with the reason in ``extra.unavailable``. A second
    one that fails right after it proves that it is not the videos, and raises. A passing trouble is left to the engine,
    which waits before it tries again, until that did not help.

    Args:
        session: The session at work.
        subtitles: Languages whose subtitles become ``text``; see :func:`ytworker_ytdlp.read_video`.
        read_before: Whether an earlier attempt read a record of this list.
    """

    def __init__(self, session: Session, subtitles: Sequence[str] = (), *, read_before: bool = False) -> None:
        self._session = session
        self._subtitles = subtitles
        self._read_any = read_before
        self._failure: TaskError | None = None

    @property
    def sure(self) -> bool:
        """Whether the latest video was read: until another is, a failure may be everybody's, and nothing is saved."""
        return self._failure is None

    def fill(self, listed: Item) -> Item:
        """Lay a video's whole record over what its list tells.

        Raises:
            TaskError: What concerns more than this video.
        """
        for _ in range(TRIES):
            try:
                full = read_video_or_stub(self._session, listed.id, self._subtitles)
            except TaskError as error:
                failure = self._excused(error)
            else:
                self._read_any, self._failure = True, None
                return merged(listed, full)
        self._failure = failure
        self._session.context.logger.warning("%s; what the list tells of it is given instead", failure)
        return listed.model_copy(update={"extra": {**listed.extra, "unavailable": str(failure)}})

    def settle(self) -> None:
        """Raise the failure where no record at all could be read; call it at the end of the list."""
        if self._failure is not None and not self._read_any:
            raise self._failure

    def _excused(self, error: TaskError) -> TaskError:
        passing = error.error_class is ErrorClass.TRANSIENT and self._session.context.task.attempt == 1
        if self._failure or passing or error.error_class not in ABOUT_ONE or isinstance(error, OfflineError):
            raise error
        return error
