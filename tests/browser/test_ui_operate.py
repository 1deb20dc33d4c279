"""The view Operate: engines, and charts of the metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from support.gateway_process import Gateway, start_gateway, wait_ready
from support.ui_page import Open, check_accessibility

pytestmark = pytest.mark.browser

ENGINES = {
    "tone": {"backend": "tone", "load": "eager", "device": "cpu", "replicas": 2},
    "late": {"backend": "tone", "load": "lazy", "model": {"load_s": 1}},
    "broken": {"backend": "tone", "load": "lazy", "model": {"fail_load": True}, "backoff_s": 60},
}
CHARTS = ("requests", "first_audio", "queue_wait", "active", "audio", "errors")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"port": 0, "default_engine": "tone", "engines": ENGINES}
    running = start_gateway(tmp_path_factory.mktemp("operate"), config)
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


def card(page: Page, engine: str) -> Locator:
    return page.locator(f"[data-engine={engine}]")


def test_engine_is_loaded_with_progress_and_unloaded(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#operate?every=1")
    late = card(page, "late")
    expect(late).to_have_attribute("data-state", "unloaded")
    expect(late.locator("[data-figure=memory]")).to_have_text("–")
    late.get_by_role("button", name="Load late", exact=True).click()
    expect(late.get_by_role("progressbar")).to_be_visible()
    expect(late.get_by_role("status")).to_contain_text("Loading late: warming up")
    expect(late).to_have_attribute("data-state", "ready")
    expect(late.locator("[data-figure=model]")).to_have_text("tone")
    expect(late.locator("[data-figure=memory]")).to_contain_text("MiB")
    late.get_by_role("button", name="Unload late", exact=True).click()
    expect(late).to_have_attribute("data-state", "unloaded")
    assert server.client.get("/v1/engines/late").json()["state"] == "unloaded"
    tone = card(page, "tone")
    expect(tone.locator("[data-figure=replicas]")).to_have_text("2")
    expect(tone.locator("[data-figure=device]")).to_contain_text("cpu")


def test_loading_is_cancelled(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#operate?every=1")
    late = card(page, "late")
    late.get_by_role("button", name="Load late", exact=True).click()
    late.get_by_role("button", name="Cancel loading").click()
    expect(late).to_have_attribute("data-state", "unloaded")


def test_reason_of_a_failed_load_is_shown(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#operate?every=1")
    broken = card(page, "broken")
    broken.get_by_role("button", name="Load broken", exact=True).click()
    expect(broken).to_have_attribute("data-state", "failed")
    reason = server.client.get("/v1/engines/broken").json()["error"]
    expect(broken.locator(".error")).to_contain_text(reason)
    broken.get_by_role("button", name="Unload broken", exact=True).click()
    expect(broken).to_have_attribute("data-state", "unloaded")


def test_charts_show_requests_latency_and_errors(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#operate?every=1")
    expect(page.locator("[data-chart=active]")).to_have_attribute("data-points", "1")  # needs two scrapes
    assert server.client.post("/tts", json={"text": "hello"}).status_code == 200
    assert server.client.post("/tts", json={"text": ""}).status_code == 422
    charts = {name: page.locator(f"[data-chart={name}]") for name in CHARTS}
    expect(charts["requests"].get_by_role("listitem")).to_contain_text(["200", "422"])
    expect(charts["errors"].get_by_role("listitem")).to_contain_text(["invalid_request"])
    expect(charts["audio"].get_by_role("listitem")).to_contain_text(["tone"])
    for name in ("first_audio", "queue_wait"):
        expect(charts[name].get_by_role("listitem")).to_contain_text(["p50 0.", "p95 0."])
    expect(charts["active"]).to_have_attribute("data-points", "4")
    for chart in charts.values():
        assert is_drawn(chart)


def is_drawn(chart: Locator) -> bool:
    script = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    found: bool = chart.locator("canvas").evaluate(script)
    return found


def test_error_of_the_metrics_is_shown_in_the_words_of_the_api(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#operate?every=1", logs="status of 403")
    error = {"error": {"type": "forbidden", "message": "metrics are served on port 9100", "request_id": "r1"}}
    page.route("**/metrics", lambda route: route.fulfill(status=403, body=json.dumps(error)))
    expect(page.get_by_role("alert").filter(has_text="metrics are served on port 9100 (r1)")).to_be_visible()
    expect(card(page, "tone")).to_be_visible()
    page.unroute("**/metrics")
    expect(page.get_by_role("alert").filter(has_text="9100")).to_be_hidden()


def test_polling_stops_while_the_page_is_hidden(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#operate?every=1")
    page.clock.install()
    page.reload()
    expect(card(page, "tone")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response("**/metrics"):
        page.clock.run_for(1000)
    hide = "hidden => { Object.defineProperty(document, 'hidden', {configurable: true, value: hidden}); "
    page.evaluate(f"{hide} document.dispatchEvent(new Event('visibilitychange')); }}", True)
    asked.clear()
    page.clock.run_for(20_000)
    assert asked == []
    with page.expect_response("**/metrics"):
        page.evaluate(f"{hide} document.dispatchEvent(new Event('visibilitychange')); }}", False)


def test_speak_view_does_not_load_the_charts(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#speak")
    expect(page.get_by_label("Text")).to_be_visible()
    names = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert not [name for name in names if "uplot" in name or "/operate/" in name or "/stages/" in name]


def test_view_is_accessible_and_fits_a_narrow_screen(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#operate?every=1", viewport={"width": 360, "height": 800})
    expect(page.locator("[data-chart=active] canvas")).to_be_visible()
    expect(page.locator("[data-chart=active]").get_by_role("listitem")).to_contain_text(["tone"])
    page.get_by_label("Refresh every").select_option("0")
    expect(page).to_have_url(f"{server.url}/ui/#operate?every=0")
    check_accessibility(page)
    page.emulate_media(color_scheme="dark")
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_operate_screenshot_for_the_documentation(server: Gateway, open_page: Open, pictures: Path) -> None:
    page = open_page(f"{server.url}/ui/#operate?every=1", viewport={"width": 1100, "height": 760})
    card(page, "broken").get_by_role("button", name="Load broken", exact=True).click()
    for points in range(1, 9):
        assert server.client.post("/tts", json={"text": "x" * 8 * points}).status_code == 200
        server.client.post("/tts", json={"text": "" if points % 3 else "x"})
        expect(page.locator("[data-chart=active]")).to_have_attribute("data-points", str(points))
    page.screenshot(path=pictures / "ui-operate.png", full_page=True)
