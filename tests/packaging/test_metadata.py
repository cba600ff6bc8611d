"""What the wheels and sdists say of themselves, and what is in them."""

import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement

from packaging_helpers import FOLDERS, ROOT


def wheel_of(built: Path, name: str) -> zipfile.ZipFile:
    (file,) = built.glob(f"{name.replace('-', '_')}-*.whl")
    return zipfile.ZipFile(file)


def metadata_of(built: Path, name: str) -> Metadata:
    with wheel_of(built, name) as wheel:
        (place,) = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        return Metadata.from_email(wheel.read(place))


@pytest.mark.parametrize("name", FOLDERS)
def test_the_metadata_is_complete(built: Path, name: str) -> None:
    metadata = metadata_of(built, name)
    assert metadata.name == name
    assert metadata.license_expression == "MIT"
    assert metadata.license_files == ["LICENSE"]
    assert metadata.description_content_type == "text/markdown"
    assert f"# {name}" in (metadata.description or "")
    assert metadata.summary
    assert metadata.author
    assert metadata.keywords
    assert {"Homepage", "Changelog"} <= set(metadata.project_urls or {})
    assert str(metadata.requires_python) == ">=3.11"
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.11"} <= set(metadata.classifiers or ())


@pytest.mark.parametrize("name", FOLDERS)
def test_a_plugin_bounds_the_core(built: Path, name: str) -> None:
    needs = [need for need in metadata_of(built, name).requires_dist or () if need.name.startswith("ytworker")]
    assert [str(need.specifier) for need in needs] == [str(Requirement("x>=0.1,<1").specifier)] * len(needs)
    assert bool(needs) == (name != "ytworker")


@pytest.mark.parametrize("name", FOLDERS)
def test_version_and_changelog_agree(built: Path, name: str) -> None:
    version = str(metadata_of(built, name).version)
    changelog = (FOLDERS[name] / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## (\S+)", changelog, re.MULTILINE)[0] == version
    package = FOLDERS[name] / "src" / name.replace("-", "_")
    sources = [
        place.read_text("utf-8") for place in (package / "__init__.py", package / "_version.py") if place.exists()
    ]
    told = re.findall(r'^__version__ = "(.+)"', "".join(sources), re.MULTILINE)
    assert told == [version]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_wheel_holds_its_package_with_its_types_and_nothing_else(built: Path, name: str) -> None:
    package = name.replace("-", "_")
    with wheel_of(built, name) as wheel:
        names = wheel.namelist()
    assert f"{package}/py.typed" in names
    assert {each.split("/")[0].partition("-")[0] for each in names} == {package}
    assert not [each for each in names if "__pycache__" in each or "/tests/" in each]


@pytest.mark.parametrize("name", FOLDERS)
def test_an_sdist_holds_sources_tests_and_the_licence(built: Path, name: str) -> None:
    (file,) = built.glob(f"{name.replace('-', '_')}-*.tar.gz")
    with tarfile.open(file) as archive:
        places = {each.partition("/")[2] for each in archive.getnames()}
    assert {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"} <= places
    assert any(place.startswith("tests/test_") for place in places)


def test_every_distribution_is_in_the_workspace_and_in_every_session() -> None:
    """A new plugin that is forgotten somewhere would be built, and never tested alone, typed or documented."""
    root = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    session = (ROOT / "noxfile.py").read_text("utf-8")
    for name, folder in FOLDERS.items():
        place = f"{folder.relative_to(ROOT)}/src"
        package = name.replace("-", "_")
        assert place in root["mypy"]["files"]
        assert place in root["mypy"]["mypy_path"].split(":")
        assert package in root["coverage"]["run"]["source_pkgs"]
        assert package in root["ruff"]["lint"]["isort"]["known-first-party"]
        assert f'"./{folder.relative_to(ROOT)}' in session
        members = root["hatch"]["envs"]["default"]["workspace"]["members"]
        ours = folder.parent.name != "examples"  # those of other people, so to say, are tested alone
        assert any(folder.relative_to(ROOT).match(member) for member in members) is ours


def test_every_distribution_is_named_in_one_way() -> None:
    for name, folder in FOLDERS.items():
        assert tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["name"] == name
