"""The page as a process of its own, in a real Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect
from support.gateway_process import TONE, start_gateway, wait_ready
from support.page_process import page_process
from support.ui_page import Open, figure, ready, wait_state

from gateway.service.auth import key_hash

pytestmark = pytest.mark.browser

KEY = "vox_" + "k" * 43


def test_page_of_another_process_speaks_with_its_key_and_reports_a_stopped_gateway(
    tmp_path: Path, open_page: Open
) -> None:
    access = {"keys": {"ann": {"sha256": key_hash(KEY)}}}
    gateway = start_gateway(tmp_path, {**TONE, "access": access})
    wait_ready(gateway)
    with page_process("--server", gateway.url, "--api-key", KEY, log=tmp_path / "ui.log") as client:
        page = open_page(f"{client.base_url}/", logs="status of 502")
        assert page.url == f"{client.base_url}/ui/"
        ready(page, "tone")
        page.get_by_label("Text").fill("Hello through another process.")
        page.get_by_role("button", name="Speak").click()
        wait_state(page, "done")
        assert figure(page, "duration") == "1.50 s"
        assert gateway.stop() == 0
        page.get_by_role("button", name="Again", exact=True).click()
        wait_state(page, "failed")
        expect(page.get_by_role("alert").first).to_contain_text(f"{gateway.url} does not answer")
        page.close()
