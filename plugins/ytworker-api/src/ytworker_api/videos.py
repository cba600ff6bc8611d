"""Videos by their ids: up to 50 with one call, and an item for each that was asked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ytworker import Context, Item
from ytworker_api.client import Client
from ytworker_api.costs import PAGE
from ytworker_api.ids import VIDEO_ID
from ytworker_api.mapping import Hit, Record, missing_item, video_item
from ytworker_api.parameters import ApiParameters

CONTRADICTED = 3
"""Where a list names so many videos and not one of them is answered for, the answer is doubted, not the videos."""


class Videos:
    """Reads videos for one task.

    Args:
        client: The way to the service.
        params: Which parts are wanted.
    """

    def __init__(self, client: Client, params: ApiParameters) -> None:
        self._client = client
        self._params = params
        self._parts = frozenset[str](params.parts)

    def by_ids(self, ids: Sequence[str]) -> Iterator[Item]:
        """Give an item for each id, in their order; one that the service leaves out is gone."""
        found = self._ask(ids)
        for video_id in ids:
            record = found.get(video_id)
            yield missing_item(Hit(video_id)) if record is None else video_item(record, self._parts)

    def of_hits(self, hits: Sequence[Hit]) -> tuple[list[Item], bool]:
        """Give an item for each entry of a list.

        Returns:
            The items, and whether list and answer contradict each other: then nothing is said to be gone.
        """
        found = self._ask([hit.id for hit in hits])
        contradicted = not found and len(hits) >= CONTRADICTED
        items = [
            missing_item(hit, gone=not contradicted)
            if (record := found.get(hit.id)) is None
            else video_item(record, self._parts, hit.context)
            for hit in hits
        ]
        return items, contradicted

    def of_answer(self, answer: Mapping[str, Any], subject: str) -> list[Record]:
        """Give the records of a page of ``videos.list``; a hollow one is refused."""
        records = records_of(self._client, answer, subject)
        for record in records:
            self._check(record, subject)
        return records

    def item(self, hit: Hit) -> Item:
        """Make an item of an entry that is a whole record."""
        return video_item(hit.record, self._parts, hit.context)

    @property
    def part(self) -> str:
        """The parts as the service wants them."""
        return ",".join(self._params.parts)

    def _ask(self, ids: Sequence[str]) -> dict[str, Record]:
        subject = f"video {ids[0]}" if len(ids) == 1 else f"{len(ids)} videos from {ids[0]}"
        method = "videos.batchGetStats" if self._params.statistics_only else "videos.list"
        answer = self._client.call(method, subject, id=",".join(ids), part=self.part)
        found: dict[str, Record] = {}
        for record in self.of_answer(answer, subject):
            if record["id"] not in ids:
                self._client.doubt(subject, f"it is about {str(record['id'])[:20]!r}, which nobody asked for")
            found.setdefault(record["id"], record)
        self._check_whole(answer, len(found), subject)
        return found

    def _check(self, record: Record, subject: str) -> None:
        """Let no record without its id, or without any of the parts that every video has, pass for data."""
        if not isinstance(record.get("id"), str) or not VIDEO_ID.fullmatch(record["id"]):
            self._client.doubt(subject, "a record has no id of a video")
        snippet = record.get("snippet")
        needed = "snippet" in self._parts and not self._params.statistics_only
        if needed and not (isinstance(snippet, Mapping) and snippet.get("title") and snippet.get("channelId")):
            self._client.doubt(subject, f"the record of {record['id']} has no title or no channel")
        if self._parts.isdisjoint(record):
            self._client.doubt(subject, f"the record of {record['id']} holds nothing that was asked for")

    def _check_whole(self, answer: Mapping[str, Any], found: int, subject: str) -> None:
        """Compare with what the answer says of itself."""
        total = total_of(answer)
        if found < min(total, PAGE):
            self._client.doubt(subject, f"it holds {found} videos and says that there are {total}")


def records_of(client: Client, answer: Mapping[str, Any], subject: str) -> list[Record]:
    """Give the records of an answer; no ``items`` at all is the service's way to say none.

    Raises:
        SuspectError: They are no records.
    """
    records = answer.get("items", [])
    if not isinstance(records, list) or not all(isinstance(record, Mapping) for record in records):
        client.doubt(subject, "its items are no records")
    return records


def total_of(answer: Mapping[str, Any]) -> int:
    """Read how many there are by the answer's own word; 0 where it does not say."""
    info = answer.get("pageInfo")
    total = info.get("totalResults") if isinstance(info, Mapping) else None
    return total if isinstance(total, int) else 0


def distinct(hits: Iterable[Hit], seen: Mapping[str, None]) -> list[Hit]:
    """Leave out what was seen before, and what stands twice."""
    fresh: dict[str, Hit] = {}
    for hit in hits:
        if hit.id not in seen:
            fresh.setdefault(hit.id, hit)
    return list(fresh.values())


def batches(client: Client, params: ApiParameters, context: Context) -> Iterator[Item]:
    """Give the videos of a task's ids, 50 at a time; what was given before the checkpoint is not asked for again."""
    videos, ids = Videos(client, params), params.ids or []
    for start in range(_done(context.checkpoint.value), len(ids), PAGE):
        if context.cancelled:
            return
        batch = ids[start : start + PAGE]
        for item in videos.by_ids(batch):
            if context.cancelled:
                return
            yield item
        done = start + len(batch)
        context.progress(done, len(ids))
        if done < len(ids):
            context.checkpoint.save({"done": done})


def _done(checkpoint: Any) -> int:
    """Read an earlier attempt's checkpoint; anything else than ours counts as none."""
    done = checkpoint.get("done") if isinstance(checkpoint, Mapping) else None
    return done if isinstance(done, int) and done > 0 and done % PAGE == 0 else 0
