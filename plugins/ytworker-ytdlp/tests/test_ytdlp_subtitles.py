"""Choosing a track and reading it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker import Item, SuspectError
from ytworker_ytdlp import Session, Track, choose_track, plain_text, subtitles


def _forms(language: str, query: str = "") -> list[dict[str, str]]:
    return [{"ext": "json3", "url": f"https://www.youtube.com/api/timedtext?lang={language}{query}"}]


def _info(manual: list[str], automatic: list[str]) -> dict[str, Any]:
    made = {f"{key}-orig": _forms(key) for key in automatic}
    translated = {"fr": _forms("en", "&tlang=fr")}
    return {"subtitles": {key: _forms(key) for key in manual}, "automatic_captions": {**made, **translated}}


@pytest.mark.parametrize(
    ("manual", "automatic", "wanted", "expected"),
    [
        (["en", "de"], ["en"], ["de", "en"], ("de", "manual")),
        (["en"], ["de"], ["de", "en"], ("en", "manual")),
        ([], ["de"], ["en", "de"], ("de", "automatic")),
        (["en-GB", "en-US"], [], ["en"], ("en-GB", "manual")),
        (["en-GB", "en"], [], ["en"], ("en", "manual")),
        (["en"], [], ["en-GB"], None),
        ([], [], ["en"], None),
        ([], ["en"], ["fr"], None),  # a translation by machine
        (["live_chat"], [], ["live_chat"], None),
        (["pt-BR"], [], ["pt-br"], ("pt-BR", "manual")),
    ],
)
def test_the_best_track(manual: list[str], automatic: list[str], wanted: list[str], expected: Any) -> None:
    found = choose_track(_info(manual, automatic), wanted)
    assert (found and (found.language, found.kind)) == expected


def test_odd_lists_have_no_track() -> None:
    for odd in (None, [], {"en": None}, {"en": [5, {"ext": "vtt", "url": "x"}, {"ext": "json3"}]}, {5: []}):
        assert choose_track({"subtitles": odd, "automatic_captions": odd}, ["en"]) is None


def test_words_are_joined_to_lines() -> None:
    events: list[dict[str, Any]] = [
        {"id": 1},
        {"segs": [{"utf8": "Hello"}, {"utf8": " world\n"}]},
        {"aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"segs": [{"utf8": "\u200b"}]},
        {"segs": [{"utf8": "again  and \ud800"}]},
    ]
    assert plain_text(json.dumps({"events": events}).encode()) == "Hello world\nagain and ?"


@given(st.binary(max_size=100))
def test_any_bytes_are_text_or_none(body: bytes) -> None:
    assert plain_text(body) is None or isinstance(plain_text(body), str)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"events": [5]}', b"<html>", b"[" * 100_000])
def test_what_is_no_track_is_none(body: bytes) -> None:
    assert plain_text(body) is None


def test_u5_an_address_elsewhere_is_not_asked(session: Session, trap: Any) -> None:
    track = Track("en", "manual", f"https://127.0.0.1:{trap.port}/api/timedtext")
    with pytest.raises(SuspectError, match="refused"):
        subtitles.read_track(session, track, "subtitles")
    assert trap.hits == 0


def test_r9_an_endless_transcript_is_cut_and_says_so(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subtitles, "MAX_TEXT", 10)
    monkeypatch.setattr(subtitles, "read_track", lambda *_: "word " * 9)
    item = subtitles.with_text(session, Item(source="youtube", id="a"), _info(["en"], []), ["en"])
    assert item.text == "word word "
    assert item.extra["transcript"] == {"language": "en", "kind": "manual", "truncated": True}
