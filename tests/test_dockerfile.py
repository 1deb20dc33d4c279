"""The Dockerfile and the files it uses agree with the repository."""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

from gateway import __version__
from gateway.audio import ffmpeg_decoder
from gateway.audio.formats import FORMATS

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_version_label_defaults_to_the_packages_version() -> None:
    assert re.findall(r"^ARG VERSION=(.*)$", DOCKERFILE, re.MULTILINE) == [__version__]


def test_build_context_is_what_the_build_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    included = [line[1:] for line in lines if line.startswith("!")]
    assert [name for name in included if not (ROOT / name).exists()] == []
    assert {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "gateway", "backends", "configs"} <= set(included)
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for line in copied for name in line.split()} - {"."} <= set(included)


def test_packages_left_out_of_images_are_required_by_f5_tts_alone() -> None:
    lines = (ROOT / "overrides-image.txt").read_text().splitlines()
    left_out = {line.removesuffix('; python_version < "0"') for line in lines if not line.startswith("#")}
    required = {Requirement(text).name.replace("_", "-") for text in requires("f5-tts") or ()}
    assert left_out <= required


def test_images_page_lists_every_build_argument() -> None:
    page = (ROOT / "docs/images.md").read_text()
    assert [name for name in re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE) if f"`{name}`" not in page] == []


def test_ffmpeg_of_images_without_gpl_code_has_what_the_gateway_uses() -> None:
    script = (ROOT / "scripts/ffmpeg_lgpl.sh").read_text()

    def enabled(kind: str) -> set[str]:
        return {name for names in re.findall(rf"--enable-{kind}=(\S+)", script) for name in names.split(",")}

    muxers = {"s16le": "pcm_s16le", "mulaw": "pcm_mulaw", "alaw": "pcm_alaw"}
    assert enabled("demuxer") == set(ffmpeg_decoder._CONTAINERS)
    assert enabled("decoder") == {name for name in ffmpeg_decoder._CODECS if not name.startswith("libopencore")}
    assert enabled("encoder") == {fmt.codec for fmt in FORMATS.values()}
    assert enabled("muxer") == {muxers.get(fmt.container, fmt.container) for fmt in FORMATS.values()}
    assert "--enable-gpl" not in script
