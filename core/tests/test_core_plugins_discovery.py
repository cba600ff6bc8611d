from collections.abc import Iterable
from pathlib import Path

import pytest

from plugin_helpers import Zoo, make_distribution, worker_module
from ytworker import PluginUnavailableError
from ytworker.plugins.discovery import PluginInfo, PluginKind, PluginState, Policy, discover
from ytworker.plugins.registry import PluginRegistry

pytest_plugins = ["plugin_fixtures"]

TATTLE = "import pathlib; pathlib.Path(__file__).with_suffix('.imported').touch()"


def info(name: str, policy: Policy | None = None, kind: PluginKind = PluginKind.WORKER) -> PluginInfo:
    return PluginRegistry(policy).info(name, kind)


def imported(zoo: Zoo) -> list[str]:
    return sorted(file.stem for file in zoo.folder.glob("*.imported"))


def test_a_plugin_is_found_by_its_metadata_and_not_imported(zoo: Zoo) -> None:
    zoo.worker("demo", imported=TATTLE, version="2.5", summary="Demonstrates", requires=["ytworker>=0.1,<1"])
    found = info("demo")
    assert (found.state, found.kind, found.reason) == (PluginState.FOUND, PluginKind.WORKER, None)
    assert (found.distribution, found.version, found.summary) == ("demo-dist", "2.5", "Demonstrates")
    assert imported(zoo) == []


def test_a_plugin_is_loaded_on_first_use(zoo: Zoo) -> None:
    zoo.worker("demo", imported=TATTLE)
    registry = PluginRegistry()
    assert registry.load("demo") is registry.load("demo")
    assert registry.info("demo").state is PluginState.LOADED
    assert imported(zoo) == ["demo_plugin"]


def test_every_kind_has_its_group(zoo: Zoo) -> None:
    zoo.install(
        "all-kinds",
        entry_points={
            "ytworker.workers": {"one": "x"},
            "ytworker.extensions": {"two": "x"},
            "ytworker.queues": {"three": "x"},
            "ytworker.commands": {"four": "x"},
            "ytworker.cheese": {"five": "x"},
        },
    )
    kinds = {each.name: each.kind.value for each in discover(Policy()).values() if each.distribution == "all-kinds"}
    assert kinds == {"one": "worker", "two": "extension", "three": "queue", "four": "command"}


def test_a_missing_plugin_names_those_that_are_installed(zoo: Zoo) -> None:
    zoo.worker("demo")
    missing = info("dmeo")
    assert missing.state is PluginState.MISSING
    assert "demo" in (missing.reason or "")
    assert missing.distribution is None
    with pytest.raises(PluginUnavailableError, match="no installed distribution") as caught:
        PluginRegistry().load("dmeo")
    assert (caught.value.name, caught.value.state) == ("dmeo", "missing")


@pytest.mark.parametrize(
    ("task_type", "package"),
    [
        ("trending_scrape", "ytworker-trending"),
        ("keyword_search", "ytworker-keyword"),
        ("api_scrape", "ytworker-api"),
        ("channel_scrape", "ytworker-channel"),
    ],
)
def test_a_missing_plugin_of_ours_names_the_package_to_install(task_type: str, package: str) -> None:
    registry = PluginRegistry(catalogue={})
    assert f"pip install {package}" in (registry.info(task_type).reason or "")


@pytest.mark.parametrize(
    "policy",
    [
        Policy(block=["demo"]),
        Policy(block=["demo-dist"]),
        Policy(block=["Demo_Dist"]),
        Policy(only=["other"]),
        Policy(no_plugins=True),
        Policy(only=["demo"], block=["demo-dist"]),
    ],
)
def test_a_blocked_plugin_is_never_imported(zoo: Zoo, policy: Policy) -> None:
    zoo.worker("demo", imported=TATTLE)
    assert info("demo", policy).state is PluginState.BLOCKED
    assert info("demo", policy).reason
    registry = PluginRegistry(policy)
    assert "demo" not in registry.task_types()
    with pytest.raises(PluginUnavailableError, match="blocked"):
        registry.load("demo")
    assert imported(zoo) == []


@pytest.mark.parametrize("policy", [Policy(only=["demo"]), Policy(only=["demo-dist"]), Policy(block=["demon"])])
def test_a_policy_lets_the_others_through(zoo: Zoo, policy: Policy) -> None:
    zoo.worker("demo")
    assert info("demo", policy).state is PluginState.FOUND


def test_a_blocked_extension_is_never_imported(zoo: Zoo) -> None:
    zoo.extension("meddler", TATTLE)
    registry = PluginRegistry(Policy(block=["meddler"]))
    registry.load_extensions()
    assert registry.info("meddler", PluginKind.EXTENSION).state is PluginState.BLOCKED
    assert imported(zoo) == []


@pytest.mark.parametrize("bound", ["ytworker<0.1", "YTWorker (<0.1)", "ytworker>=99", 'ytworker<0.1; extra == ""'])
def test_an_incompatible_plugin_is_never_imported(zoo: Zoo, bound: str) -> None:
    zoo.worker("demo", imported=TATTLE, requires=["pydantic", bound])
    found = info("demo")
    assert found.state is PluginState.INCOMPATIBLE
    assert "needs ytworker" in (found.reason or "")
    assert "pip install --upgrade demo-dist" in (found.reason or "")
    with pytest.raises(PluginUnavailableError, match="incompatible"):
        PluginRegistry().load("demo")
    assert imported(zoo) == []


@pytest.mark.parametrize(
    "bound",
    [
        "ytworker",
        "ytworker>=0.1,<1",
        "ytworker-other<0.1",
        'ytworker<0.1; extra == "old"',
        'ytworker<0.1; python_version < "3"',
        "this is not a requirement !",
    ],
)
def test_other_requirements_are_the_business_of_pip(zoo: Zoo, bound: str) -> None:
    zoo.worker("demo", requires=[bound])
    assert info("demo").state is PluginState.FOUND


def two_rivals(zoo: Zoo) -> None:
    for name in ("alpha", "beta"):
        module = f"{name}_plugin"
        source = worker_module("demo", imported=TATTLE)
        zoo.install(name, entry_points={"ytworker.workers": {"demo": module}}, modules={module: source})


def test_two_distributions_of_one_name_are_a_conflict_and_neither_is_imported(zoo: Zoo) -> None:
    two_rivals(zoo)
    found = info("demo")
    assert found.state is PluginState.CONFLICT
    assert "alpha and beta both provide 'demo'" in (found.reason or "")
    assert "plugins prefer alpha" in (found.reason or "")
    with pytest.raises(PluginUnavailableError, match="conflict"):
        PluginRegistry().load("demo")
    assert imported(zoo) == []


def test_blocking_one_of_two_settles_a_conflict(zoo: Zoo) -> None:
    two_rivals(zoo)
    registry = PluginRegistry(Policy(block=["beta"]))
    assert registry.info("demo").distribution == "alpha"
    registry.load("demo")
    assert imported(zoo) == ["alpha_plugin"]


def test_blocking_both_leaves_a_blocked_plugin(zoo: Zoo) -> None:
    two_rivals(zoo)
    assert info("demo", Policy(block=["demo"])).state is PluginState.BLOCKED


def test_an_incompatible_rival_is_no_conflict(zoo: Zoo) -> None:
    zoo.worker("demo")
    zoo.install("rival", entry_points={"ytworker.workers": {"demo": "rival"}}, requires=["ytworker<0.1"])
    assert info("demo").distribution == "demo-dist"
    assert info("demo").state is PluginState.FOUND


def test_one_distribution_found_twice_on_the_path_is_no_conflict(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.worker("demo", version="2.0")
    groups = {"ytworker.workers": {"demo": "demo_plugin", "stale": "demo_plugin"}}
    make_distribution(tmp_path / "older", "Demo.Dist", version="1.0", entry_points=groups)
    monkeypatch.setattr("sys.path", [*__import__("sys").path, str(tmp_path / "older")])
    assert (info("demo").state, info("demo").version) == (PluginState.FOUND, "2.0")
    assert info("stale").state is PluginState.MISSING  # the copy that imports find does not have it


def test_a_plugin_cannot_take_the_place_of_a_built_in_queue(zoo: Zoo) -> None:
    zoo.install("squatter", entry_points={"ytworker.queues": {"sqlite": "squatter"}})
    found = info("sqlite", kind=PluginKind.QUEUE)
    assert (found.state, found.distribution) == (PluginState.FOUND, "ytworker")


def test_no_plugins_leaves_what_the_core_brings() -> None:
    assert info("sqlite", Policy(no_plugins=True), PluginKind.QUEUE).state is PluginState.FOUND


def damaged(zoo: Zoo) -> Iterable[str]:
    """Damage one distribution after the other, each in another way."""
    folder = zoo.install("no-metadata", entry_points={"ytworker.workers": {"nameless": "x"}})
    (folder / "METADATA").unlink()
    yield "without METADATA"
    folder = zoo.install("bad-metadata", entry_points={"ytworker.workers": {"garbled": "x"}})
    (folder / "METADATA").write_bytes(b"Metadata-Version: 2.1\nName: bad-metadata\nVersion: 1\nSummary: \xff\xfe\n")
    yield "METADATA that is no UTF-8"
    folder = zoo.install("bad-entries")
    (folder / "entry_points.txt").write_text("[ytworker.workers]\nthis line has no value\n")
    yield "an entry point without a value"
    folder = zoo.install("torn-entries")
    (folder / "entry_points.txt").write_bytes(b"[ytworker.workers]\nx = \xff\xfe\n")
    yield "entry points that are no UTF-8"
    folder = zoo.install("odd-entries", entry_points={"ytworker.workers": {"odd": "not a value!"}})
    yield "an entry point whose value is none"


def test_damaged_distributions_do_not_hide_the_others(zoo: Zoo) -> None:
    zoo.worker("demo")
    for damage in damaged(zoo):
        assert info("demo").state is PluginState.FOUND, damage
        assert PluginRegistry().load("demo"), damage
        assert all(each.to_json() for each in PluginRegistry().infos()), damage


def test_a_damaged_distribution_cannot_be_used(zoo: Zoo) -> None:
    list(damaged(zoo))
    registry = PluginRegistry()
    for name in ("garbled", "odd", "nameless"):
        with pytest.raises(PluginUnavailableError):
            registry.load(name)


def test_a_summary_is_one_harmless_line(zoo: Zoo) -> None:
    zoo.worker("demo", summary="clear\x1b[2J the\x9b screen\x07")
    assert info("demo").summary == "clear[2J the screen"


def test_the_json_shape_of_a_plugin(zoo: Zoo) -> None:
    zoo.worker("demo")
    assert info("demo").to_json() == {
        "name": "demo",
        "kind": "worker",
        "distribution": "demo-dist",
        "version": "1.0",
        "status": "found",
        "summary": "A plugin of the tests",
        "reason": None,
    }


def test_a_distribution_without_a_summary_is_fine(zoo: Zoo) -> None:
    zoo.worker("demo", summary=None)
    assert info("demo").summary is None
