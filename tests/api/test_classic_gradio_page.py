"""The Gradio page of Fish-Speech 0.2 (``fish_speech/webui/app.py``) with the classic routes.

The tests send what its two buttons send, with its HTTP client.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from support.classic_models import webui_invoke, webui_load
from support.fish.model import write_model
from support.gateway_process import Gateway, read_audio, start_gateway

UPLOAD = "0a" * 20  # Gradio's folder of an upload
REFERENCE_TEXT = "在一无所知中，梦里的一天结束了，一个新的「轮回」便会开始。"  # in the page's field


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory, clip: bytes) -> Path:
    folder = tmp_path_factory.mktemp("gradio")
    (folder / UPLOAD).mkdir()
    (folder / UPLOAD / "0_input.wav").write_bytes(clip)
    return folder


@pytest.fixture(scope="module")
def server(uploads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway on a machine without a GPU, with a small model of random weights."""
    fish = {
        "backend": "fish",
        "dtype": "float32",
        "threads": 1,
        "model": write_model(tmp_path_factory.mktemp("model")),
        "env": {"CUDA_VISIBLE_DEVICES": ""},
    }
    config = {
        "port": 0,
        "default_engine": "fish",
        "engines": {"fish": fish},
        "fish_api": {"roots": [str(uploads)]},
        "hub": {"offline": True},
    }
    running = start_gateway(tmp_path_factory.mktemp("server"), config)
    yield running
    assert running.stop() == 0, running.log.read_text()


def load(server: Gateway, **fields: Any) -> requests.Response:
    """The page's load button."""
    answer = requests.put(f"{server.url}/v1/models/default", json=webui_load(**fields))
    answer.raise_for_status()
    return answer


def synthesize(server: Gateway, **fields: Any) -> tuple[np.ndarray, int]:
    """The page's synthesize button: samples, shape (N,), and their rate."""
    body = webui_invoke(max_new_tokens=24, **fields)
    answer = requests.post(f"{server.url}/v1/models/default/invoke", json=body)
    answer.raise_for_status()
    assert "x-voxgate-ignored" not in answer.headers
    return read_audio(answer.content)


def test_page_loads_a_model_on_a_cpu_and_speaks_in_every_mode(server: Gateway, uploads: Path) -> None:
    loaded = load(server, device="cpu")  # all other fields have the page's defaults
    assert loaded.headers["x-voxgate-ignored"] == "llama.compile, llama.precision"
    clip = str(uploads / UPLOAD / "0_input.wav")
    for fields in (
        {"text": "Two lines\nin the text box.\n"},
        {"text": "The fourth of them.", "use_g2p": True, "order": "en,zh,jp"},
        {"prompt_tokens": clip, "prompt_text": REFERENCE_TEXT},
        {"prompt_tokens": clip, "prompt_text": ""},
        {"top_k": 100, "top_p": 1, "repetition_penalty": 2, "temperature": 2},
        {"speaker": "Rcell"},
    ):
        samples, rate_hz = synthesize(server, **fields)
        assert rate_hz == 22050
        assert samples.any()


def test_errors_reach_the_page_as_statuses(server: Gateway) -> None:
    for fields, status in (({"text": ""}, 422), ({"prompt_tokens": "/tmp/other.wav"}, 403)):
        with pytest.raises(requests.HTTPError, match=str(status)):
            synthesize(server, **fields)
