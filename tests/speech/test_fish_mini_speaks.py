"""Intelligibility of fish-mini, the default configuration's `fish`, on sentences outside its training data."""

from __future__ import annotations

import numpy as np
import ormsgpack
import pytest
from support.gateway_process import Gateway
from support.golden import as_spoken, spread
from support.minis import model_of, speak_all

from backends.fish.v0_2.config import RATE_HZ
from recipes.common.sentences import held_out
from recipes.common.transcriber import Transcriber, word_error_rate

pytestmark = [pytest.mark.speech, pytest.mark.timeout(600)]

ENGINE = "fish"
MSGPACK = {"content-type": "application/msgpack"}


TEXTS = held_out()[::2]  # recipes.fish_mini.score counts all of them


def test_held_out_sentences_are_understood(served: Gateway, transcriber: Transcriber) -> None:
    spoken = speak_all(served, ENGINE, [{"text": text} for text in TEXTS])
    heard = [transcriber.transcribe(samples, RATE_HZ) for samples in spoken]
    rate = word_error_rate(TEXTS, heard)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.20, heard


def test_numbers_prices_and_dates_are_understood(served: Gateway, transcriber: Transcriber) -> None:
    rows = spread("english", 40)
    spoken = speak_all(served, ENGINE, [{"text": row.written} for row in rows])
    heard = [as_spoken(transcriber.transcribe(samples, RATE_HZ)) for samples in spoken]
    rate = word_error_rate([as_spoken(row.spoken) for row in rows], heard)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.50, heard


def test_codec_alone_is_understood(served: Gateway, transcriber: Transcriber, teacher: list[bytes]) -> None:
    heard = []
    for at in range(0, len(teacher), 10):
        body = {"content": ormsgpack.packb({"audios": teacher[at : at + 10]}), "headers": MSGPACK}
        tokens = ormsgpack.unpackb(served.client.post("/v1/vqgan/encode", **body).content)["tokens"]
        sound = served.client.post("/v1/vqgan/decode", json={"tokens": tokens})
        assert sound.status_code == 200, sound.text
        audios = ormsgpack.unpackb(sound.content)["audios"]
        heard += [transcriber.transcribe(np.frombuffer(audio, "<f2").astype(np.float32), RATE_HZ) for audio in audios]
    rate = word_error_rate(TEXTS, heard)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.05, heard


def test_model_name_differs_from_the_official_one(served: Gateway) -> None:
    assert "fish-mini" in model_of(served, ENGINE)
