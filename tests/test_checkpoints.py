from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from gateway.checkpoints import Catalog, Download, references_in
from gateway.errors import ConfigError, NotFound
from gateway.settings import EngineSettings
from gateway.settings_sources import config_folder

ENGINES = {
    "mine": EngineSettings(backend="x", model={"a": "hf://o/r/a", "deep": {"b": ["hf://o/r/b@v1", "plain"], "n": 1}}),
    "lite": EngineSettings(backend="lite"),
    "f5": EngineSettings(backend="f5", model={"checkpoint": "hf://me/finetune/model.safetensors"}),
}


def test_sets_with_a_known_commit_are_pinned_to_it() -> None:
    pinned = {name: [item.pinned for item in downloads] for name, downloads in Catalog.load().sets.items()}
    # No public source names a commit of the other two.
    assert pinned == {"f5": [True, True], "fish": [False], "lite-voices": [False]}


@pytest.mark.parametrize(
    ("reference", "pinned"),
    [
        ("hf://o/r/a@" + "0123456789" * 4, True),
        ("hf://o/r/a@0123456", False),
        ("hf://o/r/a@v1.0", False),
        ("hf://o/r/a", False),
        ("hf://", False),
    ],
)
def test_only_a_full_commit_pins_a_reference(reference: str, pinned: bool) -> None:
    assert Download(reference=reference).pinned is pinned


def test_every_reference_in_the_shipped_configuration_has_a_known_license() -> None:
    catalog = Catalog.load()
    references = [item.reference for downloads in catalog.sets.values() for item in downloads]
    for path in config_folder().rglob("*.yaml"):
        references += re.findall(r"hf://[\w./@-]+", path.read_text())
        references += references_in(yaml.safe_load(path.read_text()).get("engines", {}))
    assert len(references) > 5
    assert [reference for reference in references if not catalog.license(reference)] == []


def test_weights_of_f5_and_fish_are_marked_as_non_commercial() -> None:
    catalog = Catalog.load()
    for name in ("f5", "fish"):
        licenses = [catalog.license(item.reference) for item in catalog.sets[name]]
        assert any(license and not license.commercial_use for license in licenses)


def test_engine_names_take_precedence_over_set_names() -> None:
    catalog = Catalog.load()
    assert [item.reference for item in catalog.downloads("mine", ENGINES)] == ["hf://o/r/a", "hf://o/r/b@v1"]
    assert [item.reference for item in catalog.downloads("f5", ENGINES)] == ["hf://me/finetune/model.safetensors"]
    assert catalog.downloads("f5", {}) == list(catalog.sets["f5"])
    assert catalog.downloads("lite", ENGINES) == []
    assert [item.reference for item in catalog.downloads("hf://a/b/c", ENGINES)] == ["hf://a/b/c"]


def test_unknown_name_error_lists_the_known_ones() -> None:
    with pytest.raises(NotFound, match=r"unknown name 'tuba': .* one of f5, fish, lite, lite-voices, mine"):
        Catalog.load().downloads("tuba", ENGINES)


def test_damaged_catalog_is_named_in_the_error(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.yaml"
    for text in ("repositories: 3", "{", "repositories: {}\nsets: {}\nextra: 1"):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"checkpoints\.yaml"):
            Catalog.load(path)
