"""Architecture files: f5-tts's own are read, and unsupported keys are rejected by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from backends.errors import LoadError
from backends.f5.config import PRESETS, Architecture, read_architecture
from backends.f5.vocabulary import package_file


def test_presets_match_the_packages_files() -> None:
    presets = {name: read_architecture(package_file(f"configs/{name}.yaml")) for name in PRESETS}
    base = Architecture(
        backbone="DiT", dim=1024, depth=22, heads=16, ff_mult=2, text_dim=512, conv_layers=4, text_mask_padding=True
    )
    assert presets["F5TTS_v1_Base"] == base
    assert not presets["F5TTS_Base"].text_mask_padding
    assert presets["F5TTS_Base"].pe_attn_head == 1
    assert presets["E2TTS_Base"].backbone == "UNetT"
    assert presets["E2TTS_Base"].text_width == 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arch": {"dim": 64, "wings": 2}}, r"model\.arch\.wings: unknown key"),
        ({"arch": {"depth": 2}}, "dim"),
        ({"arch": None}, "no model.arch block"),
        ({"backbone": "MMDiT"}, r"model\.arch\.backbone"),
        ({"backbone": "UNetT", "arch": {"dim": 64, "depth": 3}}, r"model\.arch\.depth"),
        ({"mel_spec": ["vocos"]}, r"model\.mel_spec: must be a mapping"),
        ({"mel_spec": {"mel_spec_type": "bigvgan"}}, r"model\.mel_spec\.mel_spec_type: 'bigvgan' is not supported"),
    ],
)
def test_unsupported_architecture_is_rejected_by_key(change: dict, message: str, tmp_path: Path) -> None:
    path = tmp_path / "arch.yaml"
    path.write_text(yaml.safe_dump({"model": {"backbone": "DiT", "arch": {"dim": 64}, **change}}))
    with pytest.raises(LoadError, match=message):
        read_architecture(path)
