"""Lists page by page: the uploads of a channel, a search, a chart."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ytworker import Context, GoneError, Item, ItemContext
from ytworker_api.client import Client, StaleTokenError
from ytworker_api.costs import PAGE
from ytworker_api.ids import CHANNEL_ID, uploads_id
from ytworker_api.mapping import Hit, Record, search_hit, upload_hit
from ytworker_api.parameters import DEFAULT_REGION, ApiParameters
from ytworker_api.videos import Videos, distinct, records_of, total_of

BARREN = 3
"""After so many pages in a row without anything new a list that promises more is not believed."""


class Lister:
    """One pass over a list, with the whole record of each video.

    A checkpoint after each page keeps the token of the next one and the ids that were given. A token that the service
    does not know any more makes the pass begin at the first page again, where what was given is left out.

    Args:
        client: The way to the service.
        params: Which list.
        context: The task's context.
    """

    def __init__(self, client: Client, params: ApiParameters, context: Context) -> None:
        self._client = client
        self._params = params
        self._context = context
        self._videos = Videos(client, params)
        self._token, self._rank, self._seen = _state(context.checkpoint.value)
        self._tokens: set[str] = set()
        self._barren = 0
        self._playlist: str | None = None

    def items(self) -> Iterator[Item]:
        """Give the items of the list, in its order, up to the wanted number."""
        while not self._context.cancelled:
            page = self._page()
            hits = distinct(self._hits(page), self._seen)
            for item in self._read(hits):
                if self._context.cancelled:
                    return
                yield item
            self._seen.update(dict.fromkeys(hit.id for hit in hits))
            self._context.progress(self._rank, self._params.count)
            self._token = self._next(page, new=bool(hits))
            if self._token is None or self._rank >= self._params.count:
                return
            self._context.checkpoint.save({"token": self._token, "rank": self._rank, "seen": list(self._seen)})

    def _read(self, hits: list[Hit]) -> list[Item]:
        if not hits:
            return []
        if self._params.resource == "chart":
            return [self._videos.item(hit) for hit in hits]
        items, contradicted = self._videos.of_hits(hits)
        if contradicted:
            self._context.suspect(f"{self._subject}: it lists {len(hits)} videos, and none of them was answered for")
        return items

    def _page(self) -> Mapping[str, Any]:
        try:
            return self._ask(self._token)
        except StaleTokenError:
            if self._token is None or not self._seen:
                raise
        self._token, self._rank = None, 0
        self._tokens.clear()
        return self._ask(None)

    def _ask(self, token: str | None) -> Mapping[str, Any]:
        page = {"maxResults": PAGE} | ({"pageToken": token} if token else {})
        match self._params.resource:
            case "search":
                return self._client.call("search.list", self._subject, **search_query(self._params), **page)
            case "chart":
                query = chart_query(self._params) | {"part": self._videos.part}
                return self._client.call("videos.list", self._subject, **query, **page)
            case _:
                return self._uploads(page)

    def _uploads(self, page: Mapping[str, Any]) -> Mapping[str, Any]:
        channel = self._params.channel or ""
        if self._playlist is None:
            self._playlist = uploads_id(channel) if CHANNEL_ID.fullmatch(channel) else self._look_up(forHandle=channel)
        query = {"playlistId": self._playlist, "part": "contentDetails,status"}
        try:
            return self._client.call("playlistItems.list", self._subject, **query, **page)
        except GoneError:
            if page.get("pageToken"):
                raise
        # A channel without a video has no such list either, so its absence alone proves nothing.
        if CHANNEL_ID.fullmatch(channel):
            self._look_up(id=channel)
        return {"kind": "youtube#playlistItemListResponse", "items": []}

    def _look_up(self, **query: str) -> str:
        """Ask for the channel and give the id of the list of its uploads.

        Raises:
            GoneError: There is no such channel.
        """
        answer = self._client.call("channels.list", self._subject, part="contentDetails", **query)
        records = records_of(self._client, answer, self._subject)
        if not records:
            msg = f"{self._subject}: there is no such channel, or no more. Check the spelling of the id or handle"
            raise GoneError(msg, source=self._client.source)
        channel_id = str(records[0].get("id"))
        if not CHANNEL_ID.fullmatch(channel_id) or query.get("id", channel_id) != channel_id:
            self._client.doubt(self._subject, f"it is about {channel_id[:30]!r}")
        return uploads_id(channel_id)

    def _hits(self, page: Mapping[str, Any]) -> list[Hit]:
        """Read a page; ranks go on from the page before."""
        records = (
            self._videos.of_answer(page, self._subject)
            if self._params.resource == "chart"
            else records_of(self._client, page, self._subject)
        )
        hits = []
        for record in records[: self._params.count - self._rank]:
            self._rank += 1
            if hit := self._hit(record):
                hits.append(hit)
        if records and not hits:
            self._client.doubt(self._subject, f"none of its {len(records)} entries names a video")
        if not records and not self._rank and self._params.resource != "search" and total_of(page):
            self._client.doubt(self._subject, f"it holds nothing and says that there are {total_of(page)}")
        return hits

    def _hit(self, record: Record) -> Hit | None:
        context = item_context(self._params, self._rank)
        match self._params.resource:
            case "search":
                return search_hit(record, context)
            case "chart":
                return Hit(record["id"], context, record)
            case _:
                return upload_hit(record, context)

    def _next(self, page: Mapping[str, Any], *, new: bool) -> str | None:
        """Give the token of the next page, once; a list that leads back to itself has no end."""
        token = page.get("nextPageToken")
        if not isinstance(token, str) or not token:
            return None
        self._barren = 0 if new else self._barren + 1
        if token in self._tokens or self._barren >= BARREN:
            self._client.doubt(self._subject, "its pages lead on for ever without anything new")
        self._tokens.add(token)
        return token

    @property
    def _subject(self) -> str:
        params = self._params
        match params.resource:
            case "search":
                return f"search {params.query or params.channel}"
            case "chart":
                return f"chart of {params.category or 'everything'} in {params.region or DEFAULT_REGION}"
            case _:
                return f"channel {params.channel}"


def search_query(params: ApiParameters) -> dict[str, Any]:
    """Give the parameters of ``search.list``; what is left at its default is not sent."""
    query = {
        "part": "snippet",
        "type": "video",
        "q": params.query,
        "order": None if params.order == "relevance" else params.order,
        "channelId": params.channel,
        "publishedAfter": _rfc3339(params.published_after),
        "publishedBefore": _rfc3339(params.published_before),
        "videoDuration": None if params.duration == "any" else params.duration,
        "eventType": params.event,
        "relevanceLanguage": params.language,
        "regionCode": params.region,
        "videoCategoryId": params.category_id,
    }
    return {name: value for name, value in query.items() if value is not None}


def chart_query(params: ApiParameters) -> dict[str, Any]:
    """Give the parameters of ``videos.list`` for a chart."""
    query = {"chart": "mostPopular", "regionCode": params.region or DEFAULT_REGION}
    return query if params.category_id is None else {**query, "videoCategoryId": params.category_id}


def item_context(params: ApiParameters, rank: int) -> ItemContext:
    """Say how an item was come upon."""
    if params.resource == "chart":
        region = params.region or DEFAULT_REGION
        return ItemContext(list="chart:mostPopular", rank=rank, country=region, category=params.category)
    if params.resource == "search":
        return ItemContext(
            list="search", rank=rank, query=params.query, country=params.region, category=params.category
        )
    return ItemContext(list="uploads", rank=rank)


def _rfc3339(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _state(checkpoint: Any) -> tuple[str | None, int, dict[str, None]]:
    """Read an earlier attempt's checkpoint; anything else than ours counts as none."""
    match checkpoint:
        case {"token": str(token), "rank": int(rank), "seen": list(seen)} if all(
            isinstance(each, str) for each in seen
        ):
            return token, rank, dict.fromkeys(seen)
    return None, 0, {}
