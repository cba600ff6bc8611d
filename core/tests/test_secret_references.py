"""Row S2: settings say where secrets are; only the process that needs one looks there."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugin_helpers import Program, Zoo
from ytworker.errors import SettingsError
from ytworker.redaction import masked, redact
from ytworker.secret_references import MAX_BYTES, is_reference, marks, resolve, resolve_all

pytest_plugins = ["plugin_fixtures"]

CANARY = "c4n4ry-of-a-reference"

EXTRA = """
import pydantic

class Settings(pydantic.BaseModel):
    api_key: pydantic.SecretStr
    more: list[str] = []

@hookimpl
def get_settings():
    return {"keeper": Settings}
"""
TELLS = """
settings = context.settings["keeper"]
key = settings.api_key.get_secret_value()
context.logger.warning("the key is %s", key)
context.progress(1, 1, f"with {key}")
if params.get("fails"):
    raise GoneError(f"https://site.test/?q={key}")
yield {"source": "test", "kind": "video", "id": str(len(key)), "title": ",".join(map(str, map(len, settings.more)))}
"""


@pytest.fixture
def keeper(program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program with a plugin that tells its key wherever it can; its variable is CANARY_KEY."""
    zoo.worker("keeper", TELLS, extra=EXTRA)
    monkeypatch.setenv("CANARY_KEY", CANARY)
    monkeypatch.setenv("YTWORKER_PLUGINS__KEEPER__API_KEY", "env:CANARY_KEY")
    return program


def test_s2_a_secret_is_looked_up_in_the_child_and_told_nowhere(keeper: Program, home: Path) -> None:
    keeper("enqueue", "keeper", "--param", "fails=yes")
    keeper("enqueue", "keeper")
    done = keeper.apart("--log-level", "debug", "run", "--until-empty")
    assert done.code == 0, done.err
    looks = [
        keeper("tasks", "list", "--json"),
        keeper("tasks", "show", "1", "--json"),
        keeper("dead", "show", "1", "--json"),
        keeper("items", "list", "--json"),
        keeper("config", "show", "--json"),
        keeper("status", "--json"),
        done,
    ]
    told = "".join(look.out + look.err for look in looks)
    assert f'"id": "{len(CANARY)}"' in told  # the plugin had it
    assert CANARY not in told
    assert "env:CANARY_KEY" in told
    files = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
    assert files
    assert not any(CANARY.encode() in content for content in files)


def test_s2_references_may_lie_deep(keeper: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("from a file\n")
    monkeypatch.setenv("YTWORKER_PLUGINS__KEEPER__MORE", f'["plain", "file:{tmp_path}/token"]')
    done = keeper("scrape", "keeper", "--jsonl")
    assert f'"title": "5,{len("from a file")}"' in done.out.replace('":"', '": "')


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("env:NOT_SET_ANYWHERE", "is not set"),
        ("env:YTWORKER_QUEUE", "choose another name"),
        ("file:/nowhere/at/all", "cannot be read: No such file"),
        ("keyring:ytworker/key", "pip install keyring"),
    ],
)
def test_s2_a_secret_that_is_not_there_names_the_setting_and_the_cure(
    keeper: Program, monkeypatch: pytest.MonkeyPatch, reference: str, why: str
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setenv("YTWORKER_PLUGINS__KEEPER__API_KEY", reference)
    done = keeper("scrape", "keeper")
    assert done.code == 1
    assert "plugins.keeper.api_key (also YTWORKER_PLUGINS__KEEPER__API_KEY) refers to a secret, but" in done.err
    assert reference in done.err
    assert why in done.err
    shown = keeper("config", "show")
    assert f"{reference} (not there)" in shown.out


def test_s2_config_show_says_whether_a_secret_is_there(keeper: Program) -> None:
    assert "env:CANARY_KEY (there)" in keeper("config", "show").out
    assert '"resolves": true' in keeper("config", "show", "--json").out


def test_what_a_file_holds_is_a_short_text(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="no text"):
        resolve(f"file:{file}")
    file.write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(ValueError, match="longer than"):
        resolve(f"file:{file}")
    file.write_bytes(b"\n")
    with pytest.raises(ValueError, match="is empty"):
        resolve(f"file:{file}")


def test_what_tells_of_a_change_tells_no_secret_and_never_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    value = {"key": "env:SOME_KEY", "more": [f"file:{file}", "keyring:a/b", "plain"], "n": 1}
    monkeypatch.delenv("SOME_KEY", raising=False)
    absent = marks(value)
    assert absent == ["nothing is there", "nothing is there", ""]
    monkeypatch.setenv("SOME_KEY", "canary-4711")
    file.write_text("canary-4711", "utf-8")
    there = marks(value)
    assert (len(there[0]), "canary" in str(there)) == (4, False)
    assert there == marks(value) != absent


def test_what_might_never_answer_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match="it is no regular file"):
            resolve(f"file:{place}")


def test_the_keyring_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {("ytworker", "me/you"): "s3cret"}

    def ask(service: str, user: str) -> str | None:
        if service == "locked":
            raise RuntimeError
        return kept.get((service, user))

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=ask))
    assert resolve("keyring:ytworker/me/you") == "s3cret"
    with pytest.raises(ValueError, match="keyring set ytworker nobody"):
        resolve("keyring:ytworker/nobody")
    with pytest.raises(ValueError, match="is the keyring unlocked"):
        resolve("keyring:locked/x")


@pytest.mark.parametrize(
    "value",
    ["file:///etc/passwd", "file:relative", "env:", "env:1X", "env:A B", "keyring:x", "environment", "", None, 5],
)
def test_what_only_looks_like_a_reference_is_a_value(value: Any) -> None:
    assert not is_reference(value)
    assert resolve_all({"x": [value]}) == ({"x": [value]}, [])


def test_a_reference_is_shown_and_what_it_leads_to_is_not(keeper: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydantic import BaseModel, SecretStr

    from ytworker.settings_sections import decode_section

    class Section(BaseModel):
        api_key: SecretStr

    decode_section("keeper", Section, {"api_key": "env:CANARY_KEY"})
    assert redact(f"x {CANARY} y") == "x ******** y"
    assert redact("env:CANARY_KEY") == "env:CANARY_KEY"
    assert masked("plugins.keeper.api_key", "env:CANARY_KEY") == "env:CANARY_KEY"
    monkeypatch.delenv("CANARY_KEY")
    with pytest.raises(SettingsError, match="YTWORKER_PLUGINS__KEEPER__API_KEY"):
        decode_section("keeper", Section, {"api_key": "env:CANARY_KEY"})
    assert keeper is not None


def test_s1_a_secret_is_refused_as_a_parameter() -> None:
    from pydantic import BaseModel, SecretStr

    from ytworker.errors import ParametersError
    from ytworker.plugins.parameters import validate

    class Keys(BaseModel):
        one: SecretStr | None = None
        plain: str = ""

    with pytest.raises(ParametersError, match="never into a task") as caught:
        validate("demo", Keys, {"one": CANARY, "plain": "x"})
    assert CANARY not in str(caught.value)
    assert validate("demo", Keys, {"plain": "x"}).plain == "x"
