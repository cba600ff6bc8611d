"""How the plugin behaves: it stops when it is told to, asks declared hosts only, and keeps secrets to itself."""
# ruff: noqa: D102, S101 - tests: their names say what they show

import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from ytworker.plugins.registry import PluginRegistry
from ytworker.redaction import secrets_in
from ytworker.testing.context import FakePort
from ytworker.testing.lateness import scrape_late
from ytworker.testing.network import guarded_network
from ytworker.testing.worker_conformance.base import Sample, Suite
from ytworker.testing.worker_conformance.places import said, unheard

Settings = Mapping[str, Mapping[str, Any]]

AFTERWARDS = 3
"""How many items may still come once a scrape was told to stop."""
_SHORTEST = 6  # what is shorter is found inside of ordinary words


class MannersTests(Suite):
    """Stopping, the network, secrets."""

    def test_a_scrape_stops_when_it_is_cancelled(
        self, registry: PluginRegistry, plugin_settings: Settings, good_sample: Sample
    ) -> None:
        port = FakePort()

        def watch(_count: int) -> None:
            port.stop = True

        whole = len(self.scrape(registry, good_sample, plugin_settings).items)
        if whole <= AFTERWARDS + 1:
            pytest.skip(f"the sample gives {whole} items; one with more than {AFTERWARDS + 1} shows whether it stops")
        done = self.scrape(registry, good_sample, plugin_settings, port=port, watch=watch)
        assert len(done.items) <= AFTERWARDS + 1, (
            f"cancelled after the first item, the scrape went on and gave {len(done.items)} of {whole}; yield items as "
            "they come, and look at context.cancelled (or call context.progress) before each"
        )

    def test_a_scrape_that_is_late_does_not_begin(
        self, registry: PluginRegistry, plugin_settings: Settings, good_sample: Sample
    ) -> None:
        settings = {**plugin_settings, **good_sample.settings}
        late = scrape_late(registry, self.task_type, good_sample.params, settings, patience=self.late_seconds)
        cure = "look at context.cancelled (or call context.progress) before each item and before each request"
        assert late.result is not None, (
            f"past its deadline from the start, the scrape did not end within {self.late_seconds:g} s, and a worker "
            f"would kill its process; {cure}, and let what that raises pass"
        )
        error = late.result.error
        assert error is None or error.fingerprint == "deadline", (
            f"past its deadline, the scrape failed as {error.error_class}: {error.message}; let Cancelled pass, which "
            "is no Exception"
        )
        assert late.items <= 1, f"past its deadline from the start, the scrape gave {late.items} items; {cure}"

    def test_p2_only_declared_hosts_are_asked(
        self, registry: PluginRegistry, plugin_settings: Settings, sample: Sample
    ) -> None:
        with guarded_network(self.hosts) as guard:
            self.scrape(registry, sample, plugin_settings)
        asked = ", ".join(dict.fromkeys(guard.refused))
        assert not guard.refused, (
            f"the scrape wanted to reach {asked}, and declared are {', '.join(self.hosts) or 'none'}; add what it may "
            "reach to `hosts`, and let samples ask a fake site"
        )

    def test_no_secret_is_told(
        self,
        registry: PluginRegistry,
        plugin_settings: Settings,
        sample: Sample,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        secrets = dict(self._secrets({**plugin_settings, **sample.settings}))
        if not secrets:
            pytest.skip("no setting of the samples is a secret; name some in `secrets`, such as 'api_scrape.api_key'")
        with caplog.at_level(logging.DEBUG), unheard() as told:
            done = self.scrape(registry, sample, plugin_settings)
        printed = "".join(capfd.readouterr())
        places = {"what it logs": caplog.text, "what it prints": printed, **told, **said(done)}
        for secret, name in secrets.items():
            for place, text in places.items():
                assert secret not in text, (
                    f"the value of plugins.{name} is in {place}; leave it out there: log the name of the setting, "
                    "and take addresses apart before you quote them"
                )

    def _secrets(self, sections: Settings) -> Iterator[tuple[str, str]]:
        """Give what is secret in settings and where: values of telling names, logins, and what was declared."""
        for section, values in sections.items():
            for name, value in values.items():
                declared = f"{section}.{name}" in self.secrets
                for secret in secrets_in({name: value}, secret=declared):
                    if len(secret) >= _SHORTEST:
                        yield secret, f"{section}.{name}"
                        yield quote(secret, safe=""), f"{section}.{name}"
