"""`voxgate serve` with a small Fish-Speech model of random weights in the official layout."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import ormsgpack
import pytest
import requests
import soundfile
from support.classic_models import webui_invoke, webui_load
from support.fish.model import write_model
from support.gateway_process import Gateway, read_audio, start_gateway, wait_ready

CODE_SAMPLES = 1024
TEXT = "This is a sentence."
OPTIONS = {"max_new_tokens": 40}
MSGPACK = {"content-type": "application/msgpack"}
TRANSCRIPT = "Two seconds of a steady voice."


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording where Gradio stores it: in a folder of its own, named by a hash."""
    folder = tmp_path_factory.mktemp("gradio") / ("0a" * 20)
    folder.mkdir()
    (folder / "0_input.wav").write_bytes(recording())
    return folder / "0_input.wav"


@pytest.fixture(scope="module")
def served(upload: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    model = {**write_model(tmp_path_factory.mktemp("model")), "speakers": ["Ann"]}
    fish = {"backend": "fish", "load": "eager", "device": "cpu", "dtype": "float32", "threads": 1, "model": model}
    config = {
        "port": 0,
        "default_engine": "fish",
        "engines": {"fish": fish},
        "fish_api": {"roots": [str(upload.parents[1])]},
        "hub": {"offline": True},
    }
    running = start_gateway(tmp_path_factory.mktemp("served"), config)
    wait_ready(running, timeout_s=120)
    yield running
    assert running.stop() == 0, running.log.read_text()


def recording() -> bytes:
    syllables = 1.1 + np.sin(2 * np.pi * 4 * np.arange(2 * 16000) / 16000)  # steady noise would be refused
    audio = 0.1 * syllables * np.random.default_rng(1).standard_normal(2 * 16000)
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, 16000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def speak(served: Gateway, **fields: object) -> bytes:
    body = {"text": TEXT, "seed": 1, "options": OPTIONS, **fields}
    response = served.client.post("/tts?engine=fish", json=body)
    assert response.status_code == 200, response.text
    return response.content


def test_random_voice_speaker_and_reference_differ_and_are_repeatable(served: Gateway) -> None:
    reference = {"reference_audio": base64.b64encode(recording()).decode(), "reference_text": TRANSCRIPT}
    voices = [{}, {"voice": "Ann"}, reference]
    made = [speak(served, **voice) for voice in voices]
    assert len(set(made)) == 3
    assert made == [speak(served, **voice) for voice in voices]
    for data in made:
        samples, rate_hz = read_audio(data)
        assert rate_hz == 22050
        assert 0 < len(samples) <= 39 * CODE_SAMPLES
        assert len(samples) % CODE_SAMPLES == 0
        assert 0.001 < np.abs(samples).max() <= 1


def test_uploaded_voice_equals_a_reference_in_the_request(served: Gateway) -> None:
    upload = {"name": "mine", "transcript": TRANSCRIPT, "language": "en"}
    stored = served.client.post("/v1/voices", data=upload, files={"audio": ("mine.wav", recording())})
    assert stored.status_code == 201, stored.text
    in_request = {"reference_audio": base64.b64encode(recording()).decode(), "reference_text": TRANSCRIPT}
    assert speak(served, voice="mine") == speak(served, **in_request)


def test_concurrent_requests_get_the_audio_of_each_alone(served: Gateway) -> None:
    alone = {seed: speak(served, seed=seed) for seed in range(6)}
    with ThreadPoolExecutor(6) as pool:
        together = dict(zip(alone, pool.map(lambda seed: speak(served, seed=seed), alone), strict=True))
    for seed, data in alone.items():
        np.testing.assert_allclose(read_audio(together[seed])[0], read_audio(data)[0], atol=1.5 * 2**-15)


def test_audio_streams_while_codes_are_generated(served: Gateway) -> None:
    body = {"text": TEXT, "seed": 1, "stream": True, "format": "pcm", "options": {"max_new_tokens": 200}}
    with served.client.stream("POST", "/tts?engine=fish", json=body) as response:
        assert response.status_code == 200
        parts = [data for data in response.iter_raw() if data]
    complete, _ = read_audio(speak(served, options={"max_new_tokens": 200}))
    streamed = np.frombuffer(b"".join(parts), "<i2") / 32768
    np.testing.assert_allclose(streamed, complete, atol=1.5 * 2**-15)
    assert len(parts) > 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"text": "Привет"}, "text"),
        ({"text": TEXT, "options": {"top_p": 2}}, "options.top_p"),
        ({"text": TEXT, "options": {"order": "fr"}}, "options.order"),
        ({"text": TEXT, "options": {"prompt_tokens": "bm8="}}, "options.prompt_tokens"),
        ({"text": TEXT, "voice": "unknown"}, "voice"),
    ],
)
def test_invalid_parameter_is_named(served: Gateway, body: dict, param: str) -> None:
    response = served.client.post("/tts?engine=fish", json=body)
    assert response.status_code in (404, 422)
    assert response.json()["error"]["param"] == param


def test_every_option_is_documented(served: Gateway) -> None:
    schema = served.client.get("/v1/engines/fish").json()["options_schema"]
    page = (Path(__file__).parents[2] / "docs/engines/fish.md").read_text()
    config = (Path(__file__).parents[2] / "configs/engines/fish.yaml").read_text()
    assert [name for name in schema["properties"] if f"`{name}`" not in page] == []
    for name in schema["properties"]:
        assert name in ("prompt_text", "prompt_tokens", "trace") or f"      {name}:" in config


def test_classic_api_returns_the_same_speech(served: Gateway) -> None:
    body = {"text": TEXT, "seed": 1, "max_new_tokens": 40, "use_g2p": True}
    answer = served.client.post("/v1/models/default/invoke", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == speak(served)


def test_codec_over_http_gives_the_codes_of_the_engine(served: Gateway, tmp_path: Path) -> None:
    packed = {"content": ormsgpack.packb({"audios": [recording(), recording()]}), "headers": MSGPACK}
    answer = served.client.post("/v1/vqgan/encode", **packed)
    assert answer.status_code == 200, answer.text
    tokens = ormsgpack.unpackb(answer.content)["tokens"]
    assert np.shape(tokens) == (2, 4, 43)
    assert tokens[0] == tokens[1]
    file = io.BytesIO()
    np.save(file, np.array(tokens[0]))
    by_codes = {"prompt_tokens": base64.b64encode(file.getvalue()).decode(), "prompt_text": TRANSCRIPT}
    by_clip = {"reference_audio": base64.b64encode(recording()).decode(), "reference_text": TRANSCRIPT}
    assert speak(served, options={**OPTIONS, **by_codes}) == speak(served, **by_clip)

    sound = served.client.post("/v1/vqgan/decode", json={"tokens": tokens})
    audios = [np.frombuffer(audio, "<f2") for audio in ormsgpack.unpackb(sound.content)["audios"]]
    assert [audio.shape for audio in audios] == [(43 * CODE_SAMPLES,)] * 2
    assert sound.headers["x-voxgate-sample-rate"] == "22050"
    assert 0.001 < np.abs(audios[0]).max() <= 1
    np.testing.assert_array_equal(*audios)

    codec = {"codebooks": 4, "codebook_size": 160, "samples_per_frame": CODE_SAMPLES, "generates": True}
    assert served.client.get("/v1/engines/fish").json()["codec"] == codec
    wrong = served.client.post("/v1/vqgan/decode", json={"tokens": [[[160]] * 4]})
    assert (wrong.status_code, wrong.json()["message"].split(":")[0]) == (422, "tokens.0")


def test_speech_continues_during_a_long_codec_job(served: Gateway) -> None:
    alone = speak(served)
    noise = io.BytesIO()
    soundfile.write(noise, 0.1 * np.random.default_rng(2).standard_normal(110 * 16000), 16000, format="WAV")
    body = ormsgpack.packb({"audios": [noise.getvalue()]})
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(served.client.post, "/v1/vqgan/encode", content=body, headers=MSGPACK)
        spoken = [speak(served) for _ in range(2)]
        tokens = ormsgpack.unpackb(long.result().content)["tokens"]
    assert np.shape(tokens) == (1, 4, -(-(110 * 22050 // 256) // 4))
    for data in spoken:
        np.testing.assert_allclose(read_audio(data)[0], read_audio(alone)[0], atol=1.5 * 2**-15)


def test_fish_audio_api_returns_the_speech_of_the_native_one(served: Gateway) -> None:
    body = {"text": TEXT, "seed": 1, "max_new_tokens": 40, "references": [{"audio": recording(), "text": TRANSCRIPT}]}
    answer = served.client.post("/v1/tts", content=ormsgpack.packb(body), headers={**MSGPACK, "model": "s2-pro"})
    assert answer.status_code == 200, answer.text
    assert "x-voxgate-ignored" not in answer.headers
    reference = {"reference_audio": base64.b64encode(recording()).decode(), "reference_text": TRANSCRIPT}
    assert answer.content == speak(served, **reference)


def test_classic_page_loads_a_model_and_speaks_in_every_mode(served: Gateway, upload: Path) -> None:
    """Requests of the two buttons of Fish-Speech 0.2's Gradio page (``fish_speech/webui/app.py``), by its client."""
    url = f"{served.url}/v1/models/default"
    loaded = requests.put(url, json=webui_load(device="cpu"))  # all other fields have the page's defaults
    assert loaded.status_code == 200, loaded.text
    assert loaded.headers["x-voxgate-ignored"] == "llama.compile, llama.precision"
    reference_text = "在一无所知中，梦里的一天结束了，一个新的「轮回」便会开始。"  # in the page's field
    for fields in (
        {"text": "Two lines\nin the text box.\n"},
        {"text": "The fourth of them.", "use_g2p": True, "order": "en,zh,jp"},
        {"prompt_tokens": str(upload), "prompt_text": reference_text},
        {"prompt_tokens": str(upload), "prompt_text": ""},
        {"top_k": 100, "top_p": 1, "repetition_penalty": 2, "temperature": 2},
        {"speaker": "Rcell"},
    ):
        answer = requests.post(f"{url}/invoke", json=webui_invoke(max_new_tokens=24, **fields))
        assert answer.status_code == 200, answer.text
        assert "x-voxgate-ignored" not in answer.headers
        samples, rate_hz = read_audio(answer.content)
        assert rate_hz == 22050
        assert samples.any()
    for fields, status in (({"text": ""}, 422), ({"prompt_tokens": "/tmp/other.wav"}, 403)):
        assert requests.post(f"{url}/invoke", json=webui_invoke(**fields)).status_code == status
    assert served.client.put("/v1/models/default").status_code == 200  # back to the configured engine
