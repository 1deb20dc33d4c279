"""Files named by requests of the classic Fish-Speech API: access control and use."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.app import InMemory
from support.classic_models import CODEC, LM, FakeEngineFactory, error_of, fish_gateway, webui_invoke, webui_load

from backends.base import AudioChunk, Job
from backends.errors import InvalidJob

CODES = np.arange(4 * 30).reshape(4, 30) % 160
UNKNOWN = "Unknown prompt tokens, it should be either .npy or .wav file, or a stored voice's id or name."


@pytest.fixture
def root(tmp_path: Path, clip: bytes) -> Path:
    """An allowed folder, with a forbidden one beside it."""
    root, secret = tmp_path / "root", tmp_path / "secret"
    for folder in (root / "checkpoints", root / "tokenizer", secret):
        folder.mkdir(parents=True)
        np.save(folder / "voice.npy", CODES)
        (folder / "voice.wav").write_bytes(clip)
        (folder / "model.pth").write_bytes(b"weights")
    (root / "out").symlink_to(secret)
    (root / "in.npy").symlink_to(root / "checkpoints/voice.npy")
    (root / "loop.npy").symlink_to(root / "loop.npy")
    (root / "link.npy").symlink_to(secret / "voice.npy")
    (root / "nowhere.npy").symlink_to(secret / "missing.npy")
    return root


@pytest.fixture
def factory() -> FakeEngineFactory:
    return FakeEngineFactory()


@pytest.fixture
def gateway(tmp_path: Path, root: Path, factory: FakeEngineFactory) -> InMemory:
    other = tmp_path / "other"
    other.mkdir()
    return fish_gateway(tmp_path / "data", factory=factory, fish_api={"roots": [other, root]})


def invoke(gateway: InMemory, tokens: str, **body: Any) -> Any:
    return gateway.client.post("/v1/models/default/invoke", json={"text": "x", "prompt_tokens": tokens, **body})


@pytest.mark.parametrize(
    "name", ["checkpoints/voice.npy", "in.npy", "checkpoints/../checkpoints/voice.npy", "{root}/in.npy"]
)
async def test_codes_file_in_a_root_reaches_the_engine(gateway: InMemory, root: Path, name: str) -> None:
    response = await invoke(gateway, name.format(root=root), prompt_text=" what is said ")
    assert response.status_code == 200, response.text
    (job,) = gateway.engine.jobs
    assert job.options["prompt_text"] == "what is said"
    assert base64.b64decode(job.options["prompt_tokens"]) == (root / "checkpoints/voice.npy").read_bytes()


async def test_codes_need_no_transcript(gateway: InMemory) -> None:
    assert (await invoke(gateway, "in.npy", prompt_text="")).status_code == 200
    assert set(gateway.engine.jobs[0].options) == {"prompt_tokens"}


async def test_wav_prompt_becomes_the_reference(gateway: InMemory, root: Path) -> None:
    body = webui_invoke(prompt_tokens=str(root / "checkpoints/voice.wav"), prompt_text="参考文本")
    response = await gateway.client.post("/v1/models/default/invoke", json=body)
    assert response.status_code == 200, response.text
    (job,) = gateway.engine.jobs
    assert job.reference is not None
    assert (job.reference.text, job.reference.sample_rate_hz, len(job.reference.audio)) == ("参考文本", 16000, 32000)
    assert "prompt_text" not in job.options
    assert (await invoke(gateway, "checkpoints/voice.wav")).status_code == 200
    assert gateway.engine.jobs[1].reference.text == ""  # type: ignore[union-attr]


@pytest.mark.parametrize("text", [None, "other words"])
async def test_stored_voice_can_be_the_prompt(gateway: InMemory, clip: bytes, text: str | None) -> None:
    upload = {"name": "小明", "transcript": "what is said"}
    voice = (await gateway.client.post("/v1/voices", data=upload, files={"audio": ("a.wav", clip)})).json()
    for name in (voice["id"], "小明"):
        assert (await invoke(gateway, name, prompt_text=text)).status_code == 200
        reference = gateway.engine.jobs[-1].reference
        assert reference is not None
        assert (reference.text, len(reference.audio)) == (text or "what is said", 32000)


@pytest.mark.parametrize(
    "name",
    [
        "../secret/voice.npy",
        "out/voice.npy",
        "out/voice.wav",
        "out/missing.npy",
        "link.npy",
        "nowhere.npy",
        "{root}/../secret/voice.npy",
        "{root}-beside.npy",
        "/etc/passwd.npy",
        "/proc/self/environ/../../../etc/shadow.wav",
    ],
)
async def test_path_outside_the_roots_is_403_whether_it_exists_or_not(gateway: InMemory, root: Path, name: str) -> None:
    message = error_of(await invoke(gateway, name.format(root=root)), 403)
    assert message == "prompt_tokens: outside the folders of the setting fish_api.roots"
    assert not gateway.engine.jobs


async def test_without_roots_every_path_is_403(tmp_path: Path, root: Path) -> None:
    gateway = fish_gateway(tmp_path / "data")
    for name in (str(root / "in.npy"), "in.npy", "a.wav"):
        assert "fish_api.roots is empty" in error_of(await invoke(gateway, name), 403)
    assert "fish_api.roots is empty" in error_of(
        await gateway.client.put("/v1/models/a", json={"llama": {"checkpoint_path": "x"}}), 403
    )


@pytest.mark.parametrize(
    ("name", "status", "part"),
    [
        ("missing.npy", 400, "file not found"),
        ("checkpoints/missing.wav", 400, "file not found"),
        ("nobody", 400, UNKNOWN),
        ("", 400, UNKNOWN),
        ("voice.mp3", 400, UNKNOWN),
        ("loop.npy", 422, "invalid path"),
        ("nul\0.npy", 422, "invalid path"),
        ("x" * 300 + ".npy", 422, "invalid path"),
        ("x" * 5000 + ".npy", 422, "the limit is 4096"),
        ("folder.npy", 422, "must be a regular file"),
        ("pipe.wav", 422, "must be a regular file"),
        ("short.wav", 422, "must be from 1 to 30 s"),
        ("large.npy", 422, ": the limit is "),
    ],
)
async def test_unusable_prompt_is_refused(
    tmp_path: Path, root: Path, clip: bytes, name: str, status: int, part: str
) -> None:
    (root / "folder.npy").mkdir()
    os.mkfifo(root / "pipe.wav")
    (root / "short.wav").write_bytes(clip[: 44 + 16000])
    (root / "large.npy").write_bytes(bytes(100_001))
    gateway = fish_gateway(tmp_path / "data", fish_api={"roots": [root]}, limits={"body_bytes": 100_000})
    message = error_of(await invoke(gateway, name), status)
    assert part in message
    assert message == UNKNOWN or message.startswith("prompt_tokens: ")


async def test_codes_that_the_engine_refuses_are_an_error_of_the_field(gateway: InMemory) -> None:
    async def refusing(job: Job) -> AsyncGenerator[AudioChunk, None]:
        raise InvalidJob("must contain integers", param="options.prompt_tokens")
        yield

    gateway.engine.script = refusing
    assert error_of(await invoke(gateway, "in.npy"), 422) == "prompt_tokens: must contain integers"


async def test_file_without_audio_is_415(gateway: InMemory, root: Path) -> None:
    (root / "odd.wav").write_bytes(b"RIFF no audio" * 100)
    assert error_of(await invoke(gateway, "odd.wav"), 415).startswith("prompt_tokens: ")


async def put(gateway: InMemory, **body: Any) -> Any:
    return await gateway.client.put("/v1/models/mine", json=body)


async def test_checkpoints_in_a_root_are_loaded(gateway: InMemory, root: Path, factory: FakeEngineFactory) -> None:
    llama = {"checkpoint_path": "checkpoints/model.pth", "tokenizer": str(root / "tokenizer")}
    response = await put(gateway, llama=llama, vqgan={"checkpoint_path": str(root / "checkpoints/model.pth")})
    assert response.status_code == 200, response.text
    assert factory.settings[0].model == {
        "lm_checkpoint": str(root / "checkpoints/model.pth"),
        "tokenizer": str(root / "tokenizer"),
        "codec_checkpoint": str(root / "checkpoints/model.pth"),
    }


async def test_placeholder_names_mean_the_configured_files_unless_they_exist(
    gateway: InMemory, root: Path, factory: FakeEngineFactory
) -> None:
    assert (await put(gateway, **webui_load())).status_code == 200
    later = {"checkpoint_path": LM.replace("v0.2", "v0.3")}  # the page's default from February 2024 on
    assert (await put(gateway, llama=later, device="cpu")).status_code == 200
    assert [settings.model for settings in factory.settings] == [{}, {}]
    (root / LM).write_bytes(b"weights")
    (root / CODEC).write_bytes(b"weights")
    (root / "fishaudio/speech-lm-v1").mkdir(parents=True)
    assert (await put(gateway, **webui_load())).status_code == 200
    assert factory.settings[2].model == {
        "lm_checkpoint": str(root / LM),
        "codec_checkpoint": str(root / CODEC),
        "tokenizer": str(root / "fishaudio/speech-lm-v1"),
    }


async def test_only_the_configured_hub_reference_is_allowed(tmp_path: Path, root: Path) -> None:
    factory = FakeEngineFactory()
    model = {"lm_checkpoint": "hf://a/b/lm.pth", "tokenizer": "hf://a/b", "codec_checkpoint": "/elsewhere/codec.pth"}
    gateway = fish_gateway(tmp_path / "data", factory=factory, model=model, fish_api={"roots": [root]})
    for tokenizer in ("hf://a/b", "a/b"):
        llama = {"checkpoint_path": "hf://a/b/lm.pth", "tokenizer": tokenizer, "compile": False}
        response = await put(gateway, llama=llama, vqgan={"checkpoint_path": "/elsewhere/codec.pth"})
        assert response.status_code == 200, response.text
        assert factory.settings[-1].model == {**model, "compile": False}
    for body, field in (
        ({"llama": {"checkpoint_path": "hf://a/b/other.pth"}}, "llama.checkpoint_path"),
        ({"llama": {"tokenizer": "hf://evil/b"}}, "llama.tokenizer"),
        ({"vqgan": {"checkpoint_path": "hf://a/b/lm.pth"}}, "vqgan.checkpoint_path"),
        ({"vqgan": {"checkpoint_path": "/elsewhere/other.pth"}}, "vqgan.checkpoint_path"),
        ({"llama": {"checkpoint_path": "out/model.pth"}}, "llama.checkpoint_path"),
    ):
        assert error_of(await put(gateway, **body), 403).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"llama": {"checkpoint_path": "missing.pth"}}, "llama.checkpoint_path: not found"),
        ({"llama": {"checkpoint_path": "checkpoints"}}, "llama.checkpoint_path: must be a file"),
        ({"llama": {"tokenizer": "checkpoints/model.pth"}}, "llama.tokenizer: must be a folder"),
        ({"llama": {"tokenizer": "someone/else"}}, "llama.tokenizer: not found"),
        ({"vqgan": {"checkpoint_path": "a\0b"}}, "vqgan.checkpoint_path: invalid path"),
    ],
)
async def test_invalid_checkpoint_path_is_refused(gateway: InMemory, body: Any, part: str) -> None:
    assert part in error_of(await put(gateway, **body), 422)


@pytest.mark.parametrize("roots", [[], ["/srv/voices"]], ids=["no roots", "another root"])
async def test_refused_upload_of_the_gradio_page_names_the_folder_to_add(tmp_path: Path, roots: list[str]) -> None:
    gateway = fish_gateway(tmp_path, fish_api={"roots": roots})
    message = error_of(await invoke(gateway, f"/tmp/gradio/{'0a' * 20}/clip.wav"), 403)
    assert message.endswith("; add /tmp/gradio, the folder of the page's uploads")
    for path in (f"/tmp/../etc/{'0a' * 20}/x.wav", "/etc/x.wav"):
        assert "add" not in error_of(await invoke(gateway, path), 403)
