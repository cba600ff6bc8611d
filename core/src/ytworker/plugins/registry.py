"""Loading plugins: on first use, one by one, with every failure recorded and none of them fatal."""

import inspect
import logging
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel

from ytworker.context import Context
from ytworker.errors import PluginUnavailableError, TaskError
from ytworker.hookspecs import Scraped
from ytworker.logs import LogEvent, event
from ytworker.model import ErrorClass
from ytworker.plugins.base import PluginBase
from ytworker.plugins.discovery import (
    USABLE,
    Catalogue,
    PluginInfo,
    PluginKind,
    PluginState,
    Policy,
    discover,
    missing,
)
from ytworker.plugins.dispatch import Dispatcher, HookManager
from ytworker.plugins.kinds import require_shape
from ytworker.plugins.listening import MAX_WARNINGS, Listening
from ytworker.plugins.tracing import trace_calls
from ytworker.plugins.wants import is_for_want
from ytworker.settings_sections import decode_section

_ANSWERS = frozenset({"get_task_type", "scrape", "get_parameters"})

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class PluginRegistry:
    """The plugins of this process.

    Args:
        policy: Which plugins may be used.
        catalogue: What is installed; looked up by default.
        trace: Whether every call of a hook is logged.
        watch: Told which plugin is about to be imported, and None when that is over.

    Attributes:
        policy: Which plugins may be used.
        trace: Whether every call of a hook is logged.
        warned: What plugins warned of since this was last cleared, the last few.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        catalogue: Catalogue | None = None,
        *,
        trace: bool = False,
        watch: Callable[[PluginInfo | None], None] = lambda _info: None,
    ) -> None:
        self.policy = policy or Policy()
        self.trace = trace
        self.warned: deque[str] = deque(maxlen=MAX_WARNINGS)
        found = discover(self.policy) if catalogue is None else catalogue
        self._infos: dict[tuple[PluginKind, str], PluginInfo] = dict(found)
        self._watch = watch
        self._manager = HookManager()
        if trace:
            trace_calls(self._manager)
        self._dispatcher = Dispatcher(self._manager)
        self._plugins: dict[tuple[PluginKind, str], object] = {}
        self._sections: dict[int, dict[str, BaseModel]] = {}
        self._shared: dict[str, type[BaseModel]] = {}  # the sections that extensions read
        self._open: list[PluginBase] = []
        self._answers: dict[tuple[str, str], Any] = {}  # what plugins say of themselves

    # -- looking

    def infos(self) -> list[PluginInfo]:
        """Give every plugin that was found, by kind and name."""
        return list(self._infos.values())

    def info(self, name: str, kind: PluginKind = PluginKind.WORKER) -> PluginInfo:
        """Give what is known of one plugin; one that is not installed is ``missing``."""
        known = self._infos.get((kind, name))
        if known is not None:
            return known
        return missing(kind, name, (each.name for each in self._infos.values() if each.kind is kind))

    def task_types(self) -> list[str]:
        """Name the task types that may be claimed: found, and not known to be unusable."""
        return [info.name for info in self._infos.values() if info.kind is PluginKind.WORKER and info.state in USABLE]

    def learn(self, name: str, state: str, reason: str, kind: PluginKind = PluginKind.WORKER) -> None:
        """Take notice that another process cannot use a plugin.

        It is not loaded any more, and the task type of a worker plugin is not claimed.
        """
        info = self.info(name, kind)
        if PluginState(state) not in USABLE:
            self._infos[kind, name] = replace(info, state=PluginState(state), reason=reason)

    def logger(self, name: str, known: Mapping[str, object] = MappingProxyType({})) -> Listening:
        """Give the logger of one plugin.

        Args:
            name: The plugin.
            known: Goes with each of its records.
        """
        return Listening(logging.getLogger(f"ytworker.plugin.{name}"), known, self.warned)

    # -- loading

    def load(self, name: str, kind: PluginKind = PluginKind.WORKER) -> Any:
        """Import and check one plugin, once.

        Raises:
            PluginUnavailableError: It is missing, blocked, incompatible, in conflict or broken, with the reason.
            TaskError: This process is short of memory or open files (``resource``), which says nothing of a plugin.
        """
        if (kind, name) in self._plugins:
            return self._plugins[kind, name]
        info = self.info(name, kind)
        if info.state is not PluginState.FOUND:
            raise PluginUnavailableError(name, info.state.value, info.reason or "")
        self._watch(info)
        try:
            plugin = self._register(info)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit, a skip of pytest, a cancellation of asyncio
            if is_for_want(error):
                self._forget(info)
                raise _too_little(info, error) from error
            raise self._break(info, _explain(info, error)) from error
        finally:
            self._watch(None)
        self._plugins[kind, name] = plugin
        self._infos[kind, name] = replace(info, state=PluginState.LOADED)
        return plugin

    def load_extensions(self) -> None:
        """Load every extension; a broken one is reported and left out."""
        for info in sorted(self._infos.values(), key=lambda each: each.name):
            if info.kind is PluginKind.EXTENSION and info.state is PluginState.FOUND:
                try:
                    self.load(info.name, PluginKind.EXTENSION)
                except PluginUnavailableError as error:
                    log.warning("extension left out: %s", error, extra=event(LogEvent.PLUGIN_FAILED))

    def _register(self, info: PluginInfo) -> object:
        if info.entry_point is None:
            msg = "it has no entry point"
            raise TypeError(msg)
        with redirect_stdout(sys.stderr):  # stdout is for data, and what a plugin prints is none
            loaded: object = info.entry_point.load()
        if info.kind not in {PluginKind.WORKER, PluginKind.EXTENSION}:
            require_shape(info.kind, loaded)
            return loaded
        plugin = self._instance(loaded, info) if inspect.isclass(loaded) else loaded
        self._manager.register(plugin, name=_key(info))
        self._dispatcher.forget()
        self._manager.check_pending()
        if info.kind is PluginKind.WORKER:
            self._check_worker(plugin, info)
        else:
            self._check_extension(plugin)
        return plugin

    def _instance(self, loaded: type, info: PluginInfo) -> object:
        if not issubclass(loaded, PluginBase):
            return loaded()  # a class would be called without self
        sections: dict[str, BaseModel] = {}
        plugin = loaded(settings=sections, logger=self.logger(info.name))
        self._sections[id(plugin)] = sections
        return plugin

    def _check_worker(self, plugin: object, info: PluginInfo) -> None:
        hooks = {caller.name for caller in self._manager.get_hookcallers(plugin) or ()}
        for hook in ("get_task_type", "scrape"):
            if hook not in hooks:
                there = "is there, but without @hookimpl" if hasattr(plugin, hook) else "is missing"
                msg = f"{hook} {there}"
                raise TypeError(msg)
        answered = self._call("get_task_type", plugin)
        if answered != info.name:
            msg = f"get_task_type() answers {answered!r}, but the entry point is named {info.name!r}"
            raise TypeError(msg)

    def _check_extension(self, plugin: object) -> None:
        """An extension that answered a task type itself would answer every one of them."""
        for caller in self._manager.get_hookcallers(plugin) or ():
            own = [each for each in caller.get_hookimpls() if each.plugin is plugin]
            if caller.name in _ANSWERS and not all(each.wrapper or each.hookwrapper for each in own):
                msg = f"an extension may only wrap {caller.name}: decorate it with @hookimpl(wrapper=True)"
                raise TypeError(msg)
        self._shared.update(_merged(self._ask_alone("get_settings", plugin)))

    def _break(self, info: PluginInfo, reason: str) -> PluginUnavailableError:
        """Take a plugin out for good, and give the error that says so."""
        self._forget(info)
        self._infos[info.kind, info.name] = replace(info, state=PluginState.BROKEN, reason=reason)
        return PluginUnavailableError(info.name, PluginState.BROKEN.value, reason)

    def _forget(self, info: PluginInfo) -> None:
        self._plugins.pop((info.kind, info.name), None)
        if self._manager.has_plugin(_key(info)):
            self._manager.unregister(name=_key(info))
        self._dispatcher.forget()

    def hooks(self, name: str, kind: PluginKind = PluginKind.WORKER) -> list[str]:
        """Name the hooks that a loaded plugin implements; a wrapper is marked as one."""
        plugin = self.load(name, kind)
        callers = self._manager.get_hookcallers(plugin) if self._manager.is_registered(plugin) else None
        return sorted(
            f"{caller.name} (wrapper)" if impl.wrapper or impl.hookwrapper else caller.name
            for caller in callers or ()
            for impl in caller.get_hookimpls()
            if impl.plugin is plugin
        )

    # -- the contract of one worker plugin

    def parameters(self, name: str) -> type[BaseModel] | None:
        """Give the model of a task type's parameters, or None where it takes any JSON object.

        Raises:
            PluginUnavailableError: It cannot be loaded.
        """
        return self._contract(name, "get_parameters", lambda plugin: _model(self._call("get_parameters", plugin)))

    def sections(self, name: str) -> dict[str, type[BaseModel]]:
        """Give the settings sections that a task of this type may read, its extensions' included.

        Raises:
            PluginUnavailableError: It cannot be loaded.
        """
        own = self._contract(name, "get_settings", lambda plugin: _merged(self._ask_alone("get_settings", plugin)))
        return {**self._shared, **own}

    def _contract(self, name: str, hook: str, ask: Callable[[object], Answer]) -> Answer:
        """Ask a hook that describes the plugin; one that fails makes the plugin broken."""
        plugin = self.load(name)
        if (name, hook) in self._answers:
            known: Answer = self._answers[name, hook]
            return known
        try:
            answer = self._answers[name, hook] = ask(plugin)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            info = self.info(name)
            reason = f"{hook}() raised {type(error).__name__}: {error}; ask the authors of {info.distribution}"
            raise self._break(info, reason) from error
        return answer

    def scrape(self, name: str, params: Any, context: Context) -> Scraped | None:
        """Call the one plugin that answers this type, with all wrappers around it."""
        scraped: Scraped | None = self._call("scrape", self.load(name), params=params, context=context)
        return scraped

    def classify(self, name: str, error: BaseException) -> ErrorClass | None:
        """Ask the plugin and the extensions what kind of failure this is; a taxonomy that raises has no say."""
        plugin = self._plugins.get((PluginKind.WORKER, name))
        if plugin is None:  # it could not be loaded, and that is the failure
            return None
        try:
            return _class(self._call("classify_error", plugin, error=error))
        except (Exception, SystemExit):
            told = event(LogEvent.PLUGIN_FAILED)
            log.warning("a classify_error failed; asking one after the other", exc_info=True, extra=told)
            return self._classify_one_by_one(plugin, error)

    def _classify_one_by_one(self, plugin: object, error: BaseException) -> ErrorClass | None:
        extensions = [each for (kind, _), each in self._plugins.items() if kind is PluginKind.EXTENSION]
        for each in (plugin, *extensions):
            with suppress(Exception, SystemExit):
                known = _class(self._ask_alone("classify_error", each, error=error))
                if known is not None:
                    return known
        return None

    def open(self, name: str, raw: Mapping[str, Mapping[str, Any]]) -> dict[str, BaseModel]:
        """Decode a plugin's settings and call its ``open``, once per process.

        Args:
            name: The task type.
            raw: The raw values of the sections that :meth:`sections` names.

        Raises:
            SettingsError: A value does not fit.
        """
        plugin = self.load(name)
        decoded = {
            section: decode_section(section, model, raw.get(section, {}))
            for section, model in self.sections(name).items()
        }
        if isinstance(plugin, PluginBase):
            self._sections[id(plugin)].update(decoded)
            if plugin not in self._open:
                plugin.open()
                self._open.append(plugin)
        return decoded

    def close(self) -> None:
        """Close every plugin that was opened; one that fails does not keep the others open."""
        while self._open:
            plugin = self._open.pop()
            try:
                plugin.close()
            except (Exception, SystemExit):
                told = event(LogEvent.PLUGIN_FAILED)
                log.warning("%s.close() failed", type(plugin).__name__, exc_info=True, extra=told)

    def _call(self, hook: str, plugin: object, **arguments: Any) -> Any:
        workers = [each for (kind, _), each in self._plugins.items() if kind is PluginKind.WORKER]
        return self._dispatcher.caller(hook, plugin, workers)(**arguments)

    def _ask_alone(self, hook: str, plugin: object, **arguments: Any) -> Any:
        others = [each for each in self._manager.get_plugins() if each is not plugin]
        return self._manager.subset_hook_caller(hook, others)(**arguments)


def _class(answer: Any) -> ErrorClass | None:
    return None if answer is None else ErrorClass(answer)


def _model(answer: Any) -> type[BaseModel] | None:
    if answer is not None and not (inspect.isclass(answer) and issubclass(answer, BaseModel)):
        msg = f"it answers {answer!r}, which is no pydantic model"
        raise TypeError(msg)
    return answer


def _merged(answers: Sequence[Mapping[str, type[BaseModel]]]) -> dict[str, type[BaseModel]]:
    return {name: model for sections in answers for name, model in sections.items() if _model(model)}


def _key(info: PluginInfo) -> str:
    return f"{info.kind.value}:{info.name}"


def _explain(info: PluginInfo, error: BaseException) -> str:
    cure = f"upgrade or uninstall {info.distribution}, or run `ytworker plugins block {info.name}`"
    return f"{type(error).__name__}: {error}; {cure}"


def _too_little(info: PluginInfo, error: BaseException) -> TaskError:
    msg = f"{info.name} could not be loaded, because its process is short of memory or open files "
    msg += (
        f"({type(error).__name__}: {error}). Its fault or not: what ran in this process before may have kept too much"
    )
    return TaskError(msg, error_class=ErrorClass.RESOURCE)
