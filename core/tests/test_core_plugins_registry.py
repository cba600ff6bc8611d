import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import Zoo, worker_module
from ytworker import ErrorClass, PluginBase, PluginUnavailableError, SettingsError, WorkerPlugin
from ytworker.hookspecs import ClassifiesErrors, HasParameters, HasSettings
from ytworker.plugins import probe
from ytworker.plugins.discovery import PluginInfo, PluginKind, PluginState
from ytworker.plugins.registry import PluginRegistry
from ytworker.testing import make_context

pytest_plugins = ["plugin_fixtures"]

HOOKS = """
from ytworker import hookimpl

@hookimpl
def get_task_type():
    return "demo"

@hookimpl
def scrape(params, context):
    return []
"""
CLASS = """
from ytworker import *
from pydantic import BaseModel
seen = []

class Section(BaseModel):
    depth: int = 1

class Plugin(PluginBase):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        seen.append(("made", self.logger.name))

    def get_task_type(self):
        return "demo"

    def scrape(self, params, context):
        seen.append(("scrape", self.settings["demo"].depth))
        return [Item(source="test", id="1")]

    def get_settings(self):
        return {"demo": Section}

    def open(self):
        seen.append(("open", self.settings["demo"].depth))

    def close(self):
        seen.append(("close",))
"""

BROKEN = {
    "an import that fails": ("import no_such_module_anywhere", "ModuleNotFoundError"),
    "an exception at import": ("raise RuntimeError('at import')", "at import"),
    "no Python": ("def (:", "SyntaxError"),
    "a program that leaves": ("raise SystemExit('bye')", "bye"),
    "sys.exit": ("import sys; sys.exit(3)", "SystemExit"),
    "no hook at all": ("x = 1", "get_task_type is missing"),
    "undecorated functions": (HOOKS.replace("@hookimpl", ""), "get_task_type is there, but without @hookimpl"),
    "only one function decorated": (
        HOOKS.replace("@hookimpl\ndef scrape", "def scrape"),
        "scrape is there, but without @hookimpl",
    ),
    "another task type": (HOOKS.replace('"demo"', '"other"'), "answers 'other', but the entry point is named 'demo'"),
    "no task type": (HOOKS.replace('"demo"', "None"), "answers None"),
    "a task type that raises": (HOOKS.replace('return "demo"', "raise KeyError('type')"), "KeyError"),
    "a task type that leaves": (HOOKS.replace('return "demo"', "raise SystemExit"), "SystemExit"),
    "an unknown argument": (HOOKS.replace("params, context", "params, config"), "config"),
    "an unknown hook": (HOOKS + "\n@hookimpl\ndef scrap(params):\n    pass\n", "scrap"),
    "a lacking method": (
        "from ytworker import PluginBase\nclass Plugin(PluginBase):\n    def get_task_type(self): return 'demo'",
        "abstract",
    ),
    "an __init__ that raises": (
        CLASS.replace("super().__init__(*args, **kwargs)", "raise OSError('no device')"),
        "no device",
    ),
}


def install(zoo: Zoo, source: str, name: str = "demo") -> str:
    module = f"{name}_plugin"
    value = f"{module}:Plugin" if "class Plugin" in source else module
    zoo.install(f"{name}-dist", entry_points={"ytworker.workers": {name: value}}, modules={module: source})
    return module


def items(registry: PluginRegistry, name: str) -> list[Any]:
    return list(registry.scrape(name, {}, make_context(name)) or ())  # type: ignore[arg-type]


def broken(registry: PluginRegistry, name: str, kind: PluginKind = PluginKind.WORKER) -> PluginInfo:
    with pytest.raises(PluginUnavailableError) as caught:
        registry.load(name, kind)
    assert caught.value.state == "broken"
    return registry.info(name, kind)


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_says_why_and_disturbs_no_other(zoo: Zoo, source: str, reason: str) -> None:
    install(zoo, source)
    zoo.worker("healthy")
    zoo.worker("before")
    registry = PluginRegistry()
    registry.load("before")
    found = broken(registry, "demo")
    assert found.state is PluginState.BROKEN
    assert reason in (found.reason or "")
    assert "ytworker plugins block demo" in (found.reason or "")
    assert "demo-dist" in (found.reason or "")
    assert "demo" not in registry.task_types()
    broken(registry, "demo")  # and it is not tried again
    for name in ("before", "healthy"):
        assert [item["id"] for item in items(registry, name)] == ["1"]


@pytest.mark.parametrize("hook", ["get_parameters", "get_settings"])
@pytest.mark.parametrize("failure", ["raise RuntimeError('no answer')", "raise SystemExit('no answer')"])
def test_a_describing_hook_that_raises_makes_the_plugin_broken(zoo: Zoo, hook: str, failure: str) -> None:
    zoo.worker("demo", extra=f"@hookimpl\ndef {hook}():\n    {failure}")
    zoo.worker("healthy")
    registry = PluginRegistry()
    ask = registry.parameters if hook == "get_parameters" else registry.sections
    with pytest.raises(PluginUnavailableError, match=rf"{hook}\(\) raised .*no answer"):
        ask("demo")
    assert registry.info("demo").state is PluginState.BROKEN
    assert "demo-dist" in (registry.info("demo").reason or "")
    assert "demo" not in registry.task_types()
    with pytest.raises(PluginUnavailableError):
        registry.load("demo")
    assert registry.sections("healthy") == {}


def test_a_module_an_object_and_a_class_are_plugins(zoo: Zoo) -> None:
    one = "from ytworker import *\nclass {kind}:\n    @hookimpl\n    def get_task_type(self): return '{name}'\n"
    one += "    @hookimpl\n    def scrape(self, params, context): return ['{name}']\n"
    zoo.worker("module")
    zoo.install(
        "objects",
        entry_points={"ytworker.workers": {"object": "objects:plugin", "klass": "objects:Klass"}},
        modules={
            "objects": one.format(kind="Thing", name="object")
            + "plugin = Thing()\n"
            + one.format(kind="Klass", name="klass")
        },
    )
    registry = PluginRegistry()
    assert [items(registry, name)[0] for name in ("object", "klass")] == ["object", "klass"]
    assert isinstance(registry.load("object"), WorkerPlugin)
    assert isinstance(registry.load("module"), WorkerPlugin)
    assert not isinstance(registry.load("module"), HasParameters | HasSettings | ClassifiesErrors)


def test_hooks_of_a_plugin_base_need_no_decorator_and_get_what_they_need(zoo: Zoo) -> None:
    module = install(zoo, CLASS)
    registry = PluginRegistry()
    assert list(registry.sections("demo")) == ["demo"]
    assert isinstance(registry.load("demo"), PluginBase)
    for depth in ("7", "8"):
        settings = registry.open("demo", {"demo": {"depth": depth}})
        assert settings["demo"].depth == int(depth)  # type: ignore[attr-defined]
    assert items(registry, "demo")[0].id == "1"
    registry.close()
    registry.close()
    assert zoo.seen(module) == [("made", "ytworker.plugin.demo"), ("open", 7), ("scrape", 8), ("close",)]


def test_settings_that_do_not_fit_name_the_setting_and_open_nothing(zoo: Zoo) -> None:
    module = install(zoo, CLASS)
    registry = PluginRegistry()
    with pytest.raises(SettingsError, match="YTWORKER_PLUGINS__DEMO__DEPTH"):
        registry.open("demo", {"demo": {"depth": "deep"}})
    registry.close()
    assert [what for what, *_ in zoo.seen(module)] == ["made"]


def test_an_open_that_failed_is_tried_again_and_never_closed(zoo: Zoo) -> None:
    body = 'seen.append(("open", self.settings["demo"].depth))\n        raise OSError("busy")'
    module = install(zoo, CLASS.replace('seen.append(("open", self.settings["demo"].depth))', body))
    registry = PluginRegistry()
    for _ in range(2):
        with pytest.raises(OSError, match="busy"):
            registry.open("demo", {})
    registry.close()
    assert [what for what, *_ in zoo.seen(module)] == ["made", "open", "open"]


@pytest.mark.parametrize("failure", ["RuntimeError('stuck')", "SystemExit('stuck')"])
def test_a_close_that_fails_keeps_no_other_open(zoo: Zoo, failure: str) -> None:
    good = install(zoo, CLASS)
    bad = install(zoo, CLASS.replace('"demo"', '"bad"').replace('seen.append(("close",))', f"raise {failure}"), "bad")
    registry = PluginRegistry()
    registry.open("demo", {})
    registry.open("bad", {})
    registry.close()
    assert zoo.seen(good)[-1] == ("close",)
    assert zoo.seen(bad)[-1] == ("open", 1)


def test_a_plugin_base_works_without_a_registry() -> None:
    class Plain(PluginBase):
        def get_task_type(self) -> str:
            return "plain"

        def scrape(self, params: Any, context: Any) -> list[Any]:  # noqa: ARG002
            return []

    plugin = Plain()
    plugin.open()
    plugin.close()
    assert plugin.settings == {}
    assert plugin.logger.name == __name__


# -- dispatch

WRAPPER = """
@hookimpl(wrapper=True)
def scrape(params, context):
    seen.append(context.task.type)
    scraped = yield
    return [{**dict(item), "title": "wrapped"} for item in scraped]
"""


def test_exactly_one_worker_answers_and_the_wrapper_runs(zoo: Zoo) -> None:
    modules = [zoo.worker(name, f"seen.append('ran')\nreturn [{{'id': '{name}'}}]") for name in ("one", "two", "three")]
    wrapper = zoo.extension("wrapper", WRAPPER)
    registry = PluginRegistry()
    registry.load_extensions()
    for name in ("one", "two"):
        assert items(registry, name) == [{"id": name, "title": "wrapped"}]
    assert zoo.seen(wrapper) == ["one", "two"]
    registry.load("three")  # registered after the callers of the others were cached
    assert items(registry, "one") == [{"id": "one", "title": "wrapped"}]
    assert items(registry, "three") == [{"id": "three", "title": "wrapped"}]
    assert [zoo.seen(module) for module in modules] == [["ran", "ran"], ["ran"], ["ran"]]


def test_an_extension_that_is_loaded_late_wraps_too(zoo: Zoo) -> None:
    zoo.worker("one")
    zoo.extension("wrapper", WRAPPER)
    registry = PluginRegistry()
    assert items(registry, "one")[0]["title"] == "One"
    registry.load_extensions()
    assert items(registry, "one")[0]["title"] == "wrapped"


@pytest.mark.parametrize("hook", ["scrape(params, context)", "get_task_type()", "get_parameters()"])
def test_an_extension_that_answers_is_broken_and_left_out(
    zoo: Zoo, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    zoo.extension("answers", f"@hookimpl\ndef {hook}:\n    return 'mine'")
    zoo.worker("demo")
    registry = PluginRegistry()
    registry.load_extensions()
    found = registry.info("answers", PluginKind.EXTENSION)
    assert found.state is PluginState.BROKEN
    assert "may only wrap" in (found.reason or "")
    assert "answers" in caplog.text
    assert items(registry, "demo")[0]["id"] == "1"
    assert registry.parameters("demo") is None


def test_a_broken_extension_disturbs_no_other(zoo: Zoo) -> None:
    zoo.extension("a_broken", "raise SystemExit(1)")
    zoo.extension("wrapper", WRAPPER)
    zoo.worker("demo")
    registry = PluginRegistry()
    registry.load_extensions()
    assert items(registry, "demo")[0]["title"] == "wrapped"


@pytest.mark.parametrize("answer", ["raise RuntimeError('sections')", "raise SystemExit(1)", "return 5"])
def test_an_extension_whose_settings_fail_breaks_no_worker(zoo: Zoo, answer: str) -> None:
    zoo.extension("settled", f"@hookimpl\ndef get_settings():\n    {answer}")
    install(zoo, CLASS)
    registry = PluginRegistry()
    registry.load_extensions()
    assert list(registry.sections("demo")) == ["demo"]
    assert registry.info("demo").state is PluginState.LOADED
    assert registry.info("settled", PluginKind.EXTENSION).state is PluginState.BROKEN


def test_sections_of_extensions_reach_the_task(zoo: Zoo) -> None:
    zoo.extension(
        "settled",
        "from pydantic import BaseModel\nclass Mine(BaseModel):\n    a: int = 3\n"
        "@hookimpl\ndef get_settings():\n    return {'mine': Mine}\n",
    )
    install(zoo, CLASS)
    registry = PluginRegistry()
    registry.load_extensions()
    assert sorted(registry.sections("demo")) == ["demo", "mine"]
    assert registry.open("demo", {"mine": {"a": 4}})["mine"] == type(registry.sections("demo")["mine"](a=4))(a=4)


def test_sections_that_are_no_mapping_make_the_plugin_broken(zoo: Zoo) -> None:
    zoo.worker("demo", extra="@hookimpl\ndef get_settings():\n    return 5")
    registry = PluginRegistry()
    with pytest.raises(PluginUnavailableError, match="get_settings"):
        registry.sections("demo")
    assert registry.info("demo").state is PluginState.BROKEN


def test_parameters_that_are_no_model_make_the_plugin_broken(zoo: Zoo) -> None:
    zoo.worker("demo", extra="@hookimpl\ndef get_parameters():\n    return {'a': int}")
    registry = PluginRegistry()
    with pytest.raises(PluginUnavailableError, match="get_parameters"):
        registry.parameters("demo")
    assert registry.info("demo").state is PluginState.BROKEN


# -- taxonomies


def taxonomy(answer: str) -> str:
    return f"@hookimpl\ndef classify_error(error):\n    seen.append(str(error))\n    {answer}\n"


@pytest.mark.parametrize("answer", ["return ErrorClass.GONE", "return 'gone'"])
def test_a_plugin_classifies_its_errors(zoo: Zoo, answer: str) -> None:
    zoo.worker("demo", extra=taxonomy(answer))
    zoo.worker("other", extra=taxonomy("return ErrorClass.INVALID"))
    registry = PluginRegistry()
    registry.load("other")
    registry.load("demo")
    assert registry.classify("demo", KeyError("x")) is ErrorClass.GONE


def test_an_extension_classifies_what_the_plugin_leaves_open(zoo: Zoo) -> None:
    zoo.worker("demo", extra=taxonomy("return None"))
    zoo.extension("knows", taxonomy("return ErrorClass.RESTRICTED"))
    registry = PluginRegistry()
    registry.load("demo")
    registry.load_extensions()
    assert registry.classify("demo", KeyError("x")) is ErrorClass.RESTRICTED


@pytest.mark.parametrize("failure", ["raise RuntimeError('oops')", "raise SystemExit(1)", "return 'no class'"])
def test_a_taxonomy_that_fails_has_no_say(zoo: Zoo, failure: str) -> None:
    zoo.worker("demo", extra=taxonomy(failure))
    zoo.extension("knows", taxonomy("return ErrorClass.RESTRICTED if 'known' in str(error) else None"))
    registry = PluginRegistry()
    registry.load_extensions()
    registry.load("demo")
    assert registry.classify("demo", KeyError("x")) is None
    assert registry.classify("demo", KeyError("known")) is ErrorClass.RESTRICTED


@pytest.mark.parametrize("failure", ["raise RuntimeError('oops')", "raise SystemExit(1)", "return 'no class'"])
def test_an_extension_whose_taxonomy_fails_does_not_silence_the_plugin(zoo: Zoo, failure: str) -> None:
    zoo.worker("demo", extra=taxonomy("return ErrorClass.GONE"))
    zoo.extension("fails", taxonomy(failure))
    early = PluginRegistry()
    early.load("demo")
    early.load_extensions()
    late = PluginRegistry()
    late.load_extensions()
    late.load("demo")
    for registry in (early, late):
        assert registry.classify("demo", KeyError("x")) is ErrorClass.GONE


def test_nobody_knows_an_error(zoo: Zoo) -> None:
    zoo.worker("demo")
    registry = PluginRegistry()
    assert registry.classify("demo", KeyError("x")) is None  # not even loaded
    registry.load("demo")
    assert registry.classify("demo", KeyError("x")) is None


# -- the rest


def test_one_module_cannot_answer_two_task_types(zoo: Zoo) -> None:
    groups = {"ytworker.workers": {"demo": "both", "other": "both"}}
    zoo.install("both-dist", entry_points=groups, modules={"both": worker_module("demo")})
    registry = PluginRegistry()
    assert items(registry, "demo")
    assert broken(registry, "other").reason
    assert items(registry, "demo")


def test_a_hook_of_a_newer_core_is_ignored_where_it_is_marked_as_one(zoo: Zoo) -> None:
    newer = "@hookimpl{}\ndef get_weather(place): return 'fine'"
    zoo.worker("marked", extra=newer.format("(optionalhook=True)"))
    zoo.worker("bare", extra=newer.format(""))
    registry = PluginRegistry()
    assert items(registry, "marked")
    assert "get_weather" in (broken(registry, "bare").reason or "")
    assert items(registry, "marked")


def test_a_catalogue_entry_without_an_entry_point_is_broken() -> None:
    info = PluginInfo(name="x", kind=PluginKind.WORKER, state=PluginState.FOUND)
    registry = PluginRegistry(catalogue={(PluginKind.WORKER, "x"): info})
    assert "entry point" in (broken(registry, "x").reason or "")


def test_the_probe_tells_what_loaded(zoo: Zoo, capfd: pytest.CaptureFixture[str]) -> None:
    model = "from pydantic import BaseModel\nclass P(BaseModel):\n    n: int\n"
    model += "@hookimpl\ndef get_parameters():\n    return P"
    zoo.worker("demo", imported="print('noise')", extra=model)
    zoo.worker("bad", imported="raise ImportError('nope')")
    assert probe.probe(PluginKind.WORKER, "bad")["status"] == "broken"
    assert probe.probe(PluginKind.WORKER, "nobody")["status"] == "missing"
    told = probe.probe(PluginKind.WORKER, "demo")
    assert (told["status"], told["settings"]) == ("loaded", [])
    assert told["parameters"]["required"] == ["n"]
    assert told["load_seconds"] >= 0


def test_what_a_plugin_prints_does_not_mix_with_the_answer_of_the_probe(zoo: Zoo) -> None:
    import json
    import os

    zoo.worker("demo", imported="import os; print('noise'); os.write(1, b'more noise')")
    done = subprocess.run(
        [sys.executable, "-m", "ytworker.plugins.probe", "worker", "demo"],
        env={**os.environ, "PYTHONPATH": str(zoo.folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["status"] == "loaded"
    assert "noise" in done.stderr


def test_plugins_type_check(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    folder = Path(__file__).with_name("typing")
    source = Path(__import__("ytworker").__file__ or "").parents[1]
    environment = ["--config-file=", "--strict", "--no-error-summary", f"--cache-dir={tmp_path}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPYPATH", f"{folder}:{source}")
        out, err, code = api.run([*environment, "--follow-imports=silent", str(folder / "uses_plugins.py")])
    assert (code, out, err) == (0, "", "")
