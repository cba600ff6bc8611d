"""The suite for worker plugins: a good one passes, and each broken one fails with words that name the cure."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest

from plugin_helpers import make_distribution
from ytworker.testing import WorkerConformance
from ytworker.testing.worker_conformance import vars_of

IMPORTS = "from ytworker import *\nfrom pydantic import BaseModel, ConfigDict, Field\n"
MODEL = '''
class Parameters(BaseModel):
    """What to scrape."""

    count: int = Field(default=9, ge=0, description="How many.", examples=[3])
'''
HOOKS = """
@hookimpl
def get_task_type():
    return "{name}"

@hookimpl
def get_parameters():
    return Parameters
"""
SCRAPE = """
@hookimpl
def scrape(params, context):
    for number in range(params.count):
        context.progress(number + 1, params.count)
        yield Item(source="test", id=str(number), title="t")
"""
SAMPLES = "samples = [Sample(params={'count': 9}), Sample(params={'count': 0}, empty=True)]"


@dataclass(frozen=True)
class Broken:
    """A plugin that breaks one promise."""

    test: str
    says: str
    scrape: str = SCRAPE
    model: str = MODEL
    hooks: str = HOOKS
    samples: str = SAMPLES
    more: str = ""
    requires: tuple[str, ...] = ("ytworker>=0.1,<1",)
    entry_points: Mapping[str, str] | None = None
    body: Mapping[str, str] = field(default_factory=dict)


def yields(*lines: str) -> str:
    return "\n@hookimpl\ndef scrape(params, context):\n" + "".join(f"    {line}\n" for line in lines)


EACH = "for number in range(9): yield Item(source='test', id=str(number))"
TELLS = [
    ("what it logs", ["import logging", "logging.getLogger('lib').debug('asks with %s', key)"]),
    ("what it logs", ["from urllib.parse import quote", "context.logger.info(quote(key, safe=''))"]),
    ("what it prints", ["print(key)"]),
    ("what it prints", ["import sys", "print(key, file=sys.stderr)"]),
    ("what it prints", ["import subprocess", "subprocess.run(['/bin/echo', key])"]),
    ("what it warns of", ["import warnings", "warnings.warn(key)"]),
    (
        "a failure of a thread or a finalizer",
        [
            "import threading",
            "thread = threading.Thread(target=lambda: {}[key])",
            "thread.start()",
            "thread.join()",
        ],
    ),
    (
        "a failure of a thread or a finalizer",
        [
            "class Dying:",
            "    def __del__(self): raise ValueError(key)",
            "Dying()",
        ],
    ),
    ("an error", ["raise ValueError(key)"]),
    ("a note of an error", ["error = ValueError('odd')", "error.add_note(f'with {key}')", "raise error"]),
    ("the cause of an error", ["raise ValueError('odd') from KeyError(key)"]),
    ("the traceback of an error", ["try: {}[key]", "except KeyError: raise ValueError('odd')"]),
    ("the name of a source", ["raise ThrottledError('odd', source=key)"]),
    ("the name of a source", ["context.budget(key).reserve('search', limit=9, zone='UTC')"]),
    ("a checkpoint", ["context.checkpoint.save({'next': key})"]),
    ("a note of its progress", ["context.progress(1, 2, key)"]),
    ("the parameters of a follow-up task", ["context.enqueue('other', {'key': key})"]),
    ("a reason", ["context.suspect(key)"]),
    ("an item", ["yield Item(source='test', id='x', title=key)"]),
]
BROKEN = {
    "absent": Broken("the_entry_point_is_there_once", "no installed distribution has an entry point", entry_points={}),
    "unbounded": Broken(
        "the_requirement_on_the_core_is_bounded", "ytworker has no upper bound", requires=("ytworker>=0.1",)
    ),
    "bottomless": Broken(
        "the_requirement_on_the_core_is_bounded", "ytworker has no lower bound", requires=("ytworker<1",)
    ),
    "unrelated": Broken("the_requirement_on_the_core_is_bounded", "does not require ytworker", requires=()),
    "heavy": Broken(
        "the_import_is_light", "imports requests; import it inside of scrape()", more="import requests\n"
    ),
    "wide": Broken("the_import_is_light", "at most 3 are fine", more="import json, xmlrpc.server\n",
                   samples=f"{SAMPLES}\n    max_modules = 3"),
    "misnamed": Broken(
        "the_plugin_loads_under_its_name", "answers 'other', but the entry point is named 'misnamed'",
        hooks=HOOKS.replace("{name}", "other"),
    ),
    "undecorated": Broken(
        "every_hook_is_registered", "classify_error is there, but without @hookimpl, so nothing ever calls it",
        more="def classify_error(error):\n    return None\n",
    ),
    "scrapeless": Broken(
        "the_plugin_loads_under_its_name", "scrape is there, but without @hookimpl",
        scrape=SCRAPE.replace("@hookimpl", ""),
    ),
    "misspelt": Broken(
        "every_hook_is_registered", "get_setings is no hook, so nothing ever calls it; did you mean get_settings?",
        more="def get_setings():\n    return {}\n",
    ),
    "mute": Broken(
        "the_parameters_have_a_json_schema_with_words", "the parameters count have no description",
        model=MODEL.replace('description="How many.", ', ""),
    ),
    "exampleless": Broken(
        "the_parameters_have_examples_that_fit", "no parameter has an example",
        model=MODEL.replace(", examples=[3]", ""),
    ),
    "wrongexample": Broken(
        "the_parameters_have_examples_that_fit", "the example {'count': 'many'} does not fit the model",
        model=MODEL.replace("[3]", '["many"]'),
    ),
    "wrongsample": Broken(
        "the_parameters_of_a_sample_fit_and_survive_the_queue", "cuont: unknown parameter; did you mean count?",
        samples="samples = [Sample(params={'cuont': 9})]",
    ),
    "shadows": Broken(
        "no_parameter_is_renamed_unnoticed", "people type --param-json",
        model=MODEL + '    json: bool = Field(default=False, description="x")\n',
    ),
    "fails": Broken("a_sample_gives_items", "the sample failed as bug: odd", scrape=yields("raise ValueError('odd')")),
    "nothing": Broken("a_sample_gives_items", "the sample gave no items", scrape=yields("return []")),
    "none": Broken("a_sample_gives_items", "scrape() gave NoneType", scrape=yields("return None")),
    "invalid": Broken(
        "a_sample_gives_items", "yielded a dict without id", scrape=yields("yield {'source': 'test', 'kind': 'video'}")
    ),
    "hollow": Broken(
        "a_sample_gives_items", "no title in 9 of 9 items", scrape=yields("context.expect(required=['title'])", EACH)
    ),
    "unserialisable": Broken(
        "a_sample_gives_items", "is read from the queue as",
        scrape=yields("yield Item.model_construct(source='test', kind='video', id='1', extra={'a': (1,)})"),
    ),
    "unstable": Broken(
        "ids_are_stable", "take the id that the site gives",
        scrape=yields("import uuid", "yield Item(source='test', id=uuid.uuid4().hex)"),
    ),
    "double": Broken("ids_are_stable", "more than once", scrape=yields(EACH, EACH)),
    "refusesempty": Broken(
        "an_empty_answer_is_legal", "the sample failed as suspect",
        scrape=yields("if not params.count: raise SuspectError('nothing')", EACH),
    ),
    "wrongclass": Broken(
        "a_sample_fails_as_it_should", "is taken for bug, not for gone; raise the error of ytworker that means it",
        scrape=yields("raise ValueError('no such list')"),
        samples="samples = [Sample(fails=ErrorClass.GONE)]",
    ),
    "sourceless": Broken(
        "a_failure_has_its_class", "names no source, so only this one task waits",
        samples=f"{SAMPLES}\n    failures = [(ThrottledError('slow down'), ErrorClass.THROTTLED)]",
    ),
    "unclassified": Broken(
        "a_failure_has_its_class", "is taken for bug, not for invalid",
        samples=f"{SAMPLES}\n    failures = [(KeyError('x'), ErrorClass.INVALID)]",
    ),
    "deaf": Broken(
        "a_scrape_stops_when_it_is_cancelled", "cancelled after the first item, the scrape went on and gave 9 of 9",
        scrape=yields(EACH),
    ),
    "late": Broken(
        "a_scrape_that_is_late_does_not_begin", "past its deadline from the start", scrape=yields(EACH)
    ),
    "hangs": Broken(
        "a_scrape_that_is_late_does_not_begin", "the scrape did not end within 1 s",
        scrape=yields(
            "import time",
            "while True:",
            "    try:",
            "        context.progress(1)",
            "        break",
            "    except BaseException:",
            "        time.sleep(0.01)",
            EACH,
        ),
        samples=f"{SAMPLES}\n    late_seconds = 1",
    ),
    "swallows": Broken(
        "a_scrape_that_is_late_does_not_begin", "past its deadline, the scrape failed as bug: gave up; let Cancelled",
        scrape=yields(
            "try: context.budget('site').acquire()",
            "except BaseException: raise ValueError('gave up')",
            EACH,
        ),
    ),
    "wanders": Broken(
        "p2_only_declared_hosts_are_asked", "the scrape wanted to reach b.example, and declared are a.example",
        scrape=yields(
            "import socket",
            "try: socket.create_connection(('b.example', 443))",
            "except OSError: pass",
            EACH,
        ),
        samples=f"{SAMPLES}\n    hosts = ['a.example']",
    ),
    "strays": Broken(
        "p2_only_declared_hosts_are_asked", "the scrape wanted to reach 203.0.113.9, and declared are none",
        scrape=yields("import socket", "socket.socket().connect_ex(('203.0.113.9', 443))", EACH),
    ),
    "chatters": Broken(
        "no_secret_is_told", "the value of plugins.chatters.api_key is in what it logs",
        scrape=yields("context.logger.debug('asking with %s', context.settings['chatters'].api_key)", EACH),
        more='class S(BaseModel):\n    api_key: str = ""\n@hookimpl\ndef get_settings():\n    return {"chatters": S}\n',
        samples="samples = [Sample(settings={'chatters': {'api_key': 'hunter2-canary'}})]",
    ),
    "shouts": Broken(
        "no_secret_is_told", "the value of plugins.shouts.login is in an error",
        scrape=yields("raise ValueError(context.settings['shouts'].login)"),
        more='class S(BaseModel):\n    login: str = ""\n@hookimpl\ndef get_settings():\n    return {"shouts": S}\n',
        samples="secrets = ['shouts.login']\n    samples = [Sample(settings={'shouts': {'login': 'hunter2-canary'}})]",
    ),
    **{
        f"tells{number}": Broken(
            "no_secret_is_told", f"the value of plugins.tells{number}.api_key is in {place}",
            scrape=yields(f"key = context.settings['tells{number}'].api_key", *lines, EACH),
            more=(
                "class S(BaseModel):\n    api_key: str = ''\n"
                f"@hookimpl\ndef get_settings():\n    return {{'tells{number}': S}}\n"
            ),
            samples=f"samples = [Sample(settings={{'tells{number}': {{'api_key': 'hunter2/canary'}}}})]",
        )
        for number, (place, lines) in enumerate(TELLS)
    },
    "proxies": Broken(
        "no_secret_is_told", "the value of plugins.proxies.proxy is in the name of a source",
        scrape=yields("context.budget(context.settings['proxies'].proxy).acquire()", EACH),
        more='class S(BaseModel):\n    proxy: str = ""\n@hookimpl\ndef get_settings():\n    return {"proxies": S}\n',
        samples="samples = [Sample(settings={'proxies': {'proxy': 'http://me:hunter2-canary@h.example:80'}})]",
    ),
}  # fmt: skip

OVERRIDES = """
import pytest
from ytworker.testing import Sample, WorkerConformance

def test_an_override_is_refused():
    with pytest.raises(TypeError, match="overrides the standard test test_ids_are_stable; .*xfail"):
        class TestOverride(WorkerConformance):
            def test_ids_are_stable(self):
                pass

def test_a_reason_excuses_it():
    class Excused(WorkerConformance):
        @pytest.mark.xfail(reason="the site has no ids")
        def test_ids_are_stable(self):
            pass

def test_a_mark_without_a_reason_does_not():
    with pytest.raises(TypeError, match="overrides"):
        class TestOverride(WorkerConformance):
            test_ids_are_stable = pytest.mark.xfail(lambda self: None)
"""


def write(folder: Path) -> list[str]:
    """Write all plugins and their tests; give what pytest is to run of them."""
    tests = [
        "from ytworker import ErrorClass, ThrottledError",
        "from ytworker.testing import Sample, WorkerConformance",
    ]
    wanted = []
    for name, case in {"good": Broken("", ""), **BROKEN}.items():
        source = IMPORTS + case.model + case.hooks.replace("{name}", name) + case.scrape + case.more
        points = {name: f"{name}_plugin"} if case.entry_points is None else case.entry_points
        make_distribution(
            folder,
            f"{name}-dist",
            entry_points={"ytworker.workers": points},
            requires=case.requires,
            modules={f"{name}_plugin": source},
        )
        tests.append(f"class Test_{name}(WorkerConformance):\n    task_type = '{name}'\n    {case.samples}\n")
        wanted.append(f"test_all.py::Test_{name}" + (f"::test_{case.test}" if case.test else ""))
    (folder / "requests.py").write_text("", "utf-8")
    tests += [
        "import good_plugin",
        f"class Test_object(WorkerConformance):\n    task_type = 'good'\n    plugin = good_plugin\n    {SAMPLES}\n",
    ]
    (folder / "test_all.py").write_text("\n".join(tests), "utf-8")
    (folder / "test_overrides.py").write_text(dedent(OVERRIDES), "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
    return [*wanted, "test_all.py::Test_object", "test_overrides.py"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str, str]]]:
    """Run everything in one process; for each class the tests with how they ended and what was said."""
    folder = tmp_path_factory.mktemp("conformance")
    wanted = write(folder)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--junitxml=results.xml", "-p", "no:cacheprovider", *wanted],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=False,
    )
    found: dict[str, list[tuple[str, str, str]]] = {}
    for case in ET.parse(folder / "results.xml").iter("testcase"):  # noqa: S314 - our own file
        ending = next((each for each in case if each.tag in {"failure", "error", "skipped"}), None)
        words = "" if ending is None else f"{ending.get('message')}\n{ending.text}"
        end = "passed" if ending is None else ending.tag
        found.setdefault(case.get("classname", "").rpartition(".")[2], []).append((case.get("name", ""), end, words))
    return found


def test_a_good_plugin_passes(results: dict[str, list[tuple[str, str, str]]]) -> None:
    ended = {name: end for name, end, _ in results["Test_good"]}
    assert {name: end for name, end in ended.items() if end not in {"passed", "skipped"}} == {}
    standard = set(vars_of(WorkerConformance))
    assert {name.partition("[")[0] for name in ended} == standard
    skipped = {name.partition("[")[0] for name, end in ended.items() if end == "skipped"}
    assert skipped == {"test_no_secret_is_told", "test_a_sample_fails_as_it_should", "test_a_failure_has_its_class"}


def test_a_plugin_that_is_given_as_an_object_passes(results: dict[str, list[tuple[str, str, str]]]) -> None:
    ended = {end for _, end, _ in results["Test_object"]}
    assert ended == {"passed", "skipped"}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_told_the_cure(results: dict[str, list[tuple[str, str, str]]], name: str) -> None:
    failed = [words for _, end, words in results[f"Test_{name}"] if end in {"failure", "error"}]
    assert failed, results[f"Test_{name}"]
    assert all(BROKEN[name].says in " ".join(words.split()) for words in failed), failed


def test_p2_who_connects_to_another_host_than_declared_fails(results: dict[str, list[tuple[str, str, str]]]) -> None:
    failed = {name: [end for _, end, _ in results[f"Test_{name}"]] for name in ("wanders", "strays")}
    assert {end for ends in failed.values() for end in ends} == {"failure"}


def test_each_standard_test_has_a_plugin_that_breaks_it() -> None:
    assert {f"test_{case.test}" for case in BROKEN.values()} == set(vars_of(WorkerConformance))


def test_no_standard_test_is_overridden_without_a_reason(results: dict[str, list[tuple[str, str, str]]]) -> None:
    assert [end for _, end, _ in results["test_overrides"]] == ["passed"] * 3
