"""The status page says what is wrong and what to type, to a reader who has just been woken up."""

import csv
import io
from datetime import timedelta

import pytest

from ops_pipelines.watch.snapshots import look
from ops_pipelines.web.pages.activity import activity_csv
from ops_pipelines.web.pages.environment import Visit
from ops_pipelines.web.pages.overview import PER_PAGE, overview
from ops_pipelines.web.pages.source import source_page
from ops_pipelines.workspace import Workspace
from tests.browser import chromium
from tests.sample import StoppedClock
from tests.web.conftest import MakeHouse
from tests.web.pages import status_page

SCRIPT = "<script>alert(1)</script>"
PAGES = ("", "sources/crm", "incidents", "activity", "drills", "stores", "calendar")


def test_the_worst_comes_first_with_its_cause_checks_and_next_command(make_house: MakeHouse) -> None:
    house = make_house("crm", "forge", alerts={"dagster_url": "http://127.0.0.1:3000"})
    good = house.holds("crm", "verified")
    bad = house.holds("forge", "bad", detail="orders: 12 rows are missing")
    look(house.workspace)
    with house.serving() as site:
        page, forge, crm = site.get().text, site.get("sources/forge").text, site.get("sources/crm").text
    assert "1 of 2 broken: forge" in page
    assert page.index('href="/sources/forge"') < page.index('href="/sources/crm"')
    assert "orders: 12 rows are missing" in page and "orders: 12 rows are missing" in forge
    assert "<kbd>ops backup forge</kbd>" in page and bad in forge and good in crm
    assert "http://127.0.0.1:3000/locations/ops_pipelines/asset-groups/forge/lineage" in forge


def test_everything_comes_from_here_and_nothing_may_come_from_elsewhere(make_house: MakeHouse) -> None:
    with make_house().serving() as site:
        pages = [site.get(each) for each in PAGES]
        parts = [site.get("static/style.css"), site.get("static/page.js")]
    for page in pages:
        assert page.status == 200
        assert "http" not in page.text.replace("https://", "http")
        assert "style=" not in page.text and " onclick" not in page.text, "the policy would not let them in"
    headers = {name.lower(): value for name, value in pages[0].headers.items()}
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; script-src 'self'")
    assert headers["cache-control"] == "no-store"
    assert [each.status for each in parts] == [200, 200]


def test_whatever_a_source_says_stays_text(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "bad", detail=SCRIPT)
    look(house.workspace)
    page = source_page(house.workspace, "crm", Visit({"q": SCRIPT}))
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page


def test_a_silent_watcher_is_said_so(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "verified")
    assert "it was never looked at" in status_page(house.workspace)
    look(house.workspace)
    assert "crm can be restored" in overview(house.workspace, Visit())
    later = Workspace(house.workspace.config, StoppedClock(house.workspace.clock.now() + timedelta(hours=3)))
    assert "last looked at 3h 00m ago: is the daemon running?" in status_page(later)


def test_many_sources_are_paged_and_found(make_house: MakeHouse) -> None:
    house = make_house(*(f"app{number:02}" for number in range(PER_PAGE + 5)), "forge")
    house.holds("forge", "verified")
    look(house.workspace)
    first, last = overview(house.workspace, Visit()), overview(house.workspace, Visit({"page": "2"}))
    assert first.count('class="line"') == PER_PAGE and last.count('class="line"') == 6
    assert "page 2 of 2" in last and "page 2 of 2" in overview(house.workspace, Visit({"page": "99"}))
    assert overview(house.workspace, Visit({"page": "x"})).count('class="line"') == PER_PAGE
    found = overview(house.workspace, Visit({"q": "forg"}))
    assert found.count('class="line"') == 1 and "1 of 31" in found
    assert "No source matches" in overview(house.workspace, Visit({"q": "nobody"}))
    assert overview(house.workspace, Visit({"state": "OK"})).count('class="line"') == 1


def test_restore_points_are_listed_with_the_commands_that_restore_them(make_house: MakeHouse) -> None:
    house = make_house()
    with house.workspace.ledger.activity("dump", source="crm") as entry:
        entry.backup_id, entry.store = "20261121T020000Z-0001", "local"
        entry.meta = {"size_bytes": 2048, "rows": 12}
    page = source_page(house.workspace, "crm", Visit())
    assert "ops restore crm --backup 20261121T020000Z-0001 --to crm_restored" in page
    assert "not verified yet" in page
    assert "No restore point matches" in source_page(house.workspace, "crm", Visit({"q": "verified (sample)"}))


def test_the_audit_trail_leaves_as_csv_that_runs_no_formula(make_house: MakeHouse) -> None:
    house = make_house()
    with pytest.raises(ValueError), house.workspace.ledger.activity("dump", source="crm"):
        raise ValueError("=cmd|' /C calc'!A0")
    with house.workspace.ledger.activity("copy", source="crm", store="nas"):
        pass
    rows = list(csv.DictReader(io.StringIO(activity_csv(house.workspace, {}))))
    assert [(row["kind"], row["status"]) for row in rows] == [("copy", "succeeded"), ("dump", "failed")]
    assert rows[1]["error"].startswith("'=cmd")
    only = activity_csv(house.workspace, {"status": "failed", "source": "crm"})
    assert len(list(csv.DictReader(io.StringIO(only)))) == 1


def test_a_badge_and_unknown_names(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "verified")
    look(house.workspace)
    with house.serving() as site:
        badge = site.get("badge/crm.svg")
        assert badge.headers["content-type"] == "image/svg+xml" and "crm: ok" in badge.text
        missing = [
            site.get(path).status for path in ("badge/x.svg", "sources/x", "drills/..%2f..%2fops.yaml", "drills/x")
        ]
        assert missing == [404] * 4


def test_in_a_browser_it_renews_itself_and_keeps_open_what_was_opened(make_house: MakeHouse) -> None:
    house = make_house("crm", "forge")
    house.holds("crm", "verified")
    look(house.workspace)
    with house.serving() as site, chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        troubles: list[str] = []
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        for path in PAGES:
            page.goto(site.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        page.clock.install()
        page.goto(f"{site.url}sources/forge")
        assert "no recovery point" in page.content() or "never" in page.content()
        page.click("#days summary")
        house.holds("forge", "bad", detail="orders: 12 rows are missing")
        look(house.workspace)
        page.clock.run_for(31_000)
        page.get_by_text("orders: 12 rows are missing").first.wait_for()
        assert page.evaluate("document.getElementById('days').open"), "it does not snap shut"
        page.keyboard.press("Tab")
        assert troubles == []
