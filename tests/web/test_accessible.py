"""The page for everybody: axe-core finds nothing, in light and dark, large and small; the keyboard is enough.

With OPS_PICTURES=1 each view is drawn for the documents (`make pictures`).
"""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ops_pipelines.web.access import Credentials
from ops_pipelines.web.app import build_app
from tests.browser import chromium
from tests.web.lived_in import lived_in

IMAGES = Path(__file__).parents[2] / "docs" / "images"
VIEWS = {
    "": "sources", "sources/crm": "source", "sources/wiki": "", "sources/crm/restore": "restore",
    "sources/crm/restore?preview=1": "restore-preview", "incidents": "incidents", "activity": "activity",
    "drills": "drills", "stores": "stores", "calendar": "calendar", "runs/none": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a house with a past, as an operator sees it."""
    workspace = lived_in(tmp_path_factory.mktemp("house"))
    app = build_app(workspace, Credentials(anybody=True), dagster_url="http://127.0.0.1:1")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with chromium() as started:
        yield started


@pytest.mark.parametrize(("colours", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_axe_finds_nothing(site: str, browser: Browser, colours: str, width: int) -> None:
    page = browser.new_page(color_scheme=colours, viewport={"width": width, "height": 900})  # type: ignore[arg-type]
    found = {}
    for path, picture in VIEWS.items():
        page.goto(site + path)
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        results = Axe().run(page)
        found |= {path: results.generate_report()} if results.violations_count else {}
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        if picture and os.environ.get("OPS_PICTURES") and (colours, width) in (("light", 1280), ("dark", 390)):
            page.goto(site + path)
            page.screenshot(path=IMAGES / f"page-{picture}{'' if width > 390 else '-phone'}.png")
    assert found == {}


def test_the_keyboard_alone_reaches_a_restore(site: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{site}sources/crm")
    _tab_to(page, "Restore …")
    page.keyboard.press("Enter")
    page.wait_for_url("**/restore")
    _tab_to(page, "Look at what will happen")
    page.keyboard.press("Enter")
    page.wait_for_url("**preview=1**")
    expect(page.locator("main")).to_contain_text("crm itself, and every backup")
    _tab_to(page, "Restore into crm_")


def test_a_reader_chooses_a_language_by_keyboard_without_scripts_and_it_is_remembered(
    site: str, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False, locale="fr-FR")
    page = context.new_page()
    page.goto(f"{site}sources/crm?days=7")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    _tab_to(page, "Čeština")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sources/crm?days=7&language=cs")
    expect(page.locator("html")).to_have_attribute("lang", "cs")
    page.goto(f"{site}drills")
    expect(page.locator("html")).to_have_attribute("lang", "cs")
    expect(page.locator(".languages [aria-current]")).to_have_text("Čeština")
    [cookie] = context.cookies()
    assert (cookie["name"], cookie["value"], cookie["sameSite"]) == ("ops_language", "cs", "Lax")
    page.goto(f"{site}drills?language=xx")
    expect(page.locator("html")).to_have_attribute("lang", "cs")
    context.close()


def _tab_to(page: Page, words: str) -> None:
    """Press Tab until what has the focus says so."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if str(page.evaluate("document.activeElement.textContent")).strip().startswith(words):
            return
    pytest.fail(f"no Tab leads to {words!r}")


@pytest.mark.parametrize(
    ("locale", "heading", "button"),
    [("cs-CZ", "Zálohy", "Zálohovat hned"), ("fr-FR", "Points de restauration", "Sauvegarder maintenant")],
)
def test_a_browser_is_spoken_to_in_its_language(
    site: str, browser: Browser, locale: str, heading: str, button: str
) -> None:
    page = browser.new_page(locale=locale)
    page.goto(f"{site}sources/crm")
    expect(page.locator("html")).to_have_attribute("lang", locale[:2])
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.get_by_role("button", name=button)).to_be_visible()


def test_restore_points_are_filtered(site: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{site}sources/crm")
    expect(page.locator("#restore-points ~ .wide-table tr").nth(1)).to_be_visible()
    page.get_by_label("part of an id, or a verdict").fill("no such id")
    page.get_by_role("button", name="show").click()
    seen = page.locator("main")
    expect(seen).to_contain_text("No restore point matches")
    page.get_by_label("part of an id, or a verdict").fill("verified")
    page.get_by_role("button", name="show").click()
    expect(seen).not_to_contain_text("No restore point matches")
