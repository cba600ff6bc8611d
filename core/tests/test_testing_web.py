"""The fakes for what a plugin asks: a site with faults, a guard on the network, and a scrape without an engine."""

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ytworker import Cancelled, Context, ErrorClass, Item, SuspectError
from ytworker.testing import (
    Answer,
    FakePort,
    FakeSite,
    Scraping,
    UndeclaredHostError,
    collect,
    guarded_network,
    make_context,
)


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with FakeSite() as site:
        yield site


def ask(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own site
        return bytes(answer.read())


def test_a_site_answers_in_turn(site: FakeSite) -> None:
    site.answer("/feed", Answer(body=b"one"), Answer(body=b"two", drip=0.001))
    assert [ask(f"{site.url}/feed?page={page}") for page in (1, 2, 3)] == [b"one", b"two", b"two"]
    assert site.requests == ["/feed?page=1", "/feed?page=2", "/feed?page=3"]


def test_a_site_has_faults(site: FakeSite) -> None:
    site.answer("/slow-down", Answer(status=429, headers={"Retry-After": "7"}))
    site.answer("/lies", Answer(body=b"abc", length=10))
    site.answer("/hangs-up", Answer(hang_up=True))
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(f"{site.url}/slow-down")
    with caught.value as error:
        assert (error.code, error.headers["Retry-After"]) == (429, "7")
    with pytest.raises(http.client.IncompleteRead):
        ask(f"{site.url}/lies")
    with pytest.raises(http.client.RemoteDisconnected):
        ask(f"{site.url}/hangs-up")
    with pytest.raises(urllib.error.HTTPError) as missing:
        ask(f"{site.url}/else")
    missing.value.close()
    assert missing.value.code == 404


def test_a_guard_lets_declared_hosts_pass(site: FakeSite) -> None:
    site.answer("/", Answer(body=b"x"))
    with guarded_network(["127.0.0.1"]) as guard:
        assert ask(f"{site.url}/") == b"x"
    assert guard.refused == []


def test_a_declared_name_may_be_connected_to_by_its_address() -> None:
    with guarded_network(["local*"]) as guard, socket.create_server(("127.0.0.1", 0)) as server:
        found = socket.getaddrinfo("localhost", server.getsockname()[1], socket.AF_INET, socket.SOCK_STREAM)
        with socket.socket() as sock:
            sock.connect(found[0][4])
    assert guard.refused == []


@pytest.mark.parametrize("address", ["203.0.113.9", "example.org"])
def test_a_guard_refuses_and_remembers_all_others(address: str) -> None:
    with guarded_network(["*.example.com"]) as guard:
        with pytest.raises(UndeclaredHostError, match="is not among the declared hosts"):
            socket.create_connection((address, 9))
        with socket.socket() as sock:
            with pytest.raises(UndeclaredHostError):
                sock.connect((address, 9))
            with pytest.raises(UndeclaredHostError):
                sock.connect_ex((address, 9))
    assert guard.refused == [address] * 3


def test_an_address_has_one_spelling() -> None:
    with guarded_network(["::1"]) as guard:
        guard.admit("::1")
        with pytest.raises(UndeclaredHostError):
            socket.create_connection(("::2", 9))
    assert guard.refused == ["::2"]


def test_pipes_and_what_names_nobody_are_no_network() -> None:
    with guarded_network() as guard:
        one, other = socket.socketpair()
        one.close()
        other.close()
        assert socket.getaddrinfo(None, 80)
    assert guard.refused == []


def test_without_a_guard_all_is_as_before() -> None:
    before = (socket.getaddrinfo, socket.socket.connect)
    with guarded_network():
        assert (socket.getaddrinfo, socket.socket.connect) != before
    assert (socket.getaddrinfo, socket.socket.connect) == before


# -- a scrape without an engine


def scraped(scrape: Any, **expected: Any) -> Scraping:
    port = FakePort()
    context = make_context(port=port)
    if expected:
        context.expect(**expected)
    return collect(scrape, context, port)


def item(number: int, **fields: Any) -> Item:
    return Item(source="test", id=str(number), **fields)


def test_items_are_collected_and_odd_ones_kept_apart() -> None:
    done = scraped(lambda _: [item(1, title="t"), item(2, title="t"), item(3)], required=["title"])
    assert ([each.id for each in done.items], done.error) == (["1", "2"], None)
    assert [(each.item.id, each.reason) for each in done.apart] == [("3", "no title")]


def test_an_odd_answer_fails() -> None:
    done = scraped(lambda _: [item(1, title="t"), item(2), item(3)], required=["title"])
    assert isinstance(done.raised, SuspectError)
    assert done.error is not None
    assert done.error.error_class is ErrorClass.SUSPECT
    assert (done.items, len(done.apart)) == ([], 3)


def test_a_deferral_and_a_stop_are_told() -> None:
    def waits(context: Context) -> Any:
        yield item(1)
        context.defer(datetime.now(UTC) + timedelta(hours=1), "not yet")

    def stops(context: Context) -> Any:
        yield item(1)
        context._port.stop = True
        context.progress(1)

    assert scraped(waits).deferred == "not yet"
    assert scraped(stops).stopped
    with pytest.raises(Cancelled):
        make_context(port=FakePort(stop=True)).budget("site").acquire()


def test_an_interrupt_passes() -> None:
    def interrupted(_context: Context) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scraped(interrupted)
