"""One search; loaded with the first task, not with the plugin."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from ytworker import Context, Deferred, Item, ItemContext, TaskError
from ytworker_keyword.hits import find_hits, is_too_old
from ytworker_keyword.parameters import KeywordParameters
from ytworker_keyword.ranking import Hit, in_order
from ytworker_ytdlp import RecordReader, Session

CHECKPOINT_EVERY = 10
CHECKPOINT_CHARACTERS = 900_000
"""A checkpoint holds 1 MiB at most; what does not fit is read again by the next attempt."""
PATIENCE = 20
"""So many hits in a row that are too old end a search within the hour: YouTube does not heed the filter."""


def scrape_search(params: KeywordParameters, context: Context, now: datetime) -> Iterator[Item]:
    """Search; see :meth:`ytworker_keyword.YouTubeKeywordWorker.scrape`."""
    if note := order_note(params):
        context.logger.info(note)
        context.progress(0, params.top_n, note)
    hits = _Hits(Session(context), params, now)
    if params.reordered:
        for rank, (hit, score) in enumerate(in_order(list(hits.gathered()), params, now), 1):
            if context.cancelled:
                return
            yield _labelled(hit, rank, score, params)
    else:
        for rank, hit in hits.streamed():
            yield _labelled(hit, rank, None, params)


def order_note(params: KeywordParameters) -> str | None:
    """Say what YouTube no longer does and is done here instead."""
    if params.sort_by in {"date", "rating"}:
        return f"YouTube no longer sorts by {params.sort_by}: its {params.top_n} best matches are sorted after fetching"
    if params.date_filter == "hour":
        return "YouTube no longer offers the last hour as a filter: it is asked for and checked after fetching"
    return None


class _Hits:
    """One pass over the hits of a search, with the whole record of each where it is asked for.

    Whatever ends the attempt early leaves what is done in a checkpoint: a block after nine records costs none of them.
    """

    def __init__(self, session: Session, params: KeywordParameters, now: datetime) -> None:
        self._session = session
        self._context = session.context
        self._params = params
        self._now = now
        saved = session.context.checkpoint.value
        self._given = _given_before(saved)
        self._read = _read_before(saved)
        self._records = RecordReader(session, read_before=bool(self._given or self._read))

    def streamed(self) -> Iterator[tuple[int, Hit]]:
        """Give hits with their ranks as they come; those that an earlier attempt gave and stored are counted only."""
        given = len(self._given)
        try:
            for rank, hit in self._taken(skip=self._given):
                if hit.item.id not in self._given:
                    yield rank, hit
                    self._given[hit.item.id] = None
                if self._worth_saving(len(self._given) - given) and rank < self._params.top_n:
                    given = self._save({"given": list(self._given)}, len(self._given))
        except (TaskError, Deferred):
            # The last may be unread for everybody's reason: it does not count until another was read.
            sure = list(self._given) if self._records.sure else list(self._given)[:-1]
            if self._params.full and len(sure) > given:
                self._save({"given": sure}, 0)
            raise

    def gathered(self) -> Iterator[Hit]:
        """Give all hits for a list that will be sorted; what was read of them survives a failure."""
        read = len(self._read)
        try:
            for _, hit in self._taken(skip={}):
                yield hit
                if self._worth_saving(len(self._read) - read):
                    read = self._save(self._read_so_far(), len(self._read))
        except (TaskError, Deferred):
            if self._params.full and len(self._read) > read:
                self._save(self._read_so_far(), 0)
            raise

    def _taken(self, skip: Mapping[str, None]) -> Iterator[tuple[int, Hit]]:
        """Give as many hits as are wanted; stop early where the task is cancelled or the filter is not heeded."""
        done = stale = 0
        for listed in find_hits(self._session, self._params):
            if self._context.cancelled or stale >= PATIENCE:
                break
            given = listed.item.id in skip
            hit = self._filled(listed) if self._params.full and not given else listed
            stale = stale + 1 if not given and is_too_old(hit.item, self._params, self._now) else 0
            if stale:
                continue
            done += 1
            self._context.progress(done, self._params.top_n, hit.item.title)
            yield done, hit
            if done >= self._params.top_n:
                break
        self._records.settle()

    def _filled(self, hit: Hit) -> Hit:
        if (known := self._read.get(hit.item.id)) is None:
            known = self._records.fill(hit.item)
            if self._records.sure:
                self._read[known.id] = known
        return replace(hit, item=known)

    def _worth_saving(self, fresh: int) -> bool:
        return self._params.full and self._records.sure and fresh >= CHECKPOINT_EVERY

    def _save(self, value: dict[str, Any], count: int) -> int:
        if len(json.dumps(value)) <= CHECKPOINT_CHARACTERS:
            self._context.checkpoint.save(value)
        return count

    def _read_so_far(self) -> dict[str, Any]:
        return {"read": [item.model_dump(mode="json", exclude_defaults=True) for item in self._read.values()]}


def _given_before(checkpoint: Any) -> dict[str, None]:
    """Read the ids in an earlier attempt's checkpoint; anything else than ours counts as none."""
    held = checkpoint.get("given") if isinstance(checkpoint, Mapping) else None
    return dict.fromkeys(each for each in held if isinstance(each, str)) if isinstance(held, list) else {}


def _read_before(checkpoint: Any) -> dict[str, Item]:
    """Read the records in an earlier attempt's checkpoint."""
    held = checkpoint.get("read") if isinstance(checkpoint, Mapping) else None
    try:
        items = [Item.model_validate(each) for each in held] if isinstance(held, list) else []
    except ValidationError:
        items = []
    return {item.id: item for item in items}


def _labelled(hit: Hit, rank: int, score: float | None, params: KeywordParameters) -> Item:
    extra: dict[str, Any] = {**hit.item.extra, "position": hit.position, "page": hit.page}
    if params.rank_by != "position":
        extra |= {"rank_by": params.rank_by, "score": score}
    if params.sort_by in {"date", "rating"}:
        extra["sorted_after_fetching"] = params.sort_by
    if hit.corrected:
        extra["corrected_query"] = hit.corrected
    context = ItemContext(query=params.query, rank=rank, list="search")
    return hit.item.model_copy(update={"context": context, "extra": extra})
