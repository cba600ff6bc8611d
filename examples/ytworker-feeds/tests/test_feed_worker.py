"""The feed plugin against a server on loopback: both formats, hostile documents, and what each failure means."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ytworker import ErrorClass, Item, PermanentError, SuspectError, ThrottledError
from ytworker.testing import FakePort, make_context
from ytworker_feeds import FeedParameters, FeedSettings, FeedWorker
from ytworker_feeds.worker import TASK_TYPE

ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Notes</title>
<entry><id>urn:1</id><title>One</title><link href="https://example.org/1"/><updated>2026-11-20T10:00:00Z</updated>
<summary>short</summary><content type="html">long</content><category term="a"/><author><name>Ann</name></author></entry>
<entry><id>urn:1</id><title>One again</title></entry><entry><title>nameless</title></entry>
<entry><id>urn:2</id><title>Two</title></entry></feed>"""
RSS = b"""<rss version="2.0"><channel><title>News</title><item><guid>g1</guid><title>First</title>
<link>https://example.org/first</link><pubDate>Fri, 20 Nov 2026 10:00:00 GMT</pubDate></item></channel></rss>"""
EMPTY = b'<rss version="2.0"><channel><title>Nothing yet</title></channel></rss>'
LAUGHS = b"""<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>
<rss version="2.0"><channel><item><guid>g</guid><title>&b;&c;</title></item></channel></rss>"""

Server = Callable[..., str]


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves one answer; gives its address."""
    answers: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers["status"])
            for name, value in answers["headers"].items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answers["body"])))
            self.end_headers()
            self.wfile.write(answers["body"])

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def serve(body: bytes = b"", status: int = 200, **headers: str) -> str:
            answers.update(body=body, status=status, headers=headers)
            return f"http://127.0.0.1:{running.server_address[1]}/feed"

        yield serve
        running.shutdown()
        thread.join()


def scrape(url: str, *, top_n: int = 50, port: FakePort | None = None, private: bool = True) -> list[Item]:
    context = make_context(TASK_TYPE, settings={TASK_TYPE: FeedSettings(allow_private=private)}, port=port)
    return list(FeedWorker().scrape(FeedParameters(feed_url=url, top_n=top_n), context))


def test_atom_entries_become_items(server: Server) -> None:
    port = FakePort()
    one, two = scrape(server(ATOM), port=port)
    assert (one.source, one.kind, one.id, one.url) == ("feed", "entry", "urn:1", "https://example.org/1")
    assert (one.title, one.description, one.text, one.tags) == ("One", "short", "long", ("a",))
    assert (one.author.name, one.published_at) == ("Ann", datetime(2026, 11, 20, 10, tzinfo=UTC))
    assert (one.context.rank, one.context.list, two.context.rank) == (1, "Notes", 4)
    assert (two.id, two.published_at, two.tags) == ("urn:2", None, None)
    assert port.acquired == [("feed 127.0.0.1", 1)]


def test_rss_entries_become_items(server: Server) -> None:
    (item,) = scrape(server(RSS))
    assert (item.id, item.published_at) == ("g1", datetime(2026, 11, 20, 10, tzinfo=UTC))


def test_only_so_many_are_given(server: Server) -> None:
    assert [item.id for item in scrape(server(ATOM), top_n=1)] == ["urn:1"]


def test_a_feed_without_entries_is_empty_and_no_error(server: Server) -> None:
    assert scrape(server(EMPTY)) == []


def test_a_feed_that_was_cut_off_is_doubted(server: Server) -> None:
    port = FakePort()
    assert scrape(server(ATOM[:-60]), port=port)
    (reason,) = port.suspected
    assert "damaged" in reason


@pytest.mark.parametrize("body", [b"", b"<html><body>Sign in</body></html>", b"{}", b"\xff\xfe", b"<rss"])
def test_what_is_no_feed_is_suspect(server: Server, body: bytes) -> None:
    with pytest.raises(SuspectError):
        scrape(server(body))


def test_r4_no_file_comes_in_through_an_entity(server: Server) -> None:
    assert all("root:" not in str(item.title) for item in scrape(server(LAUGHS)))


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (404, ErrorClass.GONE),
        (410, ErrorClass.GONE),
        (401, ErrorClass.RESTRICTED),
        (503, ErrorClass.TRANSIENT),
        (400, ErrorClass.INVALID),
    ],
)
def test_every_status_has_its_class(server: Server, status: int, error_class: ErrorClass) -> None:
    with pytest.raises(Exception, match=str(status)) as raised:
        scrape(server(status=status))
    assert FeedWorker().classify_error(raised.value) is error_class


def test_a_host_that_is_asked_too_often_rests_for_as_long_as_it_says(server: Server) -> None:
    with pytest.raises(ThrottledError) as raised:
        scrape(server(status=429, **{"Retry-After": "7"}))
    assert (raised.value.source, raised.value.retry_after) == ("feed 127.0.0.1", 7)
    with pytest.raises(ThrottledError) as raised:
        scrape(server(status=429, **{"Retry-After": "tomorrow"}))
    assert raised.value.retry_after is None


def test_nobody_there_is_transient(server: Server) -> None:
    url = server().replace("127.0.0.1:", "127.0.0.1:1/")
    with pytest.raises(Exception, match="refused") as raised:
        scrape(url.replace(":1/", ":1/x"))
    assert FeedWorker().classify_error(raised.value) is ErrorClass.TRANSIENT
    assert FeedWorker().classify_error(KeyError("x")) is None


def test_r11_redirects_are_not_followed(server: Server) -> None:
    with pytest.raises(PermanentError, match="moved to http://127"):
        scrape(server(status=302, Location="http://127.0.0.1:1/"))


def test_r1_a_feed_has_a_largest_size(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ytworker_feeds.fetch.MAX_BYTES", 100)
    with pytest.raises(PermanentError, match="longer than"):
        scrape(server(RSS))


def test_u2_private_addresses_are_not_asked(server: Server) -> None:
    with pytest.raises(PermanentError, match="not on the internet"):
        scrape(server(RSS), private=False)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/y", "example.org", "https://", "http://a:b@example.org"]
)
def test_u1_only_plain_addresses_are_taken(url: str) -> None:
    with pytest.raises(ValueError, match=r"address of a feed|holds a login"):
        FeedParameters(feed_url=url)
