"""``voxgate chat``: answers of a fake of Amazon Bedrock, spoken by a gateway and by a SageMaker endpoint."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.aws import environment
from support.bedrock import MODEL, Bedrock, bedrock
from support.gateway_process import Gateway, read_audio
from support.sagemaker_runtime import runtime
from typer.testing import CliRunner, Result

from gateway.cli import app

RATE = 24000
DELTAS = ("The model writes. ", "The gateway speaks ", "at once, as it reads along. ", "Then both stop.")
ANSWER = "".join(DELTAS)
Chat = Callable[..., Result]


@pytest.fixture(scope="module")
def _bedrock() -> Iterator[Bedrock]:
    with bedrock() as running:
        yield running


@pytest.fixture
def model(_bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bedrock:
    for name, value in environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", _bedrock.url)
    monkeypatch.chdir(tmp_path)
    _bedrock.error, _bedrock.asked = None, []
    _bedrock.answers(*DELTAS)
    return _bedrock


@pytest.fixture
def chat(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Chat:
    monkeypatch.setenv("VOXGATE_SERVER", gateway.url)

    def run(*options: object, status: int = 0, **kwargs: Any) -> Result:
        arguments = ["chat", "--model", MODEL, *map(str, options)]
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments, catch_exceptions=False, **kwargs)
        assert result.exit_code == status, result.output
        return result

    return run


def test_answer_is_printed_and_spoken_without_its_reasoning(model: Bedrock, chat: Chat, gateway: Gateway) -> None:
    result = chat("Why?", "-o", "answer.wav", "--seed", 3, "--temperature", 0.5, "--max-tokens", 100)
    assert result.stdout == ANSWER + "\n"
    samples, rate = read_audio(Path("answer.wav").read_bytes())
    expected, _ = read_audio(gateway.client.post("/tts", json={"text": ANSWER}).content)
    assert rate == RATE
    assert len(samples) == pytest.approx(len(expected), abs=RATE)
    assert np.abs(samples).max() > 0.03
    (asked,) = model.asked
    assert asked["messages"] == [{"role": "user", "content": [{"text": "Why?"}]}]
    assert asked["inferenceConfig"] == {"temperature": 0.5, "maxTokens": 100}
    assert "without lists" in asked["system"][0]["text"]


def test_conversation_keeps_its_answers_and_one_file(model: Bedrock, chat: Chat) -> None:
    chat("-o", "both.flac", "--engine", "tone", "--system", "", input="First?\n\nSecond?\n")
    assert [message["content"][0]["text"] for message in model.asked[1]["messages"]] == ["First?", ANSWER, "Second?"]
    assert "system" not in model.asked[0]
    samples, rate = read_audio(Path("both.flac").read_bytes())
    assert len(samples) / rate == pytest.approx(2 * 0.05 * len(ANSWER), abs=0.5)


def test_endpoint_speaks_the_same_segments_as_a_live_session(model: Bedrock, chat: Chat, gateway: Gateway) -> None:
    chat("Why?", "-o", "live.wav", "--seed", 3)
    with runtime(gateway.url) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        patch.setenv("VOXGATE_SERVER", "")
        chat("Why?", "-o", "endpoint.wav", "--seed", 3, "--endpoint", "voxgate")
    assert Path("endpoint.wav").read_bytes() == Path("live.wav").read_bytes()


def test_standard_output_gets_audio_and_the_text_goes_to_standard_error(model: Bedrock, chat: Chat) -> None:
    result = chat("-", "-o", "-", "--format", "pcm", "--engine", "tone", input="Why?")
    assert len(result.stdout_bytes) == pytest.approx(2 * RATE * 0.05 * len(ANSWER), abs=RATE)
    assert ANSWER in result.stderr


def test_player_receives_raw_audio(model: Bedrock, chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no player is installed" in chat("Why?", status=2).stderr
    player = tmp_path / "aplay"
    player.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n/bin/cat > {tmp_path}/played\n')
    player.chmod(player.stat().st_mode | stat.S_IXUSR)
    chat("Why?", "--engine", "tone")
    assert (tmp_path / "arguments").read_text().split()[-3:] == ["-r", str(RATE), "-"]
    assert len((tmp_path / "played").read_bytes()) > RATE


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ((403, "AccessDeniedException", "No access."), "bedrock:InvokeModelWithResponseStream"),
        ((400, "ValidationException", "On-demand throughput isn't supported."), "list-inference-profiles"),
        ((404, "ResourceNotFoundException", "No such model."), "list-foundation-models"),
        ((429, "ThrottlingException", "Too many requests."), "wait a minute"),
        ((403, "ExpiredTokenException", "The token has expired."), "aws sso login"),
    ],
)
def test_refusals_of_bedrock_name_the_fix(
    model: Bedrock, chat: Chat, monkeypatch: pytest.MonkeyPatch, error: tuple[int, str, str], message: str
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    model.error = error
    result = chat("Why?", "-o", "answer.wav", status=1)
    assert error[2] in result.stderr
    assert message in result.stderr
    assert not Path("answer.wav").exists()


@pytest.mark.parametrize("endpoint", [False, True], ids=["gateway", "endpoint"])
def test_broken_off_answer_is_an_error(model: Bedrock, chat: Chat, gateway: Gateway, endpoint: bool) -> None:
    model.events.append({"modelStreamErrorException": {"message": "The model has failed."}})
    with runtime(gateway.url) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        options = ["--endpoint", "voxgate"] if endpoint else []
        assert "The model has failed." in chat("Why?", "-o", "answer.wav", *options, status=1).stderr


def test_answer_without_text_is_an_error(model: Bedrock, chat: Chat) -> None:
    model.answers()
    assert "no text, only reasoning" in chat("Why?", "-o", "answer.wav", status=1).stderr


@pytest.mark.parametrize("endpoint", [False, True], ids=["gateway", "endpoint"])
def test_unknown_voice_is_an_error_in_the_gateways_words(
    model: Bedrock, chat: Chat, gateway: Gateway, endpoint: bool
) -> None:
    with runtime(gateway.url) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        options = ["--endpoint", "voxgate"] if endpoint else []
        message = chat("Why?", "-o", "answer.wav", "--voice", "nobody", *options, status=1).stderr
    assert "voice: " in message
    assert "'nobody'" in message


def test_unreachable_gateway_is_an_error(model: Bedrock, chat: Chat) -> None:
    assert "does not answer" in chat("Why?", "-o", "x.wav", "--server", "http://127.0.0.1:9", status=1).stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "answer.doc"], "unknown extension"),
        (["-o", "a.wav", "--speed", 9], "speed"),
        (["-o", "a.wav", "--region", "mars"], "--region"),
        (["-o", "a.wav", "--temperature", 2], "--temperature"),
    ],
)
def test_invalid_options_are_refused_before_the_model_is_asked(
    model: Bedrock, chat: Chat, options: list[Any], message: str
) -> None:
    assert message in chat("Why?", *options, status=2).stderr
    assert model.asked == []
