"""What a search asks of YouTube besides its words, in the one parameter that carries it: ``sp``.

``sp`` is a protobuf message in base64. Sources of its field numbers: the message ``SearchFilter`` in YouTube.js
(``protos/misc/params.proto``), ``Invidious::Search::Filters``, and the filter dialog of YouTube's own results page of
January 2026, whose links carry the values:

=======================  ====================================================================================
field                    meaning
=======================  ====================================================================================
1                        order: 3 by popularity. 1 (rating) and 2 (date) are gone from the dialog and ignored
2.1                      uploaded: 2 today, 3 this week, 4 this month, 5 this year. 1 (last hour) is gone
                         from the dialog; whether it is still heeded is unknown
2.2                      kind: 1 videos, 2 channels, 3 playlists
2.3                      length: 4 under 3 minutes, 5 from 3 to 20, 2 over 20. (Earlier pages had 1 for under 4
                         minutes and 3 for 4 to 20.)
30                       1: no page of help instead of results for words that worry YouTube; yt-dlp sends it too
=======================  ====================================================================================
"""

import base64
from dataclasses import dataclass
from typing import Literal

SearchKind = Literal["any", "videos", "channels", "playlists"]
Uploaded = Literal["all", "hour", "day", "week", "month", "year"]
Length = Literal["all", "short", "medium", "long"]
Order = Literal["relevance", "popularity"]

_KINDS: dict[SearchKind, int] = {"any": 0, "videos": 1, "channels": 2, "playlists": 3}
_UPLOADED: dict[Uploaded, int] = {"all": 0, "hour": 1, "day": 2, "week": 3, "month": 4, "year": 5}
_LENGTHS: dict[Length, int] = {"all": 0, "short": 4, "medium": 5, "long": 2}
_ORDERS: dict[Order, int] = {"relevance": 0, "popularity": 3}
_MORE = 0x80
_VARINT, _BYTES = 0, 2


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What a search is narrowed to; the default asks for videos of any age and length, best match first."""

    kind: SearchKind = "videos"
    uploaded: Uploaded = "all"
    length: Length = "all"
    order: Order = "relevance"

    @property
    def sp(self) -> str:
        """The value of the parameter, such as ``EgIQAfABAQ==`` for videos."""
        narrowed = (
            _number(1, _UPLOADED[self.uploaded]) + _number(2, _KINDS[self.kind]) + _number(3, _LENGTHS[self.length])
        )
        message = _number(1, _ORDERS[self.order]) + _embedded(2, narrowed) + _number(30, 1)
        return base64.urlsafe_b64encode(message).decode()


def _number(field: int, value: int) -> bytes:
    """Write one number; 0 is the default of every field and is left out."""
    return _varint(field << 3 | _VARINT) + _varint(value) if value else b""


def _embedded(field: int, message: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(message)) + message if message else b""


def _varint(value: int) -> bytes:
    """Write seven bits to a byte, the lowest first; the eighth says that more follow."""
    low, rest = value % _MORE, value // _MORE
    return bytes([low | _MORE]) + _varint(rest) if rest else bytes([low])
