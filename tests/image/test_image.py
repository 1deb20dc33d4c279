"""Images that are built and run for real; ``make image-test`` prepares the machine."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import soundfile
from support.hub import fake_hub
from support.podman import RUN, Container, build, podman, running

from gateway.audio.formats import FORMATS

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

READ_ONLY = ("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp")
OWN_PATHS = ("/data", "/tmp", "/etc", "/run", "/opt/ml")  # the last three are podman's: hosts, mounted folders
LICENSE = """
import av, ctypes
codecs = ctypes.CDLL("/opt/venv/ffmpeg/lib/libavcodec.so.62")
codecs.avcodec_license.restype = ctypes.c_char_p
print(codecs.avcodec_license().decode())
"""
REFERENCE = "hf://owner/voice/model.safetensors"


def wait_ready(container: Container) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if container.client.get("/health/ready").is_success:
                return
        except httpx.TransportError:  # it does not listen yet
            pass
        time.sleep(0.1)
    raise AssertionError(podman("logs", container.name))


def speak(container: Container, text: str = "Hello.", path: str = "/tts", **fields: object) -> float:
    """Synthesize a text, and return the seconds of speech in the response."""
    response = container.client.post(path, json={"text": text, **fields})
    assert response.status_code == 200, response.text
    samples, rate = soundfile.read(io.BytesIO(response.content))
    assert abs(samples).max() > 0.05
    return len(samples) / rate


def doctor(container: Container) -> str:
    """The report of ``voxgate doctor --image``, its cells separated by single spaces."""
    return " ".join(container.run("env", "COLUMNS=200", "voxgate", "doctor", "--image").split())


@pytest.fixture(scope="module")
def cpu(images: dict[str, str]) -> Iterator[Container]:
    """A container as people run it, with a read-only root file system."""
    with running(images["cpu"], *READ_ONLY) as container:
        wait_ready(container)
        yield container


@pytest.fixture(scope="module")
def sagemaker(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A container as SageMaker runs it, with a model archive that has a configuration."""
    archive = tmp_path_factory.mktemp("model")
    (archive / "voxgate.yaml").write_text("default_engine: lite\nengines: {lite: {backend: lite, load: eager}}\n")
    with running(
        images["sagemaker"], f"--volume={archive}:/opt/ml/model:ro", command=("serve",), port=8080
    ) as container:
        wait_ready(container)
        yield container


def test_each_engine_speaks_in_a_read_only_container(cpu: Container, extras: str) -> None:
    for engine in sorted({"lite", "f5", "fish"}.intersection(extras.split(","))):
        assert 0.3 < speak(cpu, engine=engine) < 5
    cpu.run("touch", "/opt/file", status=1)


def test_voices_are_stored_in_the_volume(cpu: Container, clip: bytes) -> None:
    stored = cpu.client.post("/v1/voices", data={"name": "ann", "transcript": "a tone"}, files={"audio": clip})
    assert stored.is_success, stored.text
    assert cpu.run("ls", "/data/voices")
    folders = {"capabilities", "hub", "lexicons", "voices"}
    assert set(cpu.run("ls", "-A", "/data", "/tmp").split()) <= {"/data:", "/tmp:", "voxgate", *folders}


def test_process_runs_without_privileges(cpu: Container) -> None:
    status = cpu.run("cat", "/proc/1/status")
    assert "Uid:\t10001\t10001\t10001\t10001" in status
    assert "Gid:\t10001\t10001\t10001\t10001" in status


def test_image_has_no_build_tools(cpu: Container) -> None:
    assert not {"uv", "pip", "hatchling"}.intersection(cpu.run("ls", "/opt/venv/bin").split())
    cpu.run("ls", "/src", status=2)
    cpu.run("sh", "-c", "command -v gcc uv", status=127)


def test_bill_of_materials_lists_the_packages_of_the_image(cpu: Container) -> None:
    document = json.loads(cpu.run("cat", "/opt/venv/share/voxgate/sbom.cdx.json"))
    names = {component["name"] for component in document["components"]}
    folders = cpu.run("sh", "-c", "basename -a /opt/venv/lib/python3*/site-packages/*.dist-info").split()
    assert len(names) == len(folders) - 1  # voxgate is installed in a later layer
    assert document["metadata"]["component"]["name"] == "voxgate"
    assert not names & {"unidecode", "vocos", "encodec", "cyclonedx-bom"}


def test_health_check_reports_a_running_gateway(cpu: Container) -> None:
    podman("healthcheck", "run", cpu.name)
    command = json.loads(podman("inspect", cpu.name))[0]["Config"]["Healthcheck"]["Test"][1:]
    cpu.run("env", "VOXGATE_PORT=9", *command, status=1)


def test_doctor_finds_no_problem_in_a_container(cpu: Container) -> None:
    report = doctor(cpu)
    assert "uid 10001, gid 10001, home folder /data" in report
    assert "root file system │ read-only" in report
    assert "/health/ready" in report
    assert "!!" not in report


def test_container_with_any_user_speaks(images: dict[str, str]) -> None:
    with running(images["cpu"], *READ_ONLY, "--user=12345") as container:
        wait_ready(container)
        assert 0.3 < speak(container) < 5


def test_sagemaker_container_serves_invocations(sagemaker: Container) -> None:
    assert sagemaker.client.get("/ping").status_code == 200
    assert 0.3 < speak(sagemaker, path="/invocations") < 5
    podman("healthcheck", "run", sagemaker.name)
    assert "Uid:\t0\t0\t0\t0" in sagemaker.run("cat", "/proc/1/status")


def test_sagemaker_container_passes_the_doctor(sagemaker: Container) -> None:
    report = doctor(sagemaker)
    assert "model archive /opt/ml/model │ voxgate.yaml; configuration: voxgate.yaml" in report
    assert "http://127.0.0.1:8080/ping" in report


def test_root_writes_nothing_outside_of_its_folders(sagemaker: Container, clip: bytes) -> None:
    speak(sagemaker)
    changed = sorted(line.split()[1] for line in podman("diff", sagemaker.name).splitlines())
    assert "/tmp" in changed
    files = [path for path, after in zip(changed, [*changed[1:], ""], strict=True) if not after.startswith(f"{path}/")]
    assert [path for path in files if not path.startswith(OWN_PATHS)] == []


def test_sagemaker_container_uses_the_port_of_its_environment(images: dict[str, str]) -> None:
    with running(images["sagemaker"], "--env=SAGEMAKER_BIND_TO_PORT=9100", command=("serve",), port=9100) as container:
        wait_ready(container)
        podman("healthcheck", "run", container.name)


def test_sigterm_lets_a_running_request_finish(images: dict[str, str]) -> None:
    with running(images["cuda"], *READ_ONLY) as container:
        wait_ready(container)
        chunks: list[bytes] = []
        started = threading.Event()
        text = "A long text is spoken sentence by sentence. " * 100
        body = {"text": text, "engine": "lite", "stream": True, "format": "pcm"}

        def read() -> None:
            with httpx.stream("POST", f"{container.url}/tts", json=body, timeout=60, trust_env=False) as response:
                for chunk in response.iter_bytes():
                    chunks.append(chunk)
                    started.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert started.wait(60)
        assert container.stop() == 0
        reader.join(60)
        assert sum(map(len, chunks)) > 100 * 24000 * 2  # more than 100 s, so that every sentence was sent


def test_labels_describe_the_image(images: dict[str, str]) -> None:
    for name, tag in images.items():
        config = json.loads(podman("image", "inspect", tag))[0]["Config"]
        labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
        assert (labels["version"], labels["revision"], labels["created"]) == ("9.8.7", "abc123", "2026-01-02T03:04:05Z")
        assert labels["licenses"] == "Apache-2.0"
        assert (config["Entrypoint"], config["Cmd"]) == (["voxgate"], ["serve"])
        assert ("com.amazonaws.sagemaker.capabilities.accept-bind-to-port" in labels) == (name == "sagemaker")
        assert any(line.startswith("NVIDIA_") for line in config["Env"]) == (name != "cpu")


def test_layers_are_few_and_the_project_is_the_last(images: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    history = json.loads(podman("history", "--format=json", images["cuda"]))
    layers = [(step["size"], step["CreatedBy"]) for step in history if step["size"] > 10_000]
    with capsys.disabled():
        for size, step in layers:
            print(f"\n{size / 1e6:10.1f} MB  {step[:60]}", end="")
    _base, *own = reversed(layers)
    assert len(own) <= 4  # PyTorch, other packages, weights, the project
    assert own[-1][0] < 100e6


@pytest.mark.skipif("FFMPEG_URL" not in os.environ, reason="compiles for many minutes: needs FFMPEG_URL")
def test_image_without_gpl_code_writes_and_reads_every_format() -> None:
    source = os.environ["FFMPEG_URL"]
    image = build("cpu", "voxgate-lgpl", EXTRAS="lite", FFMPEG="lgpl", FFMPEG_URL=source)
    with running(image, *READ_ONLY) as container:
        wait_ready(container)
        assert container.run("python", "-c", LICENSE) == "LGPL version 2.1 or later"
        assert container.run("find", "/", "-xdev", "-name", "libx26*") == ""
        for name, fmt in FORMATS.items():
            spoken = container.client.post("/tts", json={"text": "A sentence to be read again. " * 3, "format": name})
            assert spoken.status_code == 200, (name, spoken.text)
            if fmt.has_header and not name.endswith("law_wav"):
                fields = {"name": f"from-{name}", "transcript": "A sentence to be read again."}
                stored = container.client.post("/v1/voices", data=fields, files={"audio": spoken.content})
                assert stored.is_success, (name, stored.text)


def test_baked_weights_are_found_without_a_network(extras: str) -> None:
    with fake_hub.running() as hub:
        hub.add("owner/voice", {"model.safetensors": bytes(range(256)) * 1000})
        image = build("cpu", "voxgate-baked", EXTRAS=extras, BAKE=REFERENCE, HF_ENDPOINT=hub.url)
    options = [*RUN, *READ_ONLY, "--rm", "--network=none"]
    assert "/opt/weights/" in podman("run", *options, image, "pull", REFERENCE)
    assert podman("run", *options, image, "pull", "--check").startswith("1 files verified")
