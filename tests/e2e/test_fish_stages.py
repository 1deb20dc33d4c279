"""Parity of the three commands with the official v0.2.0 code, on a checkpoint of the published sizes.

The weights are synthetic (``support.fish.weights``); the golden files are the official modules' outputs with them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
import tokenizers
from support.fish import GOLDEN
from support.fish.codec import write_codec
from support.fish.lm import golden, write_language_model
from support.fish.model import write_model
from support.gateway_process import Gateway, start_gateway
from typer.testing import CliRunner

from backends.fish.__main__ import app
from backends.fish.v0_2.config import CODE_OFFSET, LMConfig

VOXGATE = str(Path(sys.executable).parent / "voxgate")
PAD = 4
WORDS = [f"word{letter}" for letter in "abcdefghijklmnopqrstu"]  # no digits, which the gateway would write as words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Codec, language model, and a tokenizer that maps 21 words to the IDs of the golden prompt."""
    folder = tmp_path_factory.mktemp("full")
    write_codec(folder)
    lm = write_language_model(folder, LMConfig())
    write_words(folder / "tokenizer")
    yield folder
    lm.unlink()  # 1.5 GB


def write_words(folder: Path) -> None:
    ids = golden("lm_400m")["prompt"][0].tolist()
    vocabulary = dict(zip(["<s>", "[INST]", *WORDS, "[/INST]"], ids[: ids.index(PAD)], strict=True))
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({**vocabulary, "<pad>": PAD, "</s>": 2, "<unk>": 0}))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    folder.mkdir()
    words.save(str(folder / "tokenizer.json"))


def voxgate(cwd: Path, *arguments: str, status: int = 0) -> str:
    result = subprocess.run([VOXGATE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=170)
    assert result.returncode == status, result.stderr
    return result.stderr


def lm_flags(folder: Path) -> list[str]:
    return [
        f"--lm-checkpoint={folder / 'text2semantic-bare.pth'}",
        f"--tokenizer={folder / 'tokenizer'}",
        "--device=cpu",
    ]


def prompt_codes() -> np.ndarray:
    """The codes at the end of the golden prompt."""
    prompt = golden("lm_400m")["prompt"]
    return prompt[1:, prompt[0].tolist().index(PAD) :] - CODE_OFFSET


def test_encode_gives_the_official_codes_and_audio(folder: Path, tmp_path: Path) -> None:
    codec = np.load(GOLDEN / "codec.npz")
    soundfile.write(tmp_path / "prompt.wav", codec["audio"], 22050, subtype="FLOAT")
    flag = f"--codec-checkpoint={folder / 'vqgan-v1.pth'}"
    log = voxgate(tmp_path, "fish", "encode", "prompt.wav", "-o", "fake.npy", "--reconstruct", "fake.wav", flag)
    assert "43 frames" in log
    codes = np.load(tmp_path / "fake.npy")
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(codes, codec["codes"])
    audio, rate_hz = soundfile.read(tmp_path / "fake.wav")
    assert rate_hz == 22050
    np.testing.assert_allclose(audio, codec["audio_out"], atol=1e-4 + 2**-15)


def test_decode_gives_the_official_audio(folder: Path, tmp_path: Path) -> None:
    expected = np.load(GOLDEN / "codec_decode.npz")
    np.save(tmp_path / "codes_0.npy", expected["codes"].astype(np.int32))
    voxgate(tmp_path, "fish", "decode", "codes_0.npy", "-o", "out.wav", f"--codec-checkpoint={folder / 'vqgan-v1.pth'}")
    audio, rate_hz = soundfile.read(tmp_path / "out.wav")
    assert (rate_hz, soundfile.info(tmp_path / "out.wav").subtype) == (22050, "PCM_16")
    np.testing.assert_allclose(audio, expected["audio_out"], atol=1e-4 + 2**-15)


def test_generate_gives_the_official_codes(folder: Path, tmp_path: Path) -> None:
    known = golden("lm_400m")
    np.save(tmp_path / "fake.npy", prompt_codes().astype(np.int64))
    frames = known["greedy"].shape[1]
    sizes = tmp_path / "sizes.json"
    sizes.write_text(json.dumps({"n_layer": 24, "dim": 1024, "n_head": 16, "vocab_size": 36408}))
    log = voxgate(
        tmp_path, "fish", "generate", f"--text={' '.join(WORDS[10:])}", f"--prompt-text={' '.join(WORDS[:10])}",
        "--prompt-tokens=fake.npy", "--num-samples=2", "--no-g2p", "--temperature=0", "--top-p=1", "--dtype=float32",
        f"--max-new-tokens={frames}", f"--lm-config={sizes}", *lm_flags(folder),
    )  # fmt: skip
    assert "tokens/s" in log
    assert "GB/s" in log
    for index in range(2):  # greedy: independent of the seed
        codes = np.load(tmp_path / f"codes_{index}.npy")
        assert codes.dtype == np.int64  # the prompt's
        np.testing.assert_array_equal(codes, known["greedy"][1:, : frames - 1] - CODE_OFFSET)


def test_generated_codes_fit_into_the_type_of_the_prompts_file(tmp_path: Path) -> None:
    model = write_model(tmp_path / "small")
    sizes = tmp_path / "sizes.json"
    sizes.write_text(json.dumps(model["lm_config"]))
    kinds = {}
    for kind in (np.int8, np.uint8):
        np.save(tmp_path / "fake.npy", np.zeros((4, 5), kind))
        voxgate(
            tmp_path, "fish", "generate", "--text=A few words.", "--device=cpu", "--max-new-tokens=4", "--no-g2p",
            f"--lm-checkpoint={model['lm_checkpoint']}", f"--lm-config={sizes}", f"--tokenizer={model['tokenizer']}",
            "--prompt-tokens=fake.npy", "--prompt-text=What is said.", "--dtype=float32",
        )  # fmt: skip
        made = np.load(tmp_path / "codes_0.npy")
        kinds[kind] = made.dtype
        assert made.min() >= 0
    assert kinds == {np.int8: np.int32, np.uint8: np.uint8}


def test_samples_differ_by_seed_and_are_repeatable(tmp_path: Path) -> None:
    model = write_model(tmp_path / "small")
    sizes = tmp_path / "sizes.json"
    sizes.write_text(json.dumps(model["lm_config"]))
    made = []
    for seed in ("5", "5", "6"):
        voxgate(
            tmp_path, "fish", "generate", "--text=A few words.", "--num-samples=2", f"--seed={seed}", "--device=cpu",
            "--max-new-tokens=4", "--quantize=int8", f"--lm-checkpoint={model['lm_checkpoint']}",
            f"--lm-config={sizes}", f"--tokenizer={model['tokenizer']}",
        )  # fmt: skip
        made.append([np.load(tmp_path / f"codes_{index}.npy") for index in range(2)])
    assert made[0][0].dtype == np.int32
    assert made[0][0].shape == (4, 3)
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0][0], made[0][1])
    assert not np.array_equal(made[0][0], made[2][0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "missing.wav"], "missing.wav"),
        (["decode", "missing.npy", "--codec-checkpoint=missing.pth"], "missing.npy"),
        (["decode", "int8.npy", "--codec-checkpoint=missing.pth"], "missing.pth"),
        (["decode", "int8.npy", "-o", "nowhere/out.wav"], "no folder nowhere"),
        (["encode", "missing.wav", "--reconstruct", "nowhere/out.wav"], "no folder nowhere"),
        (["generate", "--text=x", "--output-folder=nowhere"], "no folder nowhere"),
        (["generate", "--text=x", "--max-new-tokens=1"], "max_new_tokens"),
        (["generate", "--text=x", "--prompt-text=y"], "--prompt-text"),
        (["generate", "--text=x", "--seed=9223372036854775808"], "--seed"),
        (["generate", "--text=x", "--temperature=3"], "temperature"),
        (["generate", "--text=x", "--quantize=int2"], "quantize"),
        (["generate", "--text=x", "--prompt-tokens=missing.npy"], "missing.npy"),
    ],
)
def test_invalid_argument_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("int8.npy", np.zeros((4, 3), np.int8))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert message in result.stderr


def test_command_names_an_invalid_argument_without_a_traceback(tmp_path: Path) -> None:
    arguments = ["generate", "--text=x", "--temperature=3"]
    result = subprocess.run([VOXGATE, "fish", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode in (1, 2)
    assert "temperature" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture(scope="module")
def served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    roots = tmp_path_factory.mktemp("roots")
    np.save(roots / "fake.npy", prompt_codes())
    model = {
        "codec_checkpoint": str(folder / "vqgan-v1.pth"),
        "lm_checkpoint": str(folder / "text2semantic-bare.pth"),
        "tokenizer": str(folder / "tokenizer"),
    }
    fish = {"backend": "fish", "device": "cpu", "dtype": "float32", "model": model, "load_timeout_s": 150}
    config = {
        "port": 0,
        "default_engine": "fish",
        "engines": {"fish": fish},
        "hub": {"offline": True},
        "fish_api": {"roots": [str(roots)]},
    }
    running = start_gateway(tmp_path_factory.mktemp("served"), config)
    yield running
    assert running.stop() == 0, running.log.read_text()


def test_classic_api_speaks_the_official_codes(served: Gateway, folder: Path, tmp_path: Path) -> None:
    with httpx.Client(base_url=served.url, timeout=170) as client:
        assert client.put("/v1/models/default").json() == {"name": "default"}
        frames = 5  # later golden frames contain code IDs unknown to the codec, which the engine never draws
        body = {
            "text": " ".join(WORDS[10:]),
            "prompt_text": " ".join(WORDS[:10]),
            "prompt_tokens": "fake.npy",
            "use_g2p": False,
            "temperature": 0,
            "top_p": 1,
            "max_new_tokens": frames,
        }
        answer = client.post("/v1/models/default/invoke", json=body)
    assert answer.status_code == 200, answer.text
    (tmp_path / "audio.wav").write_bytes(answer.content)
    audio, rate_hz = soundfile.read(tmp_path / "audio.wav")
    codes = golden("lm_400m")["greedy"][1:, : frames - 1] - CODE_OFFSET
    np.save(tmp_path / "codes.npy", codes)
    voxgate(tmp_path, "fish", "decode", "codes.npy", "-o", "out.wav", f"--codec-checkpoint={folder / 'vqgan-v1.pth'}")
    expected, _ = soundfile.read(tmp_path / "out.wav")
    assert rate_hz == 22050
    np.testing.assert_allclose(audio, expected, atol=1.5 * 2**-15)
