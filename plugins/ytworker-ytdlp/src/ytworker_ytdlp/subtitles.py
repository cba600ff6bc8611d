"""A video's subtitles as plain text: choosing one track, and reading it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ytworker import Item, RetryableError, SuspectError, TaskError
from ytworker_ytdlp.guard import url_problem
from ytworker_ytdlp.session import Session

FORM = "json3"
"""The one form that has each word once: the others repeat lines of automatic subtitles as they roll up the screen."""
MAX_TEXT = 2_000_000
"""So many characters of a transcript are kept; twelve hours of speech are about 700,000."""

_ORIGINAL = "-orig"
_LISTS: tuple[tuple[Literal["manual", "automatic"], str], ...] = (
    ("manual", "subtitles"),
    ("automatic", "automatic_captions"),
)


@dataclass(frozen=True, slots=True)
class Track:
    """One track of subtitles.

    Attributes:
        language: As YouTube names it, such as ``en`` or ``pt-BR``.
        kind: ``manual`` where a person wrote it, ``automatic`` where a machine listened.
        url: Where it is read.
    """

    language: str
    kind: Literal["manual", "automatic"]
    url: str


def choose_track(info: Mapping[str, Any], languages: Sequence[str]) -> Track | None:
    """Choose the track that fits best: manual before automatic, and within each the wanted languages in their order.

    ``en`` also finds ``en-GB`` where there is no plain ``en``; translations by machine are never taken.

    Args:
        info: yt-dlp's record of the video.
        languages: BCP 47 tags, the most wanted first.
    """
    for kind, name in _LISTS:
        tracks = {key.removesuffix(_ORIGINAL): url for key, url in _tracks(info.get(name), kind)}
        for language in languages:
            fitting = [key for key in (language, *sorted(tracks)) if key in tracks and _fits(key, language)]
            if fitting:
                return Track(fitting[0], kind, tracks[fitting[0]])
    return None


def with_text(session: Session, item: Item, info: Mapping[str, Any], languages: Sequence[str]) -> Item:
    """Add the transcript to an item: one request where a track fits, none otherwise.

    ``extra.transcript`` tells its ``language`` and ``kind``, or as ``missing`` why there is none; a transcript that
    cannot be read is no reason to lose the video.

    Raises:
        TaskError: What concerns the identity, such as a throttled or blocked request.
    """
    track = choose_track(info, languages)
    if track is None:
        return _noted(item, {"missing": f"no subtitles in {', '.join(languages)}"})
    facts: dict[str, Any] = {"language": track.language, "kind": track.kind}
    try:
        text = read_track(session, track, f"subtitles of video {item.id}")
    except TaskError as error:
        if type(error) not in {RetryableError, SuspectError}:
            raise
        return _noted(item, {**facts, "missing": str(error)})
    if len(text) > MAX_TEXT:
        facts["truncated"] = True
    return _noted(item.model_copy(update={"text": text[:MAX_TEXT]}), facts)


def read_track(session: Session, track: Track, subject: str) -> str:
    """Ask for a track and give it as plain text, a line for each line on the screen: one request.

    Raises:
        SuspectError: The answer is no track. YouTube answers with nothing at all to clients that it does not trust.
        TaskError: In the class of what else happened.
    """
    if problem := url_problem(track.url):
        msg = f"{subject}: their address is refused: {problem}"
        raise SuspectError(msg, source=session.source)
    with session.step(subject):
        status, body = session.fetch(track.url)
    text = plain_text(body)
    if text is None:
        msg = f"{subject}: YouTube answered HTTP {status} without readable subtitles"
        raise SuspectError(msg, source=session.source)
    return text


def plain_text(body: bytes) -> str | None:
    """Read the words out of a track in the form ``json3``; None where it is none."""
    try:
        events = json.loads(body)["events"]
        lines = [_line(event) for event in events if not event.get("aAppend")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return "\n".join(line for line in lines if line)


def _line(event: Mapping[str, Any]) -> str:
    words = "".join(str(piece.get("utf8", "")) for piece in event.get("segs") or ())
    clean = words.replace("\u200b", "").encode("utf-8", "replace").decode("utf-8")
    return " ".join(clean.split())


def _tracks(found: Any, kind: str) -> list[tuple[str, str]]:
    """List the tracks with an address; of the automatic ones the plain and the original, which is the same."""
    tracks = found.items() if isinstance(found, Mapping) else ()
    pairs = [(key, _address(forms)) for key, forms in tracks if isinstance(key, str) and key != "live_chat"]
    return [(key, url) for key, url in pairs if url and (kind == "manual" or "tlang=" not in url)]


def _address(forms: Any) -> str:
    for form in forms if isinstance(forms, list) else ():
        if isinstance(form, Mapping) and form.get("ext") == FORM and isinstance(form.get("url"), str):
            return str(form["url"])
    return ""


def _fits(key: str, language: str) -> bool:
    return key.lower() == language.lower() or key.lower().startswith(f"{language.lower()}-")


def _noted(item: Item, facts: dict[str, Any]) -> Item:
    return item.model_copy(update={"extra": {**item.extra, "transcript": facts}})
