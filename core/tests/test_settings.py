import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from ytworker.engine.retry import RetryStrategy
from ytworker.errors import SettingsError
from ytworker.pacing import PACES, Pace
from ytworker.queue import ORDERS, get_strategy
from ytworker.settings import (
    ALL_ORDERS,
    Settings,
    blocked_plugins,
    default_config,
    default_queue,
    load_settings,
    sqlite_url,
)
from ytworker.settings_sections import decode_section, variable

CANARY = "hunter2-canary"


@pytest.fixture
def config() -> Callable[..., Path]:
    """Write the user's config file."""

    def write(text: str, file: Path | None = None) -> Path:
        file = file or default_config()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    return write


def complaint(**flags: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value)


# -- where values come from


def test_an_empty_home_gives_the_defaults() -> None:
    loaded = load_settings()
    assert loaded.values == Settings()
    assert (loaded.origins, loaded.warnings) == ({}, ())
    assert loaded.config == default_config()
    assert (loaded.values.durability, loaded.values.lease_seconds, loaded.values.strategy) == ("full", 60, "lifo")
    assert (loaded.values.max_attempts, loaded.values.timeout_seconds) == (5, 900)
    assert not list(default_config().parent.glob("*"))


def test_the_queue_lies_in_the_users_data_folder(home: Path) -> None:
    assert default_queue().startswith("sqlite:///")
    assert str(home) in default_queue()
    assert default_queue().endswith("/ytworker/queue.db")


def test_flags_beat_the_environment_beats_the_file_beats_the_defaults(
    config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = config("max_attempts = 1\nlease_seconds = 11\ntimeout_seconds = 111\n")
    monkeypatch.setenv("YTWORKER_LEASE_SECONDS", "22")
    monkeypatch.setenv("YTWORKER_TIMEOUT_SECONDS", "222")
    loaded = load_settings({"timeout_seconds": 333, "queue": None})
    values = loaded.values
    assert (values.max_attempts, values.lease_seconds, values.timeout_seconds) == (1, 22, 333)
    assert loaded.origins == {
        "max_attempts": f"max_attempts in {file}",
        "lease_seconds": "YTWORKER_LEASE_SECONDS",
        "timeout_seconds": "--timeout-seconds",
    }
    assert values.queue == default_queue()


def test_plugin_sections_merge_value_by_value(config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    file = config('[plugins.ytdlp]\nproxy = "file"\nsocket_timeout = 20\n[plugins.other]\nx = [1, 2]\n')
    monkeypatch.setenv("YTWORKER_PLUGINS__YTDLP__PROXY", "env")
    monkeypatch.setenv("YTWORKER_PLUGINS__NEW__DEEP__KEY", "v")
    loaded = load_settings({"plugins": {"ytdlp": {"verify_tls": False}}})
    assert loaded.values.plugins == {
        "ytdlp": {"proxy": "env", "socket_timeout": 20, "verify_tls": False},
        "other": {"x": [1, 2]},
        "new": {"deep": {"key": "v"}},
    }
    assert loaded.origins == {
        "plugins.ytdlp.proxy": "YTWORKER_PLUGINS__YTDLP__PROXY",
        "plugins.ytdlp.socket_timeout": f"plugins.ytdlp.socket_timeout in {file}",
        "plugins.ytdlp.verify_tls": "--plugins.ytdlp.verify-tls",
        "plugins.other.x": f"plugins.other.x in {file}",
        "plugins.new.deep.key": "YTWORKER_PLUGINS__NEW__DEEP__KEY",
    }


def test_a_name_and_its_variable_belong_together() -> None:
    assert variable("plugins", "ytdlp", "proxy") == "YTWORKER_PLUGINS__YTDLP__PROXY"
    assert variable("queue") == "YTWORKER_QUEUE"


def test_a_config_file_may_be_named(
    config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named, other = config("max_attempts = 7", tmp_path / "a.toml"), config("max_attempts = 8", tmp_path / "b.toml")
    monkeypatch.setenv("YTWORKER_CONFIG", str(other))
    assert load_settings(config=named).values.max_attempts == 7
    loaded = load_settings()
    assert (loaded.values.max_attempts, loaded.config, loaded.warnings) == (8, other, ())


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_named_config_file_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool) -> None:
    missing = tmp_path / "missing.toml"
    if by_variable:
        monkeypatch.setenv("YTWORKER_CONFIG", str(missing))
    with pytest.raises(SettingsError, match=r"there is no config file .*missing\.toml"):
        load_settings(config=None if by_variable else missing)


def test_an_empty_variable_names_no_config_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTWORKER_CONFIG", "")
    assert load_settings().config == default_config()


@pytest.mark.parametrize("text", ["a,b", " a , b ,", "a,,b"])
def test_lists_of_names_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("YTWORKER_ONLY", text)
    monkeypatch.setenv("YTWORKER_BLOCK", text)
    values = load_settings().values
    assert values.only == values.block == ("a", "b")


def test_lists_of_names_may_be_lists(config: Callable[..., Path]) -> None:
    config('only = ["a", "b"]')
    values = load_settings({"block": ["c"]}).values
    assert (values.only, values.block) == (("a", "b"), ("c",))


# -- orders, aging, events and retention


def test_a_queue_offers_all_orders_and_keeps_history_for_a_while() -> None:
    values = load_settings().values
    assert values.orders == ORDERS == ALL_ORDERS
    assert (values.strategy, values.aging_seconds, values.events) == ("lifo", None, True)
    assert (values.keep_completed_days, values.keep_dead_days) == (30, 180)


@pytest.mark.parametrize(
    ("given", "orders"),
    [
        ("priority", ("fifo", "lifo", "priority")),
        ("weighted-random , LIFO", ("fifo", "lifo", "weighted_random")),
        (["Weighted_Random", "priority"], ("fifo", "lifo", "priority", "weighted_random")),
        (("fifo",), ("fifo", "lifo")),
        ("", ("fifo", "lifo")),
        ([], ("fifo", "lifo")),
    ],
)
def test_orders_are_a_list_in_which_two_are_always_there(given: Any, orders: tuple[str, ...]) -> None:
    assert load_settings({"orders": given}).values.orders == orders


@pytest.mark.parametrize("given", ["fifo,weighted_random", '["fifo", "weighted-random"]'])
def test_orders_may_come_from_everywhere(
    config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    file = config('orders = ["priority"]\n')
    loaded = load_settings()
    assert (loaded.values.orders, loaded.origins) == (("fifo", "lifo", "priority"), {"orders": f"orders in {file}"})
    monkeypatch.setenv("YTWORKER_ORDERS", given)
    loaded = load_settings()
    assert loaded.values.orders == ("fifo", "lifo", "weighted_random")
    assert loaded.origins == {"orders": "YTWORKER_ORDERS"}


@pytest.mark.parametrize("name", [*ORDERS, "weighted-random", " Priority ", "FIFO"])
def test_a_strategy_is_one_of_the_four_orders(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("YTWORKER_STRATEGY", name)
    assert load_settings().values.strategy == get_strategy(name).name


@pytest.mark.parametrize(("given", "seconds"), [("0", None), (0, None), ("90.5", 90.5), (3600, 3600.0), (None, None)])
def test_aging_is_off_unless_it_says_for_how_long(given: Any, seconds: float | None) -> None:
    assert load_settings({"aging_seconds": given}).values.aging_seconds == seconds


# -- what does not fit


def test_an_unknown_variable_is_reported_with_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTWORKER_QEUE", CANARY)
    monkeypatch.setenv("YTWORKER_XYZZY", CANARY)
    monkeypatch.setenv("YTWORKER_PLUGINS__ANY__THING", CANARY)
    assert load_settings().warnings == (
        "nothing reads the variable YTWORKER_QEUE; did you mean YTWORKER_QUEUE?",
        "nothing reads the variable YTWORKER_XYZZY",
    )


def test_every_setting_is_known_as_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        if name != "plugins":
            monkeypatch.setenv(variable(name), "1")
    monkeypatch.setenv("YTWORKER_PLUGINS", "{}")
    assert "nothing reads" not in complaint()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("YTWORKER_DURABILITY", CANARY),
        ("YTWORKER_STRATEGY", CANARY),
        ("YTWORKER_STRATEGY", "weighted random"),
        ("YTWORKER_ORDERS", CANARY),
        ("YTWORKER_ORDERS", f"fifo,{CANARY},{CANARY}2"),
        ("YTWORKER_ORDERS", f'["{CANARY}"]'),
        ("YTWORKER_AGING_SECONDS", "-1"),
        ("YTWORKER_AGING_SECONDS", "nan"),
        ("YTWORKER_AGING_SECONDS", "inf"),
        ("YTWORKER_AGING_SECONDS", CANARY),
        ("YTWORKER_EVENTS", CANARY),
        ("YTWORKER_KEEP_COMPLETED_DAYS", "-1"),
        ("YTWORKER_KEEP_COMPLETED_DAYS", "1.5"),
        ("YTWORKER_KEEP_DEAD_DAYS", "36501"),
        ("YTWORKER_KEEP_DEAD_DAYS", CANARY),
        ("YTWORKER_LEASE_SECONDS", CANARY),
        ("YTWORKER_LEASE_SECONDS", "nan"),
        ("YTWORKER_LEASE_SECONDS", "2.9"),
        ("YTWORKER_MAX_ATTEMPTS", "0"),
        ("YTWORKER_TIMEOUT_SECONDS", "0"),
        ("YTWORKER_TIMEOUT_SECONDS", "inf"),
        ("YTWORKER_LOG_LEVEL", CANARY),
        ("YTWORKER_LOG_FORMAT", CANARY),
        ("YTWORKER_NO_PLUGINS", CANARY),
        ("YTWORKER_PLUGINS__YTDLP", CANARY),
    ],
)
def test_an_error_names_the_variable_and_never_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    monkeypatch.setenv(name, value)
    assert complaint().count(name) == 1


def test_a_variable_that_is_no_json_keeps_its_value_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTWORKER_PLUGINS", f'{{"ytdlp": "{CANARY}')
    text = complaint()
    assert "plugins" in text
    assert "JSON" in text


def test_an_error_names_the_flag() -> None:
    assert complaint(max_attempts=CANARY).startswith("--max-attempts: ")


def test_an_error_names_the_key_and_the_file(config: Callable[..., Path]) -> None:
    file = config(f'durability = "{CANARY}"\nsocket = "{CANARY}"\n[plugins]\nytdlp = "{CANARY}"\n')
    text = complaint()
    for key in ("durability", "socket", "plugins.ytdlp"):
        assert f"{key} in {file}: " in text


@pytest.mark.parametrize(
    "text",
    [f'queue = "{CANARY}', f"queue = {CANARY}", f'[plugins.ytdlp\nproxy = "{CANARY}"', f'a = "{CANARY}"\na = 1'],
)
def test_malformed_toml_is_an_error_that_names_the_file(config: Callable[..., Path], text: str) -> None:
    file = config(text)
    assert complaint().startswith(f"{file} cannot be read: ")


def test_a_config_file_in_another_encoding_is_an_error_that_names_the_file(config: Callable[..., Path]) -> None:
    file = config("")
    file.write_bytes(b'queue = "\xff\xfe"')
    assert complaint().startswith(f"{file} cannot be read: ")


def test_settings_read_nothing_behind_our_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTWORKER_MAX_ATTEMPTS", "99")
    assert Settings().max_attempts == 5


# -- the names that are blocked for good


def test_a_blocklist_that_is_not_there_blocks_nothing() -> None:
    assert blocked_plugins().read() == ()


def test_a_blocklist_is_written_in_one_step_sorted_and_without_doubles() -> None:
    blocked_plugins().write(["b", "a", "b"])
    assert blocked_plugins().file.read_text() == "a\nb\n"
    assert blocked_plugins().read() == ("a", "b")
    assert [file.name for file in blocked_plugins().file.parent.iterdir()] == [blocked_plugins().file.name]
    blocked_plugins().write([])
    assert blocked_plugins().read() == ()


def test_the_blocklist_adds_to_what_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked_plugins().write(["c"])
    monkeypatch.setenv("YTWORKER_BLOCK", "a,b")
    assert load_settings().values.block == ("a", "b", "c")


def test_blank_lines_in_the_blocklist_block_nothing() -> None:
    blocked_plugins().write(["a"])
    blocked_plugins().file.write_text("\n a \n\n")
    assert blocked_plugins().read() == ("a",)


def test_a_blocklist_that_cannot_be_read_unblocks_nothing() -> None:
    blocked_plugins().write(["a"])
    blocked_plugins().file.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"blocked-plugins\.txt cannot be read"):
        load_settings()
    blocked_plugins().file.unlink()
    blocked_plugins().file.mkdir()
    with pytest.raises(SettingsError, match=r"blocked-plugins\.txt cannot be read"):
        blocked_plugins().read()


# -- sections of plugins


class Proxy(BaseModel):
    host: str
    port: int = 80


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = ""
    maybe: str | None = None
    number: int = 0
    ratio: float = 0.0
    flag: bool = True
    names: tuple[str, ...] = ()
    numbers: list[int] = []
    maybe_names: list[str] | None = []
    table: dict[str, dict[str, list[str]]] = {}
    one: Proxy | None = None
    other: Proxy = Proxy(host="h")
    either: list[int] | str = ""
    folder: Path = Path()
    secret: Annotated[str, Field(max_length=20)] = ""


def decoded(**raw: Any) -> dict[str, Any]:
    return {name: getattr(decode_section("demo", Section, raw), name) for name in raw}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ({"text": "[1]"}, "[1]"),
        ({"maybe": "null"}, "null"),
        ({"number": "5"}, 5),
        ({"ratio": "0.5"}, 0.5),
        ({"flag": "false"}, False),
        ({"names": '["a", "b, c"]'}, ("a", "b, c")),
        ({"names": "a, b ,"}, ("a", "b")),
        ({"names": "123"}, ("123",)),
        ({"names": "true"}, ("true",)),
        ({"names": '"quoted"'}, ('"quoted"',)),
        ({"names": ""}, ()),
        ({"names": ["a"]}, ("a",)),
        ({"numbers": "[1, 2]"}, [1, 2]),
        ({"numbers": "1,2"}, [1, 2]),
        ({"numbers": "1"}, [1]),
        ({"maybe_names": "null"}, None),
        ({"maybe_names": "a"}, ["a"]),
        ({"table": '{"youtube": {"client": ["web"]}}'}, {"youtube": {"client": ["web"]}}),
        ({"table": {"youtube": {"client": ["web"]}}}, {"youtube": {"client": ["web"]}}),
        ({"one": '{"host": "h", "port": 1}'}, Proxy(host="h", port=1)),
        ({"other": '{"host": "x"}'}, Proxy(host="x")),
        ({"one": {"host": "h", "port": "1"}}, Proxy(host="h", port=1)),
        ({"either": "[1]"}, "[1]"),
        ({"folder": "/tmp"}, Path("/tmp")),
    ],
)
def test_what_comes_from_the_environment_is_decoded(raw: dict[str, Any], value: Any) -> None:
    assert list(decoded(**raw).values()) == [value]


@pytest.mark.parametrize(
    "raw",
    [
        {"number": CANARY},
        {"flag": CANARY},
        {"numbers": CANARY},
        {"names": f'["{CANARY}"'},
        {"numbers": f'{{"{CANARY}": 1}}'},
        {"table": CANARY},
        {"table": f'["{CANARY}"]'},
        {"other": CANARY},
        {"secret": CANARY * 3},
        {"prxy": CANARY},
    ],
)
def test_a_section_that_does_not_fit_names_the_setting_and_never_the_value(raw: dict[str, Any]) -> None:
    (name,) = raw
    with pytest.raises(SettingsError) as caught:
        decode_section("demo", Section, raw)
    text = str(caught.value)
    assert text.startswith(f"plugins.demo.{name}")
    assert f"(also set by YTWORKER_PLUGINS__DEMO__{name.upper()})" in text
    assert CANARY not in text
    assert caught.value.__suppress_context__


def test_all_problems_of_a_section_are_named_at_once() -> None:
    with pytest.raises(SettingsError, match=r"number.*flag") as caught:
        decode_section("demo", Section, {"number": "x", "flag": "perhaps"})
    assert str(caught.value).count("; ") == 1


def test_a_section_that_is_missing_is_all_defaults() -> None:
    assert decode_section("demo", Section, {}) == Section()


def test_a_section_from_variables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTWORKER_PLUGINS__DEMO__NAMES", "a,b")
    monkeypatch.setenv("YTWORKER_PLUGINS__DEMO__NUMBER", "7")
    monkeypatch.setenv("YTWORKER_PLUGINS__DEMO__FLAG", "false")
    monkeypatch.setenv("YTWORKER_PLUGINS__DEMO__OTHER__HOST", "h")
    monkeypatch.setenv("YTWORKER_PLUGINS__DEMO__OTHER__PORT", "81")
    section = decode_section("demo", Section, load_settings().values.plugins["demo"])
    assert section == Section(names=("a", "b"), number=7, flag=False, other=Proxy(host="h", port=81))


@pytest.mark.parametrize("name", ["plain.db", "a b.db", "100%.db", "a#b?c.db", "ü.db", "a%20b.db"])
def test_the_url_of_a_file_is_a_url(tmp_path: Path, name: str) -> None:
    url = sqlite_url(tmp_path / name)
    assert url.startswith("sqlite:///")
    assert url.isascii()
    assert not set(url) & set(" #?")


def test_the_url_of_a_relative_file_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlite_url(Path("q.db")) == sqlite_url(tmp_path / "q.db")
    assert sqlite_url(Path("~/q.db")) == sqlite_url(Path(os.environ["HOME"], "q.db"))


# -- retries


def test_retries_are_set_for_all_types_and_for_each(
    config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config('[retry.default]\ncap = 60\njitter = "none"\n[retry.demo]\ngrowth = "linear"\nbase = 10')
    monkeypatch.setenv("YTWORKER_RETRY__DEMO__BASE", "20")
    loaded = load_settings()
    assert loaded.warnings == ()
    assert loaded.origins["retry.demo.base"] == "YTWORKER_RETRY__DEMO__BASE"
    demo, other = loaded.values.retry_for("demo"), loaded.values.retry_for("other")
    assert (demo.growth, demo.base, demo.cap, demo.jitter) == ("linear", 20.0, 60.0, "none")
    assert (other.growth, other.base, other.cap, other.jitter) == ("exponential", 1.0, 60.0, "none")


def test_without_settings_retries_are_those_of_the_design() -> None:
    assert RetryStrategy(**Settings().retry_for("demo").model_dump()) == RetryStrategy()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[retry.demo]\ngrowht = "linear"', "retry.demo.growht"),
        ('[retry.demo]\ngrowth = "cubic"', "retry.demo.growth"),
        ("[retry.demo]\nbase = 0", "retry.demo.base"),
        ("[retry.demo]\ncap = -1", "retry.demo.cap"),
        ("[retry]\nbase = 3", "retry.base"),
    ],
)
def test_what_is_wrong_with_a_retry_is_said_at_the_start(config: Callable[..., Path], text: str, name: str) -> None:
    config(text)
    assert name in complaint()


def test_the_pace_is_a_word_and_single_numbers_stand_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().values.paced() == Pace() == PACES["normal"]
    monkeypatch.setenv("YTWORKER_PACE", "careful")
    monkeypatch.setenv("YTWORKER_PACE_PER_HOUR", "120")
    assert load_settings().values.paced() == Pace(interval=6.0, burst=10, per_hour=120)
    assert load_settings({"pace": "fast"}).values.paced() == Pace(interval=1.5, burst=60, per_hour=120, in_flight=2)
    monkeypatch.setenv("YTWORKER_PACE_BURST", "0")
    with pytest.raises(SettingsError, match="YTWORKER_PACE_BURST"):
        load_settings()
