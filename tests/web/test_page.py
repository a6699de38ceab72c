"""The status page says what is wrong and what to type, to a reader who has just been woken up."""

from datetime import timedelta

from ops_pipelines.watch.snapshots import look
from ops_pipelines.web.page import status_page
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.web.conftest import MakeHouse

SCRIPT = "<script>alert(1)</script>"


def test_the_worst_comes_first_with_its_cause_checks_and_next_command(make_house: MakeHouse) -> None:
    house = make_house("crm", "forge", alerts={"dagster_url": "http://127.0.0.1:3000"})
    good = house.holds("crm", "verified")
    bad = house.holds("forge", "bad", detail="orders: 12 rows are missing")
    look(house.workspace)
    with house.serving() as site:
        page = site.get()
    assert "1 of 2 broken: forge" in page.text
    assert page.text.index(bad) < page.text.index("verified; ")
    assert "orders: 12 rows are missing" in page.text
    assert "<kbd>ops backup forge</kbd>" in page.text
    assert good in page.text
    assert "http://127.0.0.1:3000/locations/ops_pipelines/asset-groups/forge/lineage" in page.text
    assert 'http-equiv="refresh"' in page.text


def test_nothing_is_loaded_from_anywhere_and_nothing_runs(make_house: MakeHouse) -> None:
    with make_house().serving() as site:
        page = site.get()
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert "<link" not in page.text
    headers = {name.lower(): value for name, value in page.headers.items()}
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cache-control"] == "no-store"


def test_whatever_a_source_says_stays_text(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "bad", detail=SCRIPT)
    look(house.workspace)
    page = status_page(house.workspace)
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page


def test_a_silent_watcher_is_said_so(make_house: MakeHouse) -> None:
    house = make_house()
    house.holds("crm", "verified")
    assert "it was never looked at" in status_page(house.workspace)
    look(house.workspace)
    assert "Every source can be restored" in status_page(house.workspace)
    later = Workspace(house.workspace.config, StoppedClock(house.workspace.clock.now() + timedelta(hours=3)))
    assert "last looked at 3h 00m ago: is the daemon running?" in status_page(later)
