"""The status page as an operator uses it, in Chromium: press, follow the run, see it turn green or red, restore."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.workspace import Workspace
from tests.browser import chromium
from tests.end_to_end.conftest import OPS, Dagster, Shell, back_up
from tests.sample import flip_byte

_LONG_MS = 120_000


@contextmanager
def served(shell: Shell, *options: str) -> Iterator[str]:
    """`ops serve` on a free port, until the block ends; yields where it is."""
    argv = [OPS, "serve", "--port", "0", *options]
    environment = {**shell.environment, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        argv, cwd=shell.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield found[0]
                break
        else:
            pytest.fail("it did not start")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.fixture
def page() -> Iterator[Page]:
    """A page in headless Chromium; whatever its console calls an error fails the test."""
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        wrong: list[str] = []
        opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        yield opened
        assert wrong == []


def seen(page: Page, words: str) -> None:
    """Wait until the page says so; it renews itself while a run goes on."""
    expect(page.locator("main")).to_contain_text(words, timeout=_LONG_MS)


def test_an_operator_backs_up_restores_and_sees_what_is_bad(
    shell: Shell, dagster: Dagster, page: Page, crm: Server
) -> None:
    back_up(shell)
    with served(shell, "--dagster", dagster.url, "--buttons") as site:
        page.goto(site)
        page.get_by_role("link", name="crm", exact=True).click()
        page.get_by_role("button", name="Back up now").click()
        seen(page, "SUCCESS")
        seen(page, "proof: verified")
        page.get_by_role("link", name="crm", exact=True).click()

        # Three clicks from the open page of a source to a restore that runs.
        page.get_by_role("link", name="Restore …", exact=True).click()
        page.get_by_label("into this new database").fill("crm_by_page")
        page.get_by_role("button", name="Look at what will happen").click()
        seen(page, "crm itself, and every backup")
        page.get_by_role("button", name="Restore into crm_by_page").click()
        seen(page, "SUCCESS")
        seen(page, "restored to: crm_by_page")
        with session(crm.at(dbname="crm_by_page"), limit=timedelta(seconds=60)) as opened:
            assert opened.value("select count(*) from public.companies")

        # A copy that lost a bit is proved again from here: red, with its cause.
        newest = max((shell.folder / "nas" / "crm").iterdir())
        flip_byte(max(newest.rglob("*.age")))
        page.get_by_role("link", name="crm", exact=True).click()
        page.get_by_role("button", name="Verify the newest").click()
        seen(page, "FAILURE")
        seen(page, "is BAD")
        page.get_by_role("link", name="crm", exact=True).click()
        expect(page.locator("h1 .badge")).to_have_text("FAIL", timeout=_LONG_MS)

        # The incident is acknowledged, and its source muted, by name.
        watch_once(Workspace(load_config(shell.folder / "ops.yaml", environ={})))
        page.get_by_role("link", name="incidents").click()
        page.get_by_role("button", name="Acknowledge").first.click()
        seen(page, "acknowledged by the status page")
        page.get_by_label("because").first.fill("the disk is being replaced")
        page.get_by_role("button", name="Mute", exact=True).first.click()
        seen(page, "the disk is being replaced")
        page.get_by_role("button", name="end it").click()
        expect(page.locator("main")).not_to_contain_text("the disk is being replaced")
