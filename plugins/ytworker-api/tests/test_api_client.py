"""The way to the service: its settings, what may go wrong on it, and that the key stays ours."""

from __future__ import annotations

import gzip
import logging
import os
import socket
import socketserver
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import SecretStr, ValidationError

from ytworker import (
    ConfigError,
    ErrorClass,
    Item,
    OfflineError,
    RestrictedError,
    RetryableError,
    SuspectError,
    TaskError,
    ThrottledError,
)
from ytworker.testing import FakePort, make_context
from ytworker_api import ApiSettings, YouTubeAPIWorker
from ytworker_api.client import Client, close, next_reset
from ytworker_api.settings import ENDPOINT, identity, read_key
from ytworker_api.testing import FakeDataApi
from ytworker_api.testing._answers import Answer
from ytworker_api.transport import MAX_ANSWER, TooLargeError, TooSlowError, Transport

CANARY = "AIzaCanary0123456789-canary_key"
NOW = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
VIDEO = "dQw4w9WgXcQ"
Scrape = Callable[..., list[Item]]


def settings_of(**values: Any) -> ApiSettings:
    return ApiSettings.model_validate(values)


def problem_of(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        ApiSettings.model_validate(values)
    return str(caught.value)


# --- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://youtube.googleapis.com",
        "http://127.0.0.1:8899",
        "http://localhost:1/",
        "http://[::1]:1",
        "https://proxy.example/x",
    ],
)
def test_the_endpoint_is_https_or_this_machine(endpoint: str) -> None:
    assert settings_of(api_endpoint=endpoint).api_endpoint == endpoint.rstrip("/") + "/"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://youtube.googleapis.com",
        "http://10.0.0.1",
        "ftp://x",
        "youtube",
        "https://user:pw@x.example",
        "https://x/?q=1",
        "http://[",
        "",
    ],
)
def test_the_key_is_sent_nowhere_else(endpoint: str) -> None:
    told = problem_of(api_endpoint=endpoint)
    assert "api_endpoint" in told
    assert "pw" not in told


def test_a_key_is_one_word_and_no_error_repeats_it() -> None:
    assert read_key(settings_of(api_key=f" {CANARY}\n")).get_secret_value() == CANARY
    for wrong in ("two words", "", "x" * 600, "a&b", "ключ"):
        told = problem_of(api_key=wrong)
        assert "no API key" in told
        assert not wrong or wrong not in told


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
@pytest.mark.parametrize(("mode", "warnings"), [(0o644, 1), (0o640, 1), (0o600, 0)])
def test_a_key_that_others_may_read_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warnings: int
) -> None:
    file = tmp_path / "key"
    file.write_text("canary")
    file.chmod(mode)
    for _ in range(2):
        read_key(settings_of(api_key_file=str(file)))
    assert [record.getMessage().count("chmod 600") for record in caplog.records] == [1] * warnings
    assert "canary" not in caplog.text


def test_a_key_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    settings = settings_of(api_key_file=str(file))
    with pytest.raises(ConfigError, match="No such file"):
        read_key(settings)
    file.write_text(f"{CANARY} and more")
    with pytest.raises(ConfigError, match="something else than a key") as caught:
        read_key(settings)
    assert CANARY not in str(caught.value)
    file.write_text(f"{CANARY}\n")
    assert read_key(settings).get_secret_value() == CANARY
    assert "both set" in problem_of(api_key="x", api_key_file=str(file))


def test_a_key_file_that_might_never_answer_is_not_opened(worker: YouTubeAPIWorker, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file, problem in ((tmp_path / "pipe", "no regular file"), ("~nobody-has-this-name/key", "cannot be read")):
        context = make_context(settings={"api_scrape": settings_of(api_key=None, api_key_file=str(file))})
        with pytest.raises(ConfigError, match=problem):
            list(worker.scrape({"resource": "chart"}, context))


def test_without_a_key_the_error_says_where_to_get_one_and_where_to_put_it(
    api: FakeDataApi, worker: YouTubeAPIWorker
) -> None:
    context = make_context(settings={"api_scrape": settings_of(api_endpoint=api.url)})
    with pytest.raises(ConfigError, match="YTWORKER_PLUGINS__API_SCRAPE__API_KEY"):
        list(worker.scrape({"resource": "chart"}, context))
    assert api.requests == []


@pytest.mark.parametrize("proxy", ["https://x", "x", "socks5://x", "http://user:pa ss@[", "http://"])
def test_a_proxy_is_http(proxy: str) -> None:
    assert "written like http://host:8080" in problem_of(proxy=proxy)


def test_the_identity_tells_keys_apart_and_holds_none() -> None:
    one, other = (identity(settings_of(), SecretStr(key)) for key in (CANARY, CANARY + "2"))
    assert one != other
    assert CANARY not in one
    assert identity(settings_of(api_endpoint="http://127.0.0.1:99"), SecretStr(CANARY)) == f"{one} at 127.0.0.1:99"
    assert identity(settings_of(api_endpoint=ENDPOINT), SecretStr(CANARY)) == one


def test_s1_no_repr_of_the_settings_holds_a_secret() -> None:
    settings = settings_of(api_key=CANARY, proxy="http://user:canary-pw@host:1")
    assert CANARY not in repr(settings) + str(settings)
    assert "canary-pw" not in repr(settings)


# --- midnight ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        ("2026-11-24T20:00:00", "2026-11-25T08:00:00"),  # winter
        ("2026-07-01T20:00:00", "2026-07-02T07:00:00"),  # summer
        ("2026-03-08T08:30:00", "2026-03-09T07:00:00"),  # a day of 23 hours
        ("2026-11-01T07:30:00", "2026-11-02T08:00:00"),  # a day of 25 hours
        ("2026-11-25T08:00:00", "2026-11-26T08:00:00"),  # midnight itself
    ],
)
def test_the_quotas_start_anew_at_midnight_pacific(now: str, reset: str) -> None:
    moment, expected = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, reset))
    assert next_reset(moment) == expected
    assert next_reset(expected - timedelta(microseconds=1)) == expected


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "status", "kind"),
    [
        ("rateLimitExceeded", 403, ThrottledError),
        ("keyInvalid", 400, ConfigError),
        ("accessNotConfigured", 403, ConfigError),
        ("forbidden", 403, RestrictedError),
        ("backendError", 503, RetryableError),
        ("invalidFilters", 400, TaskError),
    ],
)
def test_an_error_is_raised_in_its_class_after_one_call(
    api: FakeDataApi, scrape: Scrape, port: FakePort, reason: str, status: int, kind: type[TaskError]
) -> None:
    api.refuse(reason, status=status, times=-1)
    with pytest.raises(kind, match=rf"video {VIDEO}: .*\({reason}\)") as caught:
        scrape(resource="videos", ids=[VIDEO])
    assert caught.value.source == port.acquired[0][0]
    assert len(api.requests) == 1
    assert port.held == {port.acquired[0][0]}  # until the engine has written the cool-down


def test_what_is_asked_wrongly_is_a_bug(api: FakeDataApi, scrape: Scrape) -> None:
    api.refuse("missingRequiredParameter", status=400)
    with pytest.raises(TaskError) as caught:
        scrape(resource="videos", ids=[VIDEO])
    assert caught.value.error_class is ErrorClass.BUG


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("-7", None), ("Wed, 25 Nov 2026 00:00:00 GMT", None), ("9" * 20, None)]
)
def test_r10_retry_after_is_read_where_it_is_a_number(
    api: FakeDataApi, scrape: Scrape, header: str, seconds: float | None
) -> None:
    api.fault(Answer(429, b"<html>slow down</html>", {"Retry-After": header, "Content-Type": "text/html"}))
    with pytest.raises(ThrottledError) as caught:
        scrape(resource="videos", ids=[VIDEO])
    assert caught.value.retry_after == seconds


def test_r11_redirects_are_not_followed(api: FakeDataApi, scrape: Scrape) -> None:
    with FakeDataApi() as other:
        for status in (301, 302, 307, 308):
            api.fault(Answer(status, b"", {"Location": other.url}))
            with pytest.raises(SuspectError, match="does not give"):
                scrape(resource="videos", ids=[VIDEO])
        assert other.requests == []


def test_r14_no_error_holds_the_key(
    api: FakeDataApi, worker: YouTubeAPIWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = {"api_scrape": settings_of(api_key=CANARY, api_endpoint=api.url)}
    quoting = f"Bad key in https://youtube.googleapis.com/youtube/v3/videos?key={CANARY}&id=x"
    faults: list[Answer | None] = [
        None,
        Answer(200, f"<html>{CANARY}</html>".encode()),
        Answer(404, f"<html>{quoting}</html>".encode()),
        Answer(200, f'{{"kind": 7, "x": "{CANARY}"}}'.encode()),
    ]
    for reason in ("keyInvalid", "quotaExceeded", "rateLimitExceeded", "forbidden", "backendError"):
        api.refuse(reason, message=quoting)
    for fault in faults:
        api.fault(fault)
    for _ in range(9):
        with pytest.raises(TaskError) as caught:
            list(worker.scrape({"resource": "chart"}, make_context(settings=settings, port=FakePort())))
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value.source)
        assert CANARY not in told
    assert CANARY not in caplog.text


def test_a_connection_that_breaks_is_tried_again_later(api: FakeDataApi, scrape: Scrape) -> None:
    api.add_video(VIDEO)
    scrape(resource="videos", ids=[VIDEO])
    api.fault(None)
    with pytest.raises(RetryableError, match="the connection failed"):
        scrape(resource="videos", ids=[VIDEO])
    assert len(api.requests) == 2


def test_a_kept_connection_is_used_again_and_a_dead_one_is_not(api: FakeDataApi, transport: Transport) -> None:
    assert get(transport, api)
    kept = transport._connection
    assert get(transport, api)
    assert transport._connection is kept
    assert kept is not None
    kept.sock.shutdown(socket.SHUT_RDWR)
    assert get(transport, api)
    assert transport._connection is not kept
    assert len(api.requests) == 3


def test_nobody_there_is_no_network(worker: YouTubeAPIWorker) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    settings = {"api_scrape": settings_of(api_key=CANARY, api_endpoint=f"http://127.0.0.1:{port}")}
    with pytest.raises(OfflineError, match="refused the connection"):
        list(worker.scrape({"resource": "chart"}, make_context(settings=settings)))
    close()


# --- the transport -------------------------------------------------------------------------------------------------


@pytest.fixture
def transport(settings: ApiSettings) -> Any:
    made = Transport(settings, SecretStr("k"))
    yield made
    made.close()


def get(transport: Transport, api: FakeDataApi) -> bytes:
    return transport.request(f"{api.url}youtube/v3/videos?part=id&id={VIDEO}")[1]


def test_r1_an_answer_that_is_too_large_is_refused(api: FakeDataApi, transport: Transport) -> None:
    api.fault(Answer(200, b" " * (MAX_ANSWER + 1)))
    with pytest.raises(TooLargeError):
        get(transport, api)
    assert get(transport, api)  # on a connection of its own


def test_r1_a_wrong_length_is_an_error(api: FakeDataApi, transport: Transport, scrape: Scrape) -> None:
    api.fault(Answer(200, b"{}", {"Content-Length": "99", "Connection": "close"}))
    with pytest.raises(RetryableError, match="the connection failed"):
        scrape(resource="videos", ids=[VIDEO])


def test_r1_an_answer_must_end_in_time(api: FakeDataApi, settings: ApiSettings) -> None:
    ticks = iter([0.0, 31.0])
    slow = Transport(settings, SecretStr("k"), clock=lambda: next(ticks))
    with pytest.raises(TooSlowError, match="did not end within 30 s"):
        get(slow, api)


def test_r2_a_bomb_is_not_unpacked(api: FakeDataApi, transport: Transport) -> None:
    bomb = gzip.compress(b" " * (MAX_ANSWER + 1))
    api.fault(Answer(200, bomb, {"Content-Encoding": "gzip"}))
    with pytest.raises(TooLargeError):
        get(transport, api)


def test_r2_what_cannot_be_unpacked_is_an_error(api: FakeDataApi, scrape: Scrape) -> None:
    for body in (b"no gzip", gzip.compress(b"{}" * 100)[:20]):
        api.fault(Answer(200, body, {"Content-Encoding": "gzip"}))
        with pytest.raises(RetryableError):
            scrape(resource="videos", ids=[VIDEO])


def test_a_packed_and_a_chunked_answer_are_read(api: FakeDataApi, transport: Transport) -> None:
    api.fault(Answer(200, gzip.compress(b'{"a": 1}'), {"Content-Encoding": "gzip"}))
    assert get(transport, api) == b'{"a": 1}'


def test_no_other_host_is_asked(api: FakeDataApi, transport: Transport) -> None:
    with pytest.raises(PermissionError, match="the endpoint is 127"):
        transport.request("http://127.0.0.1:1/youtube/v3/videos")


def test_the_environment_names_no_proxy(api: FakeDataApi, scrape: Scrape, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    api.add_video(VIDEO)
    assert len(scrape(resource="videos", ids=[VIDEO])) == 1


def test_the_proxy_is_the_configured_one_and_its_login_is_told_to_nobody_else(worker: YouTubeAPIWorker) -> None:
    asked: list[str] = []

    class Proxy(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while (line := self.rfile.readline().decode().strip()) != "":
                asked.append(line)
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        proxy = f"http://user:canary-pw@127.0.0.1:{server.server_address[1]}"
        context = make_context(settings={"api_scrape": settings_of(api_key=CANARY, proxy=proxy)})
        with pytest.raises(RetryableError, match="502 Bad Gateway") as caught:
            list(worker.scrape({"resource": "chart"}, context))
        thread.join()
    close()
    assert asked[0].startswith("CONNECT youtube.googleapis.com:443 HTTP/1.")
    assert "Proxy-Authorization: Basic dXNlcjpjYW5hcnktcHc=" in asked
    assert not any(CANARY in line for line in asked)
    assert "canary-pw" not in "".join(traceback.format_exception(caught.value))


def test_a_ca_file_that_is_none_is_a_matter_of_the_settings(tmp_path: Path, worker: YouTubeAPIWorker) -> None:
    wrong = tmp_path / "ca.pem"
    for content in (None, "no certificate"):
        if content is not None:
            wrong.write_text(content)
        context = make_context(settings={"api_scrape": settings_of(api_key=CANARY, ca_file=str(wrong))})
        with pytest.raises(ConfigError, match="ca_file"):
            list(worker.scrape({"resource": "chart"}, context))


def test_r13_a_certificate_that_nobody_vouches_for_is_refused(
    worker: YouTubeAPIWorker, tmp_path: Path, tls_api: Callable[[trustme.CA], FakeDataApi]
) -> None:
    authority = trustme.CA()
    api = tls_api(authority)
    api.add_video(VIDEO)
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    endpoint = api.url.replace("http://127.0.0.1", "https://localhost")
    params = {"resource": "videos", "ids": [VIDEO]}

    def items(**more: Any) -> list[Item]:
        settings = settings_of(api_key=CANARY, api_endpoint=endpoint, **more)
        return list(worker.scrape(params, make_context(settings={"api_scrape": settings})))

    with pytest.raises(ConfigError, match="is not trusted"):
        items()
    assert api.requests == []
    assert len(items(ca_file=str(pem))) == 1


def test_a_client_is_kept_for_as_long_as_the_settings_are_the_same(api: FakeDataApi, settings: ApiSettings) -> None:
    api.add_video(VIDEO)
    one, same = (Client(settings, make_context(), lambda: NOW) for _ in range(2))
    other = Client(settings.model_copy(update={"api_key": SecretStr("another-key")}), make_context(), lambda: NOW)
    for client in (one, same, other):
        client.call("videos.list", "a video", id=VIDEO, part="id")
    assert [request.query["key"] for request in api.requests][1:] == [api.settings()["api_key"], "another-key"]
