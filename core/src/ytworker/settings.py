"""The settings, and where each value came from.

Precedence: flags, then the environment (``YTWORKER_…``, nested with ``__``), then the TOML file in the user's config
folder, then the defaults. Plugins own their sections (``[plugins.NAME]``): the core carries them untouched to the
process that runs the plugin, where ``decode_section`` turns them into the plugin's model.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import quote

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from ytworker.errors import SettingsError
from ytworker.name_lists import NameList
from ytworker.pacing import PACES, Pace
from ytworker.redaction import masked, remember
from ytworker.settings_layers import Layer, from_environment, from_file, merged, origins_of, unknown_variables
from ytworker.settings_sections import PREFIX

APP = "ytworker"
CONFIG_VARIABLE = "YTWORKER_CONFIG"

Names = Annotated[tuple[str, ...], NoDecode]
Order = Literal["fifo", "lifo", "priority", "weighted_random"]
Orders = Annotated[tuple[Order, ...], NoDecode]
PaceName = Literal["careful", "normal", "fast"]
ALL_ORDERS: tuple[Order, ...] = get_args(Order)
ALWAYS_THERE: tuple[Order, ...] = ("fifo", "lifo")
"""One index serves both, and aging looks at it whatever the order is."""

DEFAULT_RETRY = "default"
"""The name under ``retry`` that stands for every task type."""

LONGEST_KEEP_DAYS = 36_500


def default_queue() -> str:
    """Give the URL of the queue in the user's data folder."""
    return sqlite_url(Path(platformdirs.user_data_dir(APP), "queue.db"))


def sqlite_url(path: Path) -> str:
    """Give the queue URL of a SQLite file.

    Raises:
        SettingsError: The path is relative to a folder that is gone.
    """
    try:
        return f"sqlite://{quote(os.fsencode(path.expanduser().absolute().as_posix()))}"
    except FileNotFoundError as error:
        msg = f"{path} is relative, and the current folder is gone; change to another or give the whole path"
        raise SettingsError(msg) from error


def default_config() -> Path:
    """Give the path of the TOML file in the user's config folder; it need not exist."""
    return Path(platformdirs.user_config_dir(APP), "config.toml")


def blocked_plugins() -> NameList:
    """Give the list that ``plugins block`` keeps."""
    return NameList(default_config().with_name("blocked-plugins.txt"))


def preferred_plugins() -> NameList:
    """Give the list that ``plugins prefer`` keeps: distributions."""
    return NameList(default_config().with_name("preferred-plugins.txt"))


def left_out_plugins() -> NameList:
    """Give the list that workers keep of plugins which end their children as they are loaded."""
    return NameList(default_config().with_name("left-out-plugins.txt"))


class RetrySettings(BaseModel):
    """How long failed tasks of one type wait for their next attempt; see :class:`ytworker.engine.retry.RetryStrategy`.

    What is not set is what ``retry.default`` says, and else the default here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    growth: Literal["exponential", "linear"] = Field(
        default="exponential", description="exponential doubles the delay at each failure, linear adds one base."
    )
    base: float = Field(default=1.0, gt=0, le=86_400, description="The unit of the delay, in seconds.")
    cap: float = Field(default=300.0, gt=0, le=86_400, description="The longest delay, in seconds.")
    jitter: Literal["full", "tenth", "none"] = Field(
        default="full", description="full draws from 0 to the delay, tenth stays within 10 % of it, none keeps it."
    )


class Settings(BaseSettings):
    """Everything that can be set; each field is also a variable ``YTWORKER_<NAME>`` and a key of the TOML file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    queue: str = Field(default_factory=default_queue, description="URL of the queue.")
    durability: Literal["full", "normal"] = Field(
        default="full",
        description="full: what was acknowledged survives a power cut; normal: faster, a power cut may take the last "
        "tasks, the death of a process takes none.",
    )
    orders: Orders = Field(
        default=ALL_ORDERS,
        description="The orders that the queue keeps ready to claim by. fifo and lifo are always among them; each of "
        "the others makes every enqueue and claim a little slower.",
    )
    lease_seconds: float = Field(
        default=60.0, ge=3, le=86_400, description="How long a silent worker keeps its tasks, in seconds."
    )
    strategy: Order = Field(
        default="lifo",
        description="Order in which a worker claims tasks: fifo (oldest first), lifo (newest first), priority (highest "
        "first, then oldest) or weighted_random (at random, a task of priority 10 ten times as likely as one of 1).",
    )
    aging_seconds: float | None = Field(
        default=None,
        ge=0,
        le=366 * 86_400,
        description="Once the oldest ready task has waited for so long, one claim in four takes it, whatever the "
        "order. 0 or nothing switches this off.",
    )
    events: bool = Field(
        default=True, description="Record who did what to each task and when; `ytworker tasks show` shows it."
    )
    keep_completed_days: int = Field(
        default=30,
        ge=0,
        le=LONGEST_KEEP_DAYS,
        description="For how many days completed and cancelled tasks are kept; 0 is for ever. Items always stay.",
    )
    keep_dead_days: int = Field(
        default=180, ge=0, le=LONGEST_KEEP_DAYS, description="For how many days dead letters are kept; 0 is for ever."
    )
    pace: PaceName = Field(
        default="normal",
        description="How often a source is asked, by all workers together: careful (at most 300 requests an hour), "
        "normal (600) or fast (1000). The settings pace_… replace single numbers of it.",
    )
    pace_interval_seconds: float | None = Field(
        default=None, gt=0, le=86_400, description="Seconds between two requests of one source, in the mean."
    )
    pace_burst: int | None = Field(
        default=None, ge=1, le=10_000, description="How many requests may follow each other at once after a rest."
    )
    pace_per_hour: int | None = Field(
        default=None, ge=1, le=100_000, description="How many requests one source gets in any hour."
    )
    pace_in_flight: int | None = Field(
        default=None, ge=1, le=64, description="How many requests one source gets at a time."
    )
    max_attempts: int = Field(default=5, ge=1, le=100, description="How many attempts of a task may count.")
    retry: dict[str, RetrySettings] = Field(
        default_factory=dict,
        description="How long failed tasks wait for their next attempt, by task type: [retry.channel_scrape] with "
        "growth, base, cap and jitter. [retry.default] is for all types.",
    )
    timeout_seconds: float = Field(
        default=900.0, gt=0, le=86_400, description="How long one attempt may take, in seconds."
    )
    max_depth: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="How many tasks may follow each other, each enqueued by the one before; one that enqueues itself "
        "would never end.",
    )
    concurrency: int = Field(
        default=2,
        ge=1,
        le=64,
        description="How many tasks a worker does at a time, each in a child process of its own.",
    )
    grace_seconds: float = Field(
        default=10.0,
        gt=0,
        le=3_600,
        description="How long a task that is past its time or was cancelled may take to stop before its child process "
        "is killed.",
    )
    memory_mb: int = Field(
        default=1024,
        ge=0,
        le=1 << 20,
        description="How much memory one child process may allocate, in megabytes; more is a MemoryError. On Linux it "
        "may also hold no more together with all that it started, shared memory included; else it is killed. Both "
        "times the task is tried again later. 0 is without limit.",
    )
    max_processes: int = Field(
        default=32,
        ge=0,
        le=100_000,
        description="How many processes that a plugin started may run at a time in one child process, on Linux; more "
        "end the attempt, and the task is tried again later. 0 is without limit.",
    )
    recycle_after_tasks: int = Field(
        default=500, ge=1, le=1_000_000, description="After how many tasks a child process makes room for a fresh one."
    )
    recycle_rss_mb: int = Field(
        default=300,
        ge=0,
        le=1 << 20,
        description="A child process that holds so many megabytes after a task makes room for a fresh one; 0 is never.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="warning", description="What to log.")
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="How to log, on stderr: console for people, json for programs. auto is json for a worker that has "
        "no terminal, and console else.",
    )
    only: Names = Field(default=(), description="If set, only these plugins are used; names or distributions.")
    block: Names = Field(default=(), description="Plugins that are never imported; names or distributions.")
    prefer: Names = Field(default=(), description="Distributions that win where two provide a plugin of the same name.")
    no_plugins: bool = Field(default=False, description="Use no plugin at all.")
    strict_plugins: bool = Field(
        default=False,
        description="Refuse to work while any installed plugin cannot be used; each is tried first.",
    )
    trace_hooks: bool = Field(default=False, description="Log every call of a hook: who is asked and what comes back.")
    plugins: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Sections of plugins, such as [plugins.ytdlp]."
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Give what ``repr`` shows: no secret."""
        return ((name, masked(name or "", value)) for name, value in super().__repr_args__())

    def paced(self) -> Pace:
        """Give the pace of sources: that of the word, with the single numbers in place of its own."""
        pace = PACES[self.pace]
        return Pace(
            interval=self.pace_interval_seconds or pace.interval,
            burst=self.pace_burst or pace.burst,
            per_hour=self.pace_per_hour or pace.per_hour,
            in_flight=self.pace_in_flight or pace.in_flight,
        )

    @field_validator("queue")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.strip():
            msg = "it is empty; name a file or a URL, or leave it out for the queue in your data folder"
            raise ValueError(msg)
        return value

    @field_validator("only", "block", "prefer", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _listed(value)

    def retry_for(self, task_type: str) -> RetrySettings:
        """Give what holds for one task type: its own values, then those of ``default``."""
        sections = [self.retry[name] for name in (DEFAULT_RETRY, task_type) if name in self.retry]
        return RetrySettings(
            **{key: value for each in sections for key, value in each.model_dump(exclude_unset=True).items()}
        )

    @field_validator("strategy", mode="before")
    @classmethod
    def _plain_order(cls, value: Any) -> Any:
        return _as_order(value)

    @field_validator("orders", mode="before")
    @classmethod
    def _plain_orders(cls, value: Any) -> Any:
        names = _listed(value)
        return [_as_order(each) for each in names] if isinstance(names, list | tuple) else value

    @field_validator("orders")
    @classmethod
    def _with_those_always_there(cls, value: tuple[Order, ...]) -> tuple[Order, ...]:
        return tuple(order for order in ALL_ORDERS if order in value or order in ALWAYS_THERE)

    @field_validator("aging_seconds")
    @classmethod
    def _zero_is_off(cls, value: float | None) -> float | None:
        return value or None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library calls with these
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing behind our back: :func:`load_settings` asks the sources one by one."""
        return (init_settings,)


def _listed(value: Any) -> Any:
    """Read a list from text: JSON, or names with commas between them."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return [name.strip() for name in value.split(",") if name.strip()]


def _as_order(value: Any) -> Any:
    """Write the name of an order the way the queue does; weighted-random is what people type."""
    return value.strip().lower().replace("-", "_") if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings with their origins.

    Attributes:
        values: The merged and validated settings.
        origins: Where each value came from, by dotted path: a flag, a variable, the file. What is missing is a default.
        config: The TOML file that was looked for.
        warnings: What the user should know, such as a variable that nothing reads.
    """

    values: Settings
    origins: Mapping[str, str]
    config: Path
    warnings: tuple[str, ...] = ()


def config_path(config: Path | None = None) -> Path:
    """Give the TOML file that is read: the one given, the variable ``YTWORKER_CONFIG``, the user's own."""
    return _named_config(config) or default_config()


def _named_config(config: Path | None) -> Path | None:
    return config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)


def load_settings(flags: Mapping[str, Any] | None = None, config: Path | None = None) -> LoadedSettings:
    """Read flags, environment and file, and say where each value came from.

    Args:
        flags: Values given on the command line by setting name; None values are ignored.
        config: The TOML file; the variable ``YTWORKER_CONFIG`` and the user's config folder come next.

    Raises:
        SettingsError: A value does not fit. The message names the variable, the file or the flag, never the value.
    """
    named = _named_config(config)
    file = named or default_config()
    if named is not None and not named.is_file():
        msg = f"there is no config file {named}; make it, or leave out --config and {CONFIG_VARIABLE}"
        raise SettingsError(msg)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    layers = [
        Layer(given, lambda path: "--" + path.replace("_", "-")),
        Layer(from_environment(Settings), lambda path: PREFIX + path.replace(".", "__").upper()),
        Layer(from_file(Settings, file), lambda path: f"{path} in {file}"),
    ]
    origins = origins_of(layers)
    whole: dict[str, Any] = {}
    for layer in reversed(layers):
        whole = merged(whole, layer.values)
    try:
        values = Settings(**whole)
    except ValidationError as error:
        raise SettingsError(_describe(error, origins)) from None
    values.block = (*values.block, *blocked_plugins().read())
    values.prefer = (*values.prefer, *preferred_plugins().read())
    remember({"queue": values.queue, **values.plugins})
    return LoadedSettings(values, origins, file, tuple(unknown_variables(Settings, CONFIG_VARIABLE)))


def _describe(error: ValidationError, origins: Mapping[str, str]) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        path = ".".join(map(str, problem["loc"]))
        whole = path.partition(".")[0]  # one bad name in a list: what was set is the list
        problems.append(f"{origins.get(path) or origins.get(whole, path)}: {problem['msg']}")
    return "; ".join(dict.fromkeys(problems))
