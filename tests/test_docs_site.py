"""The documentation site: complete navigation, no warnings, no other host; the guides' commands run."""

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
from playwright.sync_api import Page, sync_playwright
from support.gateway_process import Gateway, read_audio, start_gateway, wait_ready

ROOT = Path(__file__).parents[1]
GUIDES = {"quick_start": 5, "choosing_an_engine": 3, "voices": 3, "streaming": 3}
"""Pages whose commands run here, and the number of audio files that they write."""


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without importing what its tags name."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


def navigation(entries: list) -> Iterator[str]:
    for entry in entries:
        for target in entry.values() if isinstance(entry, dict) else [entry]:
            if isinstance(target, str):
                yield target
            else:
                yield from navigation(target)


def test_every_page_is_in_the_navigation_once() -> None:
    listed = sorted(navigation(yaml.load((ROOT / "mkdocs.yml").read_text(), _Loader)["nav"]))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    records = {page for page in pages if re.match(r"decisions/\d", page)}  # the hook lists them
    assert listed == sorted({"index.md", "benchmarks.md"} | (pages - records))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Needs the packages and scripts of ``make docs-env``."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def opened(site: Path) -> Iterator[tuple[Page, list[str]]]:
    """A page of Chromium, and the addresses that it has requested; only files can be reached."""
    chromium = shutil.which("chromium")
    assert chromium, "install Debian's chromium: make system-deps"
    requested: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(offline=True)
        page = context.new_page()
        page.on("request", lambda request: requested.append(request.url))
        yield page, requested
        browser.close()


@pytest.mark.slow
def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    loads = re.compile(
        r"<(?:script|img|iframe|source|audio)\b[^>]*\bsrc=[\"']?(?:https?:)?//|<link\b[^>]*href=[\"']?(?:https?:)?//"
    )
    assert [page.name for page in pages if loads.search(page.read_text())] == []
    assert [file.name for file in site.rglob("*.css") if re.search(r"url\([\"']?(https?:)?//", file.read_text())] == []


@pytest.mark.slow
@pytest.mark.browser
def test_diagrams_are_drawn_from_the_file_system(site: Path, opened: tuple[Page, list[str]]) -> None:
    page, requested = opened
    for name, diagrams in (("index.html", 1), ("architecture.html", 2)):
        page.goto((site / name).as_uri())
        # Material for MkDocs puts each diagram into a closed shadow root of a div, in place of the code.
        page.wait_for_function(f"document.querySelectorAll('div.mermaid').length == {diagrams}", timeout=20_000)
        heights = page.evaluate("[...document.querySelectorAll('div.mermaid')].map(box => box.offsetHeight)")
        assert min(heights) > 100
    assert [url for url in requested if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.slow
@pytest.mark.browser
def test_search_finds_pages_from_the_file_system(site: Path, opened: tuple[Page, list[str]]) -> None:
    page, requested = opened
    page.goto((site / "index.html").as_uri())
    page.locator("input.md-search__input").fill("watermark")
    page.locator(".md-search-result__link", has_text="Consent").first.wait_for(timeout=20_000)
    assert [url for url in requested if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with the default configuration on a free port."""
    folder = tmp_path_factory.mktemp("default")
    running = start_gateway(folder, {"include": [str(ROOT / "configs/gateway.yaml")], "port": 0})
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES)
def test_commands_of_a_guide_run(guide: str, default: Gateway, tmp_path: Path) -> None:
    text = (ROOT / f"docs/{guide}.md").read_text()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "VOXGATE_SERVER": default.url, "NO_PROXY": "*"}
    printed = ""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if not re.search(r"^make ", block, re.MULTILINE):
            command = [
                "bash",
                "-e",
                "-o",
                "pipefail",
                "-c",
                block.replace("localhost:8000", default.url.split("//")[1]),
            ]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{block}\n{done.stderr}"
            printed += done.stdout
    for program in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        python = [sys.executable, "-W", "error", "-c", program]
        modules = {**environment, "PYTHONPATH": f"{ROOT}/examples:{os.environ.get('PYTHONPATH', '')}"}
        audio = subprocess.run(python, env=modules, capture_output=True, check=True).stdout
        assert len(audio) > 40_000
    for answer in re.findall(r"^```json\n(.*?)\n```", text, re.MULTILINE | re.DOTALL):
        assert re.search(re.escape(answer).replace("…", "[0-9a-f]+"), printed), printed
    files = [file for file in tmp_path.iterdir() if file.is_file()]
    assert len(files) == GUIDES[guide]
    for file in files:
        assert file.stat().st_size > 4_000, file.name
        if file.suffix == ".wav":
            assert len(read_audio(file.read_bytes())[0]) > 5_000
