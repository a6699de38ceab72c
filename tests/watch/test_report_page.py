"""The report as HTML: what it tells, that it needs nothing else, and that nothing is cut on a phone or on paper."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from typer.testing import CliRunner

from ops_pipelines.cli.main import app
from ops_pipelines.proof import Gap
from ops_pipelines.redact import register
from ops_pipelines.watch.report import build_page, build_report, renew_report
from ops_pipelines.workspace import Workspace
from tests.browser import chromium
from tests.sample import StoppedClock
from tests.watch.conftest import MakeHouse
from tests.watch.past import HOUR, Past

GAP = Gap(what="table audit_log", why="permission denied for hunter2-hunter2", cure="grant select on audit_log to x")
_TOO_WIDE = """() => [...document.querySelectorAll('body *:not(svg *)')].filter(each => each.checkVisibility())
  .filter(each => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(each => each.outerHTML.slice(0, 120))"""


class Read(HTMLParser):
    """What stands on a page, as far as a reader sees it, and what it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.loads, self.tags = "", list[str](), list[str]()
        self.feed(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]

    def handle_data(self, data: str) -> None:
        self.text += f" {' '.join(data.split())}"


@pytest.fixture
def house(make_house: MakeHouse, clock: StoppedClock) -> Workspace:
    """Two sources with a month behind them, one that was never backed up."""
    found = make_house({}, sources=("crm", "forge", "wiki_of_the_whole_company_with_a_long_name"))
    past = Past(found, clock)
    past.month("crm")
    past.month("forge")
    register("hunter2-hunter2")
    past.backed_up("forge", 3 * HOUR, gaps=[GAP], real=True)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_it_says_of_each_source_what_the_markdown_says_and_shows_its_past(house: Workspace) -> None:
    page = build_page(house)
    read, markdown = Read(page), build_report(house)
    assert "1 of 3 sources cannot hold their RPO: wiki_of_the_whole_company_with_a_long_name." in read.text
    for said in ("never backed up", "grant select on audit_log to x; then: ops backup forge", "4h 00m old"):
        assert said in read.text and said in markdown
    assert "not compared: table audit_log: permission denied for " in read.text
    assert "hunter2" not in page
    assert page.count('<svg class="strip"') == 3 and page.count('<svg class="gauge"') == 3
    assert page.count('<svg class="chart"') == page.count("the same as a table") == 6
    assert re.search(r"the RPO was kept for +8\d\.\d% +of the time; it was not", read.text)
    assert "shorter ones" in read.text, "a daily RPO of 24 hours is missed each day"
    assert not {"script", "link", "img", "iframe"} & set(read.tags) and read.loads == []


def test_without_a_ledger_the_present_is_told_and_that_the_past_is_not_known(make_house: MakeHouse) -> None:
    house = make_house({}, ledger="postgresql+psycopg://nobody:x@127.0.0.1:1/none")
    read = Read(build_page(house))
    assert "The ledger cannot be read" in read.text and "never backed up" in read.text
    assert "strip" not in read.tags


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(house: Workspace, browser: Browser, scheme: str) -> None:
    page = browser.new_page(
        viewport={"width": 390, "height": 844}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.set_content(build_page(house))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(_TOO_WIDE) == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(13, 17, 23)" if scheme == "dark" else "rgb(255, 255, 255)")


def test_on_paper_nothing_is_cut_and_pages_are_a4(house: Workspace, browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 703, "height": 1000}, color_scheme="dark")  # A4 without its margins
    page.set_content(build_page(house))
    page.emulate_media(media="print")
    assert page.evaluate(_TOO_WIDE) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    sizes = re.findall(rb"/MediaBox \[0 0 (\d+)[.\d]* (\d+)[.\d]*\]", printed)
    assert sizes in ([(b"594", b"841")] * 3, [(b"595", b"842")] * 3), "three pages"


def test_the_command_writes_either_form_where_it_is_told(house: Workspace, tmp_path: Path) -> None:
    config = str(tmp_path / "ops.yaml")

    def ops(*words: str) -> str:
        done = CliRunner().invoke(app, ["report", *words, "--config", config])
        assert done.exit_code == 2, done.output
        return done.output

    dated, latest = ops("--format", "html").split()
    assert Path(dated).read_bytes() == Path(latest).read_bytes() and latest.endswith("latest.html")
    assert ops("--to", str(tmp_path / "mine.html")).split() == [str(tmp_path / "mine.html")]
    assert (tmp_path / "mine.html").read_text("utf-8").startswith("<!doctype html>")
    ops("--to", str(tmp_path / "mine"), "--format", "html")
    assert (tmp_path / "mine").read_text("utf-8").startswith("<!doctype html>")
    assert ops("--print").startswith("# Backup report")
    assert ops("--print", "--format", "html").startswith("<!doctype html>")
    (tmp_path / "file").touch()
    assert "mine.md cannot be written" in ops("--to", str(tmp_path / "file" / "mine.md"))


def test_a_path_of_ones_own_that_ends_in_html_gets_the_page(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house({})
    config = house.config.model_copy(
        update={"report": house.config.report.model_copy(update={"path": tmp_path / "docs" / "backups.html"})}
    )
    renew_report(Workspace(config, house.clock))
    assert (tmp_path / "docs" / "backups.html").read_text("utf-8").startswith("<!doctype html>")
    assert (tmp_path / "base" / "reports" / "latest.md").read_text("utf-8").startswith("# Backup report")
