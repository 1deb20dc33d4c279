"""The ``voxgate`` commands, run as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.gateway_process import TONE, TONE_AND_LITE, Gateway, read_audio, start_gateway


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**TONE_AND_LITE, "data_dir": str(tmp_path / "data")}))
    return path


def voxgate(
    *arguments: str | Path, status: int = 0, stdin: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    # An empty VOXGATE_SERVER means no server, so that a gateway on this machine is not used by accident.
    environment = {**os.environ, "COLUMNS": "200", **env}
    if not {"--server", "--version", "--help"} & set(map(str, arguments)):
        environment.setdefault("VOXGATE_SERVER", "")
    command = [sys.executable, "-m", "gateway", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, input=stdin)
    assert result.returncode == status, result.stdout + result.stderr
    return result


def test_say_without_a_server_starts_a_worker(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "hello.wav"
    result = voxgate("say", "Hello there.", "-o", file, "--seed", "7", "--config", config)
    samples, rate = read_audio(file.read_bytes())
    assert rate == 24000
    assert 0.4 < len(samples) / rate < 2
    assert "engine lite (hibari-tts" in result.stderr
    assert "seed 7" in result.stderr
    again = tmp_path / "again.wav"
    voxgate("say", "-", "-o", again, "--seed", "7", "--config", config, stdin="Hello there.")
    assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("extension", "magic"),
    [
        *[("mp3", b"\xff\xf3"), ("flac", b"fLaC"), ("opus", b"OggS"), ("aac", b"\xff\xf1")],
        *[("m4a", b"\0\0\0\x1cftypM4A "), ("OGG", b"OggS"), ("webm", b"\x1aE\xdf\xa3")],
    ],
)
def test_say_takes_the_format_from_the_file_name(config: Path, tmp_path: Path, extension: str, magic: bytes) -> None:
    file = tmp_path / f"hello.{extension}"
    voxgate("say", "hi", "-o", file, "--engine", "tone", "--config", config)
    assert file.read_bytes().startswith(magic)


@pytest.mark.parametrize("name", ["x.wma", "x.txt", "x.wav.gz"])
def test_say_refuses_an_unknown_extension(config: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    refused = voxgate("say", "hi", "-o", file, "-e", "tone", "--config", config, status=1)
    assert f"--output: unknown extension {file.suffix}: must be one of .wav, .mp3, .flac, .opus" in refused.stderr
    assert not file.exists()
    voxgate("say", "hi", "-o", file, "-f", "FLAC", "-e", "tone", "--config", config)
    assert file.read_bytes().startswith(b"fLaC")


def test_say_writes_to_standard_output(config: Path, tmp_path: Path) -> None:
    flags = ("-e", "tone", "--seed", "1", "--config", str(config), "--show-text")
    command = [sys.executable, "-m", "gateway", "say", "hi", "-o", "-", *flags]
    result = subprocess.run(command, capture_output=True, cwd=tmp_path, env={**os.environ, "VOXGATE_SERVER": ""})
    assert result.returncode == 0, result.stderr
    assert len(read_audio(result.stdout)[0])
    assert result.stderr.endswith(b"hi\n"), "the spoken text is not mixed with the audio"
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("name", ["folder.wav", "/proc/version", "/dev/full"])
def test_say_reports_an_unwritable_output_in_one_line(config: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.wav").mkdir()
    refused = voxgate("say", "hi", "-o", tmp_path / name, "-e", "tone", "-f", "wav", "--config", config, status=1)
    (line,) = refused.stderr.strip().splitlines()
    assert line.startswith(f"error: cannot write {tmp_path / name}: ")


def test_say_speaks_a_bedrock_response(config: Path, tmp_path: Path) -> None:
    plain, answered = tmp_path / "plain.wav", tmp_path / "answered.wav"
    flags = ("-e", "tone", "--seed", "1", "--config", config)
    voxgate("say", "Two words.", "-o", plain, *flags)
    answer = {"output": {"message": {"content": [{"text": "**Two** words."}]}}}
    voxgate("say", "-", "--response", "-o", answered, *flags, stdin=json.dumps(answer))
    assert answered.read_bytes() == plain.read_bytes()
    voxgate("say", "**Two** words.", "--markdown", "-o", answered, *flags)
    assert answered.read_bytes() == plain.read_bytes()
    result = voxgate("say", "{}", "--response", "-o", answered, *flags, status=1)
    assert result.stderr.startswith("error: text: ")


def test_say_uses_a_running_gateway(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "x.wav"
    voxgate("say", "hello", "-o", file, "-e", "tone", "--option", "noise=0", "--seed", "1", "--server", gateway.url)
    expected = gateway.client.post("/tts", json={"text": "hello", "engine": "tone", "options": {"noise": 0}, "seed": 1})
    assert file.read_bytes() == expected.content


def test_text_shows_what_would_be_spoken(config: Path, gateway: Gateway, tmp_path: Path) -> None:
    alone = voxgate("text", "It costs $5 today.", "--config", config)
    served = voxgate("text", "It costs $5 today.", "--server", gateway.url)
    assert alone.stdout == served.stdout
    first, _, _, row = served.stdout.strip().splitlines()
    assert first == "It costs five dollars today."
    assert row.split() == ["9-11", "$5", "five", "dollars", "currency"]
    shown = voxgate("text", "-", "--json", "--no-normalize", "--server", gateway.url, stdin="It costs $5 today.")
    assert json.loads(shown.stdout)["spoken_text"] == "It costs $5 today."
    refused = voxgate("text", "It is ж.", "--server", gateway.url, status=1)
    assert refused.stderr == "error: lite cannot speak 'ж' (character 7)\n"


def test_say_prints_the_spoken_text_on_request(config: Path, gateway: Gateway, tmp_path: Path) -> None:
    say = ("say", "It costs $5.", "-o", tmp_path / "x.wav", "--show-text")
    assert voxgate(*say, "--config", config).stdout == "It costs five dollars.\n"
    assert voxgate(*say, "--server", gateway.url).stdout == "It costs five dollars.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("你好",), "text: lite cannot speak '你'"),
        (("hi", "--engine", "tuba"), "unknown engine 'tuba'"),
        (("hi", "--speed", "9"), "speed: "),
        (("hi", "--option", "pause_s=99"), "options.pause_s: "),
        (("hi", "--voice", "nobody"), "unknown voice 'nobody'"),
    ],
)
def test_say_prints_errors_and_writes_no_file(
    config: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = voxgate("say", *arguments, "-o", tmp_path / "x.wav", "--config", config, status=1)
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "x.wav").exists()


def test_commands_find_a_gateway_on_another_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    servers = tmp_path / "state/voxgate/servers"
    servers.mkdir(parents=True)
    for name, content in {"1": '{"url": "http://127.0.0.1:1"}', "2": "{", "3": '{"url": 3}', "4": "[]"}.items():
        (servers / f"{name}.json").write_text(content)
    gateway = start_gateway(tmp_path, {**TONE, "engines": {"tone": {"backend": "tone"}}})
    port = gateway.url.rsplit(":", 1)[1]
    assert (servers / f"{port}.json").exists()
    command = [sys.executable, "-m", "gateway", "engines", "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VOXGATE_")}
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert json.loads(found.stdout)["default"] == "tone", found.stderr
    assert gateway.stop() == 0
    assert not (servers / f"{port}.json").exists()
    alone = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert json.loads(alone.stdout)["engines"][0]["state"] == "not running"


def test_server_errors_are_printed_unchanged(gateway: Gateway, tmp_path: Path) -> None:
    result = voxgate("say", "你好", "-o", tmp_path / "x.wav", "--server", gateway.url, status=1)
    assert "text: lite cannot speak" in result.stderr
    dead = voxgate("engines", "--server", "http://127.0.0.1:9", status=1)
    assert "does not answer" in dead.stderr


def test_engines_lists_engines_with_and_without_a_server(gateway: Gateway, config: Path) -> None:
    running = voxgate("engines", "--server", gateway.url).stdout
    assert "lite (default)" in running
    assert "ready" in running
    assert "hibari-tts" in running
    configured = json.loads(voxgate("engines", "--config", config, "--json").stdout)
    assert [(engine["name"], engine["state"]) for engine in configured["engines"]] == [
        ("lite", "not running"),
        ("tone", "not running"),
    ]


@pytest.mark.parametrize("remote", [True, False])
def test_voices_are_added_listed_and_removed(
    gateway: Gateway, config: Path, tmp_path: Path, clip: bytes, remote: bool
) -> None:
    where = ("--server", gateway.url) if remote else ("--config", config)
    file = tmp_path / "clip.wav"
    file.write_bytes(clip)
    name = f"My voice {remote}"
    added = voxgate("voices", "add", name, file, "--transcript", "some words", *where)
    assert "stored as voice-" in added.stderr
    assert "stored already" in voxgate("voices", "add", name, file, "--transcript", "some words", *where).stderr
    damaged = f"voice-{0 if remote else 1:016x}"
    ((gateway.log if remote else config).parent / "data" / "voices" / damaged).mkdir()
    listing = voxgate("voices", "list", *where).stdout
    assert name in listing
    assert "some words" in listing
    (row,) = [line for line in listing.splitlines() if damaged in line]
    assert row.split("│")[3].strip() == "damaged"
    voxgate("voices", "remove", damaged, *where)
    voxgate("voices", "remove", name, *where)
    assert name not in voxgate("voices", "list", *where).stdout
    assert "unknown voice" in voxgate("voices", "remove", name, *where, status=1).stderr


def test_say_sends_a_reference_clip_to_a_server(gateway: Gateway, tmp_path: Path, clip: bytes) -> None:
    (tmp_path / "clip.wav").write_bytes(clip)
    voxgate(
        *("say", "hi", "-o", tmp_path / "x.wav", "-e", "tone", "--seed", "1", "--language", "en"),
        *("--reference-audio", tmp_path / "clip.wav", "--sample-rate", "16000", "--server", gateway.url),
    )
    assert read_audio((tmp_path / "x.wav").read_bytes())[1] == 16000


def test_voices_remove_quotes_the_name_in_the_url(gateway: Gateway, tmp_path: Path, clip: bytes) -> None:
    (tmp_path / "clip.wav").write_bytes(clip)
    where = ("--server", gateway.url)
    voxgate("voices", "add", "bob", tmp_path / "clip.wav", *where)
    voxgate("voices", "remove", "bob?x=1", *where, status=1)
    voxgate("voices", "remove", "bob/../bob", *where, status=1)
    voxgate("voices", "remove", "bob", *where)


def test_say_checks_the_output_folder_first(config: Path, tmp_path: Path) -> None:
    result = voxgate("say", "hi", "-o", tmp_path / "no" / "x.wav", "--config", config, status=2)
    assert "does not exist: create it first" in result.stderr


def test_unusable_data_folder_is_named(config: Path, tmp_path: Path) -> None:
    result = voxgate("serve", "--config", config, status=2, VOXGATE_DATA_DIR="/proc/1/x")
    assert "data_dir: /proc/1/x/voices cannot be used" in result.stderr.replace("\n", "")


def test_say_clones_a_stored_voice_without_a_server(config: Path, tmp_path: Path, clip: bytes) -> None:
    (tmp_path / "clip.wav").write_bytes(clip)
    voxgate("voices", "add", "mine", tmp_path / "clip.wav", "--config", config)
    result = voxgate("say", "hi", "-o", tmp_path / "x.wav", "-e", "tone", "-v", "mine", "--config", config)
    assert "voice mine" in result.stderr


def test_invalid_configuration_exits_with_status_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("engnes: {}\n")
    result = voxgate("serve", "--config", path, status=2)
    assert f"engnes: unknown key (set in {path})" in result.stderr.replace("\n", "")


def test_version_and_help_are_printed() -> None:
    assert voxgate("--version").stdout.startswith("voxgate ")
    assert "serve" in voxgate("--help").stdout
