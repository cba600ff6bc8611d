"""What the plugin gives: items, nothing, or a failure of a known class."""
# ruff: noqa: D102, S101 - tests: their names say what they show

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from ytworker.engine.classify import ErrorClassifier
from ytworker.engine.retry import COOLING, RETRIED, RETRIED_ONCE, Bury, Decision, Defer, Retry, RetryStrategy
from ytworker.model import ErrorClass, ErrorInfo, Item
from ytworker.plugins.registry import PluginRegistry
from ytworker.testing.scraping import Scraping, identities
from ytworker.testing.worker_conformance.base import Sample, Suite

Settings = Mapping[str, Mapping[str, Any]]


class AnswerTests(Suite):
    """Items and failures."""

    def test_a_sample_gives_items(
        self, registry: PluginRegistry, plugin_settings: Settings, good_sample: Sample
    ) -> None:
        done = self.scrape(registry, good_sample, plugin_settings)
        _refuse_failure(done)
        assert done.items or done.apart, "the sample gave no items; if that is legal, say Sample(…, empty=True)"
        why = "; ".join(sorted({each.reason for each in done.apart}))
        assert not done.apart, f"{len(done.apart)} items of the sample are not what context.expect() expects: {why}"
        for item in done.items:
            again = Item.model_validate(json.loads(json.dumps(item.model_dump(mode="json"), allow_nan=False)))
            assert again == item, f"{item!r} is read from the queue as {again!r}; put JSON values into extra"

    def test_ids_are_stable(self, registry: PluginRegistry, plugin_settings: Settings, good_sample: Sample) -> None:
        once, again = (identities(self.scrape(registry, good_sample, plugin_settings).items) for _ in range(2))
        twice = [identity for identity, count in Counter(once).items() if count > 1]
        assert not twice, f"one scrape gave {twice[0]} more than once; give each item its own id, and each item once"
        missing = sorted(set(once) ^ set(again))
        assert not missing, (
            f"two scrapes of one sample gave different items, such as {missing[0]}: take the id that the site gives, "
            "none that is drawn, counted or made from what changes. Otherwise each scrape stores everything anew"
        )

    def test_an_empty_answer_is_legal(
        self, registry: PluginRegistry, plugin_settings: Settings, empty_sample: Sample
    ) -> None:
        done = self.scrape(registry, empty_sample, plugin_settings)
        _refuse_failure(done)
        assert done.items == [], f"the sample is to be empty, and gave {len(done.items)} items"

    def test_a_sample_fails_as_it_should(
        self, registry: PluginRegistry, plugin_settings: Settings, bad_sample: Sample
    ) -> None:
        done = self.scrape(registry, bad_sample, plugin_settings)
        assert done.error is not None, f"the sample is to fail as {bad_sample.fails}, and gave {len(done.items)} items"
        assert bad_sample.fails is not None
        _check(done.error, bad_sample.fails)

    def test_a_failure_has_its_class(self, registry: PluginRegistry, failure: tuple[BaseException, ErrorClass]) -> None:
        error, wanted = failure
        _check(ErrorClassifier(lambda each: registry.classify(self.task_type, each)).describe(error), wanted)


def _refuse_failure(done: Scraping) -> None:
    if done.error is not None:
        pytest.fail(f"the sample failed as {done.error.error_class}: {done.error.message}\n{done.error.traceback}")
    assert done.deferred is None, f"the sample asked to wait: {done.deferred}"


def _check(info: ErrorInfo, wanted: ErrorClass) -> None:
    assert info.error_class is wanted, (
        f"{info.type} ({info.message}) is taken for {info.error_class}, not for {wanted}; raise the error of ytworker "
        "that means it, or tell in classify_error"
    )
    decision = RetryStrategy(jitter="none").decide(info, attempt=1, max_attempts=5, strikes=1, random=lambda: 0.0)
    assert isinstance(decision, _consequence(wanted)), f"{wanted} is followed by {decision}"
    whole = wanted in COOLING or wanted is ErrorClass.CONFIG
    assert info.source is not None or not whole, (
        f"{info.type} is {wanted} and names no source, so only this one task waits and all others go on asking; raise "
        f"an error of ytworker with source=…, the one that context.budget() is asked for"
    )


def _consequence(error_class: ErrorClass) -> type[Decision]:
    if error_class in RETRIED | RETRIED_ONCE:
        return Retry
    waits = error_class in COOLING | {ErrorClass.CONFIG, ErrorClass.NOT_YET}
    return Defer if waits else Bury
