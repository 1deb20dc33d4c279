from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from gateway.checkpoints import Catalogue, Wanted, references_in
from gateway.errors import ConfigError, NotFound
from gateway.settings import EngineSettings, config_folder

ENGINES = {
    "mine": EngineSettings(backend="x", model={"a": "hf://o/r/a", "deep": {"b": ["hf://o/r/b@v1", "plain"], "n": 1}}),
    "lite": EngineSettings(backend="lite"),
    "f5": EngineSettings(backend="f5", model={"checkpoint": "hf://me/finetune/model.safetensors"}),
}


def test_what_is_known_is_pinned_to_a_full_commit() -> None:
    pinned = {name: [item.pinned for item in wanted] for name, wanted in Catalogue.load().sets.items()}
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
def test_only_a_full_commit_is_a_pin(reference: str, pinned: bool) -> None:
    assert Wanted(reference=reference).pinned is pinned


def test_every_reference_in_the_shipped_configuration_has_a_known_licence() -> None:
    catalogue = Catalogue.load()
    references = [item.reference for wanted in catalogue.sets.values() for item in wanted]
    for path in config_folder().rglob("*.yaml"):
        references += re.findall(r"hf://[\w./@-]+", path.read_text())
        references += references_in(yaml.safe_load(path.read_text()).get("engines", {}))
    assert len(references) > 5
    assert [reference for reference in references if not catalogue.licence(reference)] == []


def test_the_weights_of_f5_and_fish_are_known_to_be_non_commercial() -> None:
    catalogue = Catalogue.load()
    for name in ("f5", "fish"):
        licences = [catalogue.licence(item.reference) for item in catalogue.sets[name]]
        assert any(licence and not licence.commercial_use for licence in licences)


def test_a_name_stands_for_an_engines_references_before_a_set() -> None:
    catalogue = Catalogue.load()
    assert [item.reference for item in catalogue.wanted("mine", ENGINES)] == ["hf://o/r/a", "hf://o/r/b@v1"]
    assert [item.reference for item in catalogue.wanted("f5", ENGINES)] == ["hf://me/finetune/model.safetensors"]
    assert catalogue.wanted("f5", {}) == list(catalogue.sets["f5"])
    assert catalogue.wanted("lite", ENGINES) == []
    assert [item.reference for item in catalogue.wanted("hf://a/b/c", ENGINES)] == ["hf://a/b/c"]


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(NotFound, match=r"f5, fish, lite, lite-voices, mine"):
        Catalogue.load().wanted("tuba", ENGINES)


def test_a_damaged_catalogue_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.yaml"
    for text in ("repositories: 3", "{", "repositories: {}\nsets: {}\nextra: 1"):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"checkpoints\.yaml"):
            Catalogue.load(path)
