"""What one attempt of a ``channel_scrape`` does. Imported with the first task: checking parameters needs none of it."""

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ytworker import Context, Deferred, Item, PermanentError, TaskError
from ytworker_channel.lists import Found, open_list
from ytworker_channel.parameters import ChannelParameters
from ytworker_ytdlp import RecordReader, Session

CHECKPOINT_EVERY = 10
"""Videos in full, each of two requests or more."""
CHECKPOINT_LISTED = 30
"""Entries of a list: the shortest page of one."""
PATIENCE = 3
"""So many too old videos in a row end a list; fewer are a premiere or a stream that stands out of order."""


def scrape_channel(params: ChannelParameters, context: Context, cutoff: datetime | None) -> Iterator[Item]:
    """Give the newest videos of a channel; see :meth:`ytworker_channel.YouTubeChannelWorker.scrape`.

    Args:
        params: What to scrape.
        context: The task's context.
        cutoff: Nothing older than this is given.
    """
    session = Session(context)
    found = open_list(session, params)
    _refuse_short_feed(found, params, cutoff)
    if params.depth == "list":
        yield from _listed(found, params, context, cutoff)
    else:
        yield from _Deep(session, params, cutoff).items(found)


def _is_old(item: Item, cutoff: datetime | None) -> bool:
    return cutoff is not None and item.published_at is not None and item.published_at < cutoff


def _refuse_short_feed(found: Found, params: ChannelParameters, cutoff: datetime | None) -> None:
    """Refuse a window that reaches back further than the feed: what it holds would look complete and is not."""
    if cutoff is None or not found.cut_off or len(found.cut_off) >= params.top_n:
        return
    if any(_is_old(item, cutoff) for item in found.cut_off):
        return
    msg = f"{params.channel}: the {len(found.cut_off)} entries of the feed do not reach back {params.max_age_days} "
    msg += "days. Use --depth full" + (" with --route uploads" if params.depth == "full" else "") + ", or fewer days"
    raise PermanentError(msg)


def _listed(found: Found, params: ChannelParameters, context: Context, cutoff: datetime | None) -> Iterator[Item]:
    """Give the list's own items; only those of the feed have dates."""
    seen = _seen(context.checkpoint.value)
    young = (item for item in found.items if not _is_old(item, cutoff))
    for done, item in enumerate(itertools.islice(young, params.top_n), 1):
        if context.cancelled:
            return
        context.progress(done, params.top_n, item.title)
        if item.id not in seen:
            yield item
            seen[item.id] = None
            if done < params.top_n and len(seen) % CHECKPOINT_LISTED == 0:
                context.checkpoint.save({"seen": list(seen)})


def _is_upcoming(item: Item) -> bool:
    return item.live_status == "is_upcoming"


def _is_young(item: Item, cutoff: datetime | None) -> bool | None:
    """Judge an item by its date; None where it has none and there is a cutoff to miss."""
    if cutoff is None:
        return True
    return None if item.published_at is None else item.published_at >= cutoff


class _Deep:
    """One pass over a list with the full record of each video.

    With a cutoff, an item without a date (private, gone, for members only) takes the verdict of its dated neighbours:
    it is held until the next dated item and given before that one where it is young, dropped where it is old. Those
    still held at the end of the list are given if the last dated item before them was young. An undated item never
    interrupts a row of old ones. A premiere that is still to come is young itself and says nothing about others.
    """

    def __init__(self, session: Session, params: ChannelParameters, cutoff: datetime | None) -> None:
        self._context = session.context
        self._params = params
        self._cutoff = cutoff
        self._seen = _seen(session.context.checkpoint.value)
        self._kept = len(self._seen)
        self._done = 0
        self._row = 0
        self._held: list[Item] = []
        self._last_young = False
        self._records = RecordReader(session, params.subtitles, read_before=bool(self._seen))

    def items(self, found: Found) -> Iterator[Item]:
        """Give the full items; stop at the wanted number, at too many old ones, or when the task is cancelled.

        Whatever ends the attempt early leaves what is done in a checkpoint: a block after nine videos costs none.
        """
        try:
            yield from self._wanted(found)
        except (TaskError, Deferred):
            self._keep()
            raise
        self._records.settle()

    def _wanted(self, found: Found) -> Iterator[Item]:
        for item in self._young(found):
            self._done += 1
            self._context.progress(self._done, self._params.top_n, item.title)
            if item.id not in self._seen:
                yield item
                self._seen[item.id] = None
            if self._done >= self._params.top_n:
                return
            if len(self._seen) >= self._kept + CHECKPOINT_EVERY:
                self._keep()

    def _young(self, found: Found) -> Iterator[Item]:
        """Give what is young enough, in order; what an earlier attempt gave comes as it is listed."""
        for listed in found.items:
            if self._context.cancelled or self._row >= PATIENCE:
                return
            yield from self._settle(self._read(listed), given=listed.id in self._seen)
        yield from self._release(young=self._last_young)

    def _read(self, listed: Item) -> Item:
        """Read one video, unless it was given before or its date in the list is too old already."""
        if listed.id in self._seen or _is_old(listed, self._cutoff):
            return listed
        item = self._records.fill(listed)
        if not self._records.sure:
            self._save()  # without this one: another has to be read before it counts as its own trouble
        return item

    def _settle(self, item: Item, *, given: bool) -> list[Item]:
        """Judge an item, and with it those that are held; give all that may go out now."""
        young = True if given else _is_young(item, self._cutoff)
        if self._cutoff is not None and (young is None or _is_upcoming(item)):
            self._held.append(item)
            return [] if len(self._held) > 1 or not _is_upcoming(item) else self._release(young=False)
        self._last_young = bool(young)
        self._row = 0 if young else self._row + 1
        return [*self._release(young=self._last_young), *([item] if young else [])]

    def _release(self, *, young: bool) -> list[Item]:
        """Empty what is held: all of it where its neighbour is young, else the premieres alone."""
        held, self._held = self._held, []
        return [item for item in held if young or _is_upcoming(item)]

    def _keep(self) -> None:
        if self._records.sure:
            self._save()

    def _save(self) -> None:
        if len(self._seen) > self._kept:
            self._kept = len(self._seen)
            self._context.checkpoint.save({"seen": list(self._seen)})


def _seen(checkpoint: Any) -> dict[str, None]:
    """Read an earlier attempt's checkpoint; anything else than ours counts as none."""
    seen = checkpoint.get("seen") if isinstance(checkpoint, Mapping) else None
    return dict.fromkeys(entry for entry in seen if isinstance(entry, str)) if isinstance(seen, list) else {}
