import errno
import http.client
import socket
import ssl
import string
import urllib.error
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker import errors
from ytworker.engine.classify import MAX_MESSAGE, MAX_TRACEBACK, ErrorClassifier, clean, without_variable_parts
from ytworker.model import ErrorClass, ErrorInfo

IDS = st.text(string.ascii_letters + string.digits + "-_", min_size=11, max_size=11)


class StatusError(Exception):
    def __init__(self, message: str = "x", **fields: Any) -> None:
        super().__init__(message)
        self.__dict__.update(fields)


def raised(error: BaseException) -> BaseException:
    """Give the error as somebody catches it, with a traceback."""
    try:
        raise error  # noqa: TRY301 - for its traceback
    except BaseException as caught:  # noqa: BLE001 - some of them are no Exception
        return caught


def describe(error: BaseException) -> ErrorInfo:
    return ErrorClassifier().describe(raised(error))


def tls_error(kind: type[ssl.SSLError], text: str) -> ssl.SSLError:
    return kind(1, text)


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (errors.ParametersError("demo", ["x"]), ErrorClass.INVALID),
        (errors.SettingsError("x"), ErrorClass.CONFIG),
        (errors.PluginUnavailableError("demo", "missing", "x"), ErrorClass.UNAVAILABLE),
        (errors.StoreError("x"), ErrorClass.STORE),
        (errors.SchemaError("x"), ErrorClass.STORE),
        (MemoryError(), ErrorClass.RESOURCE),
        (tls_error(ssl.SSLCertVerificationError, "self-signed"), ErrorClass.CONFIG),
        (tls_error(ssl.SSLError, "EOF"), ErrorClass.TRANSIENT),
        (ConnectionResetError(), ErrorClass.TRANSIENT),
        (BrokenPipeError(), ErrorClass.TRANSIENT),
        (http.client.RemoteDisconnected("x"), ErrorClass.TRANSIENT),
        (TimeoutError(), ErrorClass.TRANSIENT),
        (socket.gaierror(-3, "x"), ErrorClass.TRANSIENT),
        (EOFError(), ErrorClass.TRANSIENT),
        (OSError(errno.ENETUNREACH, "x"), ErrorClass.TRANSIENT),
        (OSError(errno.EHOSTUNREACH, "x"), ErrorClass.TRANSIENT),
        (OSError(errno.ENETDOWN, "x"), ErrorClass.TRANSIENT),
        (OSError(errno.EMFILE, "x"), ErrorClass.RESOURCE),
        (OSError(errno.ENOSPC, "x"), ErrorClass.RESOURCE),
        (OSError(errno.ENOENT, "x"), ErrorClass.BUG),
        (KeyError("x"), ErrorClass.BUG),
        (SystemExit(3), ErrorClass.BUG),
    ],
)
def test_the_type_of_an_exception_tells_its_class(error: BaseException, error_class: ErrorClass) -> None:
    assert ErrorClassifier().classify(error) is error_class


@pytest.mark.parametrize("name", ["status", "status_code", "code"])
@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (400, ErrorClass.INVALID),
        (401, ErrorClass.CONFIG),
        (403, ErrorClass.RESTRICTED),
        (404, ErrorClass.GONE),
        (408, ErrorClass.TRANSIENT),
        (410, ErrorClass.GONE),
        (418, ErrorClass.BUG),
        (429, ErrorClass.THROTTLED),
        (500, ErrorClass.TRANSIENT),
        (599, ErrorClass.TRANSIENT),
        (600, ErrorClass.BUG),
        ("404", ErrorClass.BUG),
    ],
)
def test_the_status_of_an_exception_tells_its_class(name: str, status: Any, error_class: ErrorClass) -> None:
    assert ErrorClassifier().classify(StatusError(**{name: status})) is error_class


def test_the_type_comes_before_the_status() -> None:
    class OddError(ConnectionError):
        status = 404

    assert ErrorClassifier().classify(OddError()) is ErrorClass.TRANSIENT


def test_an_http_error_of_the_standard_library_is_known_by_its_status() -> None:
    with urllib.error.HTTPError("http://x", 429, "slow down", http.client.HTTPMessage(), None) as error:
        assert ErrorClassifier().classify(error) is ErrorClass.THROTTLED


def test_a_status_may_be_that_of_the_response() -> None:
    class Response:
        status_code = 429

    assert ErrorClassifier().classify(StatusError(response=Response())) is ErrorClass.THROTTLED


TEXTS = {
    "HTTP Error 429: slow down": ErrorClass.THROTTLED,
    "the server said HTTP 404": ErrorClass.GONE,
    "HTTP/1.1 503 Service Unavailable": ErrorClass.TRANSIENT,
    "Too Many Requests": ErrorClass.THROTTLED,
    "API rate limit exceeded": ErrorClass.THROTTLED,
    "quotaExceeded": ErrorClass.QUOTA,
    "You have exceeded your daily quota.": ErrorClass.QUOTA,
    "Please solve this CAPTCHA": ErrorClass.BLOCKED,
    "Confirm you are not a bot": ErrorClass.BLOCKED,
    "Read timed out": ErrorClass.TRANSIENT,
    "Connection reset by peer": ErrorClass.TRANSIENT,
    "Temporary failure in name resolution": ErrorClass.TRANSIENT,
    "HTTP 418": ErrorClass.BUG,
    "got 404 items": ErrorClass.BUG,
    "the quota of the panel": ErrorClass.BUG,
    "": ErrorClass.BUG,
}


@pytest.mark.parametrize(("text", "error_class"), TEXTS.items())
def test_the_message_of_an_exception_tells_its_class(text: str, error_class: ErrorClass) -> None:
    assert ErrorClassifier().classify(ValueError(text)) is error_class


@pytest.mark.parametrize(("text", "error_class"), TEXTS.items())
def test_a_captured_warning_tells_the_class(text: str, error_class: ErrorClass) -> None:
    assert ErrorClassifier().classify(warned(ValueError("nothing found"), text)) is error_class


def warned(error: BaseException, *texts: str) -> BaseException:
    for text in texts:
        error.add_note(text)
    return error


def test_the_last_warning_is_the_nearest() -> None:
    error = warned(ValueError("nothing"), "HTTP Error 503: busy", "HTTP Error 429: slow down", "giving up")
    assert ErrorClassifier().classify(error) is ErrorClass.THROTTLED


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (warned(ConnectionError("captcha"), "too many requests"), ErrorClass.TRANSIENT),
        (warned(StatusError("captcha", status=404), "too many requests"), ErrorClass.GONE),
        (warned(StatusError("captcha", status=418), "too many requests"), ErrorClass.THROTTLED),
        (StatusError("captcha", status=418), ErrorClass.BLOCKED),
    ],
)
def test_the_evidence_is_asked_in_its_order(error: BaseException, error_class: ErrorClass) -> None:
    assert ErrorClassifier().classify(error) is error_class


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def handled(error: BaseException, meanwhile: BaseException) -> BaseException:
    error.__context__ = meanwhile
    return error


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (caused(ValueError("page 3"), TimeoutError()), ErrorClass.TRANSIENT),
        (caused(ValueError("page 3"), caused(RuntimeError("x"), StatusError(status=410))), ErrorClass.GONE),
        (caused(StatusError(status=404), ConnectionError()), ErrorClass.TRANSIENT),
        (urllib.error.URLError(ConnectionRefusedError()), ErrorClass.TRANSIENT),
        (urllib.error.URLError(ssl.SSLCertVerificationError(1, "self-signed")), ErrorClass.CONFIG),
        (StatusError(exc_info=(TimeoutError, TimeoutError(), None)), ErrorClass.TRANSIENT),
        (ExceptionGroup("two tasks", [ConnectionError(), ValueError()]), ErrorClass.TRANSIENT),
        (BaseExceptionGroup("one", [ExceptionGroup("two", [MemoryError()])]), ErrorClass.RESOURCE),
        (handled(KeyError("x"), TimeoutError()), ErrorClass.BUG),
    ],
)
def test_the_causes_of_an_exception_are_evidence_too(error: BaseException, error_class: ErrorClass) -> None:
    assert ErrorClassifier().classify(error) is error_class


def test_a_circle_of_causes_ends() -> None:
    one, other = ValueError("x"), RuntimeError("y")
    assert ErrorClassifier().classify(caused(one, caused(other, one))) is ErrorClass.BUG


def test_what_the_cause_says_of_its_source_is_kept() -> None:
    throttled = errors.ThrottledError("slow down", retry_after=7.0, source="youtube")
    info = describe(caused(RuntimeError("page 3"), throttled))
    assert (info.error_class, info.retry_after, info.source) == (ErrorClass.THROTTLED, 7.0, "youtube")
    assert info.message == "page 3"
    taxonomy = ErrorClassifier(lambda _error: ErrorClass.GONE)
    assert taxonomy.describe(caused(RuntimeError("page 3"), throttled)).source is None


def test_a_plugins_taxonomy_comes_before_the_cores_rules() -> None:
    classifier = ErrorClassifier(lambda error: ErrorClass.GONE if isinstance(error, ConnectionError) else None)
    assert classifier.classify(ConnectionError()) is ErrorClass.GONE
    assert classifier.classify(TimeoutError()) is ErrorClass.TRANSIENT


def test_an_error_that_names_its_class_needs_no_taxonomy() -> None:
    classifier = ErrorClassifier(lambda _error: ErrorClass.GONE)
    assert classifier.classify(errors.ThrottledError("x")) is ErrorClass.THROTTLED


@pytest.mark.parametrize("error_class", ErrorClass)
def test_only_what_is_final_is_not_retryable(error_class: ErrorClass) -> None:
    final = {ErrorClass.GONE, ErrorClass.RESTRICTED, ErrorClass.INVALID, ErrorClass.UNAVAILABLE, ErrorClass.STORE}
    error = errors.TaskError("x", error_class=error_class)
    assert ErrorClassifier().is_retryable(error) is (error_class not in final)


def test_a_description_carries_everything() -> None:
    info = describe(errors.ThrottledError("slow down; wait a little", retry_after=7.0, source="youtube"))
    assert (info.error_class, info.type) == (ErrorClass.THROTTLED, "ytworker.errors.ThrottledError")
    assert (info.message, info.retry_after, info.source) == ("slow down; wait a little", 7.0, "youtube")
    assert info.traceback.startswith("Traceback")
    assert "in raised" in info.traceback
    assert not info.offline
    assert len(info.fingerprint) == 12


def test_a_description_of_a_foreign_error_takes_no_advice_from_it() -> None:
    info = describe(StatusError(retry_after=7.0, source="youtube", offline=True))
    assert (info.retry_after, info.source, info.offline) == (None, None, False)


def test_a_description_knows_that_nobody_could_be_reached() -> None:
    assert describe(errors.OfflineError("no network")).offline


NO_NETWORK = {
    "no route": OSError(errno.ENETUNREACH, "Network is unreachable"),
    "no interface": OSError(errno.ENETDOWN, "Network is down"),
    "no server for names": socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
}


@pytest.mark.parametrize("case", NO_NETWORK)
def test_what_the_system_says_of_the_network_is_believed_also_from_a_client_that_wraps_it(case: str) -> None:
    assert describe(NO_NETWORK[case]).offline
    wrapped = urllib.error.URLError(NO_NETWORK[case])
    assert describe(wrapped).offline


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        OSError(errno.EHOSTUNREACH, "no route to host"),
        socket.gaierror(socket.EAI_NONAME, "no such name"),
        TimeoutError("slow"),
    ],
    ids=["refused", "one host", "one name", "slow"],
)
def test_one_host_that_cannot_be_reached_is_no_outage(error: OSError) -> None:
    assert not describe(error).offline


def test_a_class_that_the_plugin_names_is_no_outage_whatever_caused_it() -> None:
    classifier = ErrorClassifier(lambda _error: ErrorClass.THROTTLED)
    assert not classifier.describe(OSError(errno.ENETUNREACH, "x")).offline


def test_an_error_without_words_is_named_by_its_type() -> None:
    assert describe(KeyError()).message == "builtins.KeyError"


def test_an_error_that_cannot_be_read_is_named_by_its_type() -> None:
    class NastyError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe(NastyError()).message.endswith("NastyError")


def test_a_message_is_one_line_without_control_characters() -> None:
    info = describe(ValueError("\x1b[31mred\x1b[0m \x1b[2K\r\nnext\tline \x00\x07\x9b end \ud83d"))
    assert info.message == "red next line end ?"
    assert not set(info.traceback) & {"\x1b", "\x00", "\r", "\x9b"}


def test_long_texts_are_cut() -> None:
    info = describe(ValueError("x" * 100_000))
    assert (len(info.message), len(info.traceback)) == (MAX_MESSAGE, MAX_TRACEBACK)


@given(st.text(st.characters(exclude_categories=[])))
def test_a_clean_text_can_be_shown_and_stored(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert not any((ord(char) < 32 and char not in "\n\t") or 0x7F <= ord(char) < 0xA0 for char in cleaned)
    assert clean(cleaned) == cleaned


WORDS = st.text(string.ascii_letters + " .,;-", max_size=30)
HOSTS = st.from_regex(r"[a-z]{1,10}\.[a-z]{2,5}", fullmatch=True)
PATHS = st.lists(st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=12), min_size=2, max_size=5)


@st.composite
def failures(draw: st.DrawFn) -> str:
    """Give one of the messages that one cause has on a thousand days."""
    video, count, host = draw(IDS), draw(st.integers()), draw(HOSTS)
    shape = draw(st.sampled_from(["{}", "{:,}", "{:010x}", "{:#x}"]))
    path = draw(st.sampled_from(["/", "C:\\", "./", "~/"])) + draw(st.sampled_from("/\\")).join(draw(PATHS))
    listed = ", ".join(map(str, draw(st.lists(st.integers(0), min_size=1, max_size=6))))
    quoted = draw(st.sampled_from(["'{}'", '"{}"', "`{}`", "\u201c{}\u201d"])).format(draw(WORDS))
    address = f"https://{host}/watch?v={video}&t={count}"
    return (
        f"[youtube] {video}: couldn't read {shape.format(count)} of {count + 7} bytes at {count:#x} of {address} into "
        f"{path} for {quoted}, {draw(st.uuids())}; it's {count / 7:.2f} s late, "
        f"seen [{listed}] at {draw(st.datetimes())}"
    )


@given(failures(), failures())
def test_failures_that_differ_in_what_varies_are_one_group(one: str, other: str) -> None:
    assert describe(ValueError(one)).fingerprint == describe(ValueError(other)).fingerprint


def test_what_varies_is_taken_out_and_the_words_stay() -> None:
    text = "can't read 'a b' (3 of 1,234.5 kB) from https://x.y/z?a=b into /tmp/a-b/c.json: 12 ids: 1, 22 and 333"
    assert without_variable_parts(text) == "can't read * (* of * kB) from * into *: * ids: * and *"


@pytest.mark.parametrize(
    "text", ["'" * 9_000, "'a " * 9_000, "a/" * 9_000, "1," * 9_000, "a1-" * 9_000, "\u201c" * 9_000]
)
def test_a_message_cannot_be_made_to_take_long(text: str) -> None:
    assert len(without_variable_parts(text)) <= MAX_MESSAGE


def test_failures_that_differ_in_words_class_or_type_are_several_groups() -> None:
    several = [
        KeyError("x"),
        ValueError("a word"),
        ValueError("another word"),
        errors.RetryableError("a word"),
        errors.RetryableError("a word", error_class=ErrorClass.RESOURCE),
    ]
    assert len({describe(error).fingerprint for error in several}) == len(several)


def failing_in(module: str, function: str) -> str:
    """Make a module with one function that fails."""
    namespace = {"__name__": module}
    exec(f"def {function}():\n    raise KeyError('id')", namespace)  # noqa: S102 - our own text
    try:
        namespace[function]()
    except KeyError as error:
        return ErrorClassifier().describe(error).fingerprint


def test_failures_at_several_places_are_several_groups() -> None:
    places = [("plugin_a", "scrape"), ("plugin_b", "scrape"), ("plugin_a", "page")]
    assert len({failing_in(*place) for place in places}) == 3
    assert failing_in("plugin_a", "scrape") == failing_in("plugin_a", "scrape")


def test_an_error_that_was_never_raised_can_be_described() -> None:
    info = ErrorClassifier().describe(ValueError("x"))
    assert info.fingerprint != describe(ValueError("x")).fingerprint
    assert info.traceback == "ValueError: x\n"
