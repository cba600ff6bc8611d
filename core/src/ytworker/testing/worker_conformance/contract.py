"""What the plugin says of itself: its hooks and its parameters."""
# ruff: noqa: D102, S101 - tests: their names say what they show

import difflib
import inspect
from typing import Any

import pytest
from pydantic import BaseModel

from ytworker.cli.enqueue import enqueue
from ytworker.cli.model_options import option_name
from ytworker.cli.scrape import scrape
from ytworker.errors import ParametersError
from ytworker.hookspecs import HOOKS
from ytworker.plugins.base import PluginBase
from ytworker.plugins.discovery import PluginState
from ytworker.plugins.dispatch import HookManager
from ytworker.plugins.parameters import as_json, validate
from ytworker.plugins.registry import PluginRegistry
from ytworker.testing.worker_conformance.base import Sample, Suite

_LIKE = 0.8  # get_params is meant to be get_parameters


class ContractTests(Suite):
    """Hooks and parameters."""

    @pytest.fixture
    def model(self, registry: PluginRegistry) -> type[BaseModel]:
        """The model of the parameters."""
        model = registry.parameters(self.task_type)
        if model is None:
            pytest.skip("the plugin has no get_parameters: it takes any JSON object, unchecked")
        return model

    def test_the_plugin_loads_under_its_name(self, registry: PluginRegistry) -> None:
        assert registry.info(self.task_type).state is PluginState.LOADED

    def test_every_hook_is_registered(self, registry: PluginRegistry) -> None:
        loaded = registry.load(self.task_type)
        manager = HookManager()
        manager.register(loaded)
        heard = {caller.name for caller in manager.get_hookcallers(loaded) or ()}
        public = {name for name in dir(loaded) if not name.startswith("_") and callable(getattr(loaded, name, None))}
        silent = sorted(public & set(HOOKS) - heard)
        assert not silent, (
            f"{', '.join(silent)} is there, but without @hookimpl, so nothing ever calls it; decorate it with "
            "@ytworker.hookimpl"
        )
        known = {*HOOKS, *dir(PluginBase)}
        for name in sorted(name for name in public - known if _is_own(loaded, name)):
            guess = difflib.get_close_matches(name, HOOKS, n=1, cutoff=_LIKE)
            assert not guess, f"{name} is no hook, so nothing ever calls it; did you mean {guess[0]}?"

    def test_the_parameters_have_a_json_schema_with_words(self, model: type[BaseModel]) -> None:
        properties = model.model_json_schema()["properties"] if model.model_fields else {}
        mute = sorted(name for name, facts in properties.items() if not facts.get("description"))
        assert not mute, (
            f"the parameters {', '.join(mute)} have no description, so --help says nothing of them; write "
            'Field(description="…")'
        )

    def test_the_parameters_have_examples_that_fit(self, model: type[BaseModel]) -> None:
        if not model.model_fields:
            return
        schema = model.model_json_schema()
        whole = schema.get("examples", [])
        of_fields = {name: facts["examples"] for name, facts in schema["properties"].items() if facts.get("examples")}
        cure = 'write Field(examples=["…"]), or model_config = ConfigDict(json_schema_extra={"examples": [{…}]})'
        assert whole or of_fields, f"no parameter has an example; {cure}"
        needed = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
        sample = next((sample.params for sample in self.samples), {})
        base = {name: value for name, value in sample.items() if name in needed}
        given = [*whole, *({**base, name: each} for name, each in of_fields.items() for each in each)]
        for params in given:
            problem = _problem(self.task_type, model, params)
            assert problem is None, f"the example {params} does not fit the model: {problem}"

    def test_the_parameters_of_a_sample_fit_and_survive_the_queue(self, model: type[BaseModel], sample: Sample) -> None:
        problem = _problem(self.task_type, model, sample.params)
        assert problem is None, f"the parameters of the sample do not fit the model: {problem}"
        once = validate(self.task_type, model, sample.params)
        again = validate(self.task_type, model, as_json(once))
        assert again == once, (
            f"what the queue stores of {once!r} is read as {again!r}; give the model types that JSON has"
        )

    def test_no_parameter_is_renamed_unnoticed(self, model: type[BaseModel]) -> None:
        taken = {name for command in (scrape, enqueue) for name in list(inspect.signature(command).parameters)[2:]}
        clashes = sorted({field.alias or name for name, field in model.model_fields.items()} & (taken | {"help"}))
        unnoticed = [name for name in clashes if name not in self.renamed_options]
        assert not unnoticed, (
            f"the parameters {', '.join(unnoticed)} have the names of options of `scrape` and `enqueue`: people type "
            f"{', '.join(option_name(name, taken | {'help'}) for name in unnoticed)}. Choose other names, or say that "
            "you know with renamed_options"
        )


def _is_own(plugin: object, name: str) -> bool:
    """Tell whether a function was written for the plugin, and not imported into its module."""
    home = plugin.__name__ if inspect.ismodule(plugin) else None
    return home is None or getattr(getattr(plugin, name), "__module__", None) == home


def _problem(task_type: str, model: type[BaseModel], params: Any) -> str | None:
    try:
        validate(task_type, model, params)
    except ParametersError as error:
        return "; ".join(error.problems)
    return None
