"""The documentation's code runs, and its tables are complete."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.gateway_process import Gateway, read_audio, start_gateway, wait_ready
from support.golden import as_spoken

from recipes.common.transcriber import Transcriber

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh.md")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def default(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with the default configuration on a free port."""
    running = start_gateway(tmp_path, {"include": [str(ROOT / "configs/gateway.yaml")], "port": 0})
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


@pytest.mark.slow
def test_requests_of_the_readme_work(default: Gateway, tmp_path: Path) -> None:
    port = default.url.rsplit(":", 1)[1]
    requests = [block.replace("localhost:8000", f"localhost:{port}") for block in blocks("README.md", "sh")]
    requests = [block for block in requests if "curl" in block]
    assert len(requests) == 7
    printed = [
        subprocess.run(["bash", "-ec", block], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for block in requests
    ]
    samples, rate = read_audio((tmp_path / "hello.wav").read_bytes())
    assert rate == 24000
    assert len(samples) / rate == pytest.approx(1.8, abs=0.15)
    assert (tmp_path / "hello.mp3").stat().st_size > 10_000
    assert (tmp_path / "same.mp3").stat().st_size > 10_000
    samples, rate = read_audio((tmp_path / "fish.wav").read_bytes())
    assert rate == 22050
    assert 1 < len(samples) / rate < 6
    samples, rate = read_audio((tmp_path / "answer.wav").read_bytes())
    assert 1 < len(samples) / rate < 4
    heard = as_spoken(Transcriber().transcribe(*read_audio((tmp_path / "dinner.wav").read_bytes())))
    assert "twenty five dollars and fifty cents" in heard, heard
    assert "third" in heard, heard
    (shown,) = blocks("README.md", "json")
    without_id = r'"request_id":"[0-9a-f]+"'
    assert re.sub(without_id, "", printed[3]) == re.sub(without_id, "", shown.strip())


@pytest.mark.slow
def test_examples_of_the_lexicons_page_work(default: Gateway, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "VOXGATE_SERVER": default.url, "COLUMNS": "200"}
    printed = [
        subprocess.run(
            ["bash", "-ec", block.replace("http://localhost:8000", default.url)],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for block in blocks("docs/lexicons.md", "sh")
    ]
    assert printed[:2] == [block.strip() for block in blocks("docs/lexicons.md", "json")]
    assert re.findall(r"│ ([a-z]+) +│ en ", printed[2]) == ["jargon", "names", "products"]


def test_chinese_readme_has_the_sections_code_links_and_tables_of_the_english_one() -> None:
    english, chinese = (re.sub(r"^\[.*\]\(README.*\)$", "", (ROOT / name).read_text(), flags=re.M) for name in READMES)
    for pattern in (r"^```.*?^```$", r"\]\(([^)]+)\)", r"`[^`\n]+`", r"[\d.,]*\d×?"):
        found = [re.findall(pattern, text, re.MULTILINE | re.DOTALL) for text in (english, chinese)]
        assert found[0] == found[1]
    shapes = [
        [re.sub(r"[^#|]", "", line) for line in text.splitlines() if re.match(r"#|\|", line)]
        for text in (english, chinese)
    ]
    assert shapes[0] == shapes[1]


def test_links_between_pages_resolve() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith(("http://", "https://")):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_api_page_lists_exactly_the_routes(gateway: Gateway) -> None:
    page = (ROOT / "docs/api.md").read_text()
    routes = {
        f"{method.upper()} {re.sub(r'{[a-z]+_id}', '{id}', path)}"
        for path, methods in gateway.client.get("/openapi.json").json()["paths"].items()
        for method in methods
    }
    listed = {f"{method} {path}" for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`]*)`", page)}
    assert routes == listed - {"GET /docs", "GET /openapi.json"}


def test_api_page_lists_every_error_type() -> None:
    from gateway.api.common.errors import STATUS

    page = (ROOT / "docs/api.md").read_text()
    answered = {kind.type for kind in STATUS} - {"client_gone", "config_error"}
    assert [name for name in answered if f"`{name}`" not in page] == []


def test_operations_page_lists_every_metric(gateway: Gateway) -> None:
    page = (ROOT / "docs/operations.md").read_text()
    names = re.findall(r"^# TYPE (voxgate_\w+) (\w+)", gateway.client.get("/metrics").text, re.MULTILINE)
    assert names
    assert [name for name, _ in names if not name.endswith("_created") and name not in page] == []


@pytest.fixture
def example_package(tmp_path: Path) -> Path:
    """The example engine of docs/add_an_engine.md and its test, laid out like an installed package."""
    page = "docs/add_an_engine.md"
    site = tmp_path / "site"
    info = site / "voxgate_buzz-1.dist-info"
    info.mkdir(parents=True)
    engine, test = blocks(page, "python")
    (site / "voxgate_buzz.py").write_text(engine)
    (site / "test_buzz.py").write_text(test)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: voxgate-buzz\nVersion: 1\n")
    (entry_point,) = re.findall(r"^buzz = \"(.*)\"$", blocks(page, "toml")[0], re.MULTILINE)
    (info / "entry_points.txt").write_text(f"[voxgate.engines]\nbuzz = {entry_point}\n")
    return site


def test_example_engine_serves_from_a_package_of_its_own(example_package: Path, tmp_path: Path) -> None:
    config = {"port": 0, **yaml.safe_load(blocks("docs/add_an_engine.md", "yaml")[0])}
    gateway = start_gateway(
        tmp_path, config, env={"PYTHONPATH": f"{example_package}:{os.environ.get('PYTHONPATH', '')}"}
    )
    try:
        wait_ready(gateway)
        response = gateway.client.post("/tts", json={"text": "hello", "options": {"pitch_hz": 200}})
        assert response.headers["x-voxgate-model"] == "buzz-1"
        assert len(read_audio(response.content)[0]) == 6000
        assert gateway.client.post("/tts", json={"text": "x", "options": {"pitch_hz": 5}}).status_code == 422
        assert gateway.client.post("/tts", json={"text": "x", "voice": "wasp"}).status_code == 404
    finally:
        gateway.stop()


def test_example_engine_passes_the_contract_tests(example_package: Path) -> None:
    (command,) = [line for line in blocks("docs/add_an_engine.md", "sh")[0].splitlines() if line.startswith("pytest")]
    arguments = [sys.executable, "-m", *command.split(), "-q", "-p", "no:asyncio", "-W", "error"]
    result = subprocess.run(arguments, cwd=example_package, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    # The two that are skipped need a job that fails, and an alphabet. The example has neither.
    assert re.search(r"\d+ passed, 2 skipped", result.stdout), result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel that `pip install .` installs."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True)
    (built,) = folder.glob("voxgate-*.whl")
    shutil.unpack_archive(built, folder / "site", "zip")
    return folder / "site"


def test_wheel_contains_the_configuration(wheel: Path) -> None:
    code = "import gateway.settings_sources as s; print(s.__file__); print(s.load_settings().default_engine)"
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    file, default = result.stdout.split()
    assert Path(file).is_relative_to(wheel)
    assert default == "lite"


def test_wheel_has_licenses_and_type_markers(wheel: Path) -> None:
    licenses = wheel / "voxgate-0.1.0.dist-info/licenses"
    texts = ["backends/fish/assets/cmudict/LICENSE", "backends/fish/assets/g2p_en/LICENSE"]
    for name in ("LICENSE", "NOTICE", *texts, "gateway/webui/static/vendor/LICENSES.md"):
        assert (licenses / name).read_bytes() == (ROOT / name).read_bytes()
    for name in ("gateway/py.typed", "backends/py.typed", "cmudict/cmudict.dict.gz", "g2p_en/checkpoint20.npz"):
        assert (wheel / name).exists() or (wheel / "backends/fish/assets" / name).exists()


def test_wheel_contains_the_page(wheel: Path) -> None:
    page = ROOT / "gateway/webui/static"
    files = [path.relative_to(ROOT) for path in page.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [str(path) for path in files if not (wheel / path).exists()] == []
