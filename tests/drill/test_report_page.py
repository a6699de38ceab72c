"""The drill's report as HTML: what it shows of each source, that nothing in it is code, and that a phone shows it."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import Browser

from ops_pipelines.drill.record import (
    Event,
    Evidence,
    GroupResult,
    Loss,
    Report,
    SourceResult,
)
from ops_pipelines.drill.report.page import html
from ops_pipelines.proof import Gap
from ops_pipelines.redact import register
from ops_pipelines.vault.verdict import Check
from tests.browser import chromium
from tests.watch.test_report_page import _TOO_WIDE, Read

BEGAN = datetime(2026, 11, 29, 4, tzinfo=timezone.utc)
HOSTILE = "<img src=x onerror=alert(1)> & hunter2-hunter2"


def source(name: str, **changes: object) -> SourceResult:
    """A source that came back in half a minute, after four drills."""
    facts: dict[str, object] = {
        "source": name,
        "kind": "postgres",
        "backup_id": "20261129T020000Z-7f3a",
        "store": "nas",
        "seconds": {"fetch": 1.5, "start": 2.25, "load": 14.0, "checks": 3.0, "compare": 8.25},
        "took_s": 29.0,
        "rpo_s": 86400.0,
        "rto_s": 60.0,
        "loss": Loss(minutes=120.0, against="the source", rows=3, tables={"contacts": 3}),
        "rows": 1234567,
        "grade": "full",
        "versions": {"server": "18.1"},
        "checks": [Check(name="rows", passed=True, detail="1234567 rows in 12 tables")],
        "past_s": [28.0, 26.5, 27.0, 30.0],
    }
    return SourceResult.model_validate({**facts, **changes})


def report(*groups: GroupResult, **changes: object) -> Report:
    """A drill of half a minute."""
    said = ["drill d1 begins: total_loss", "the recovery kit is open", *(f"crm: step {n}" for n in range(20)), "ends"]
    facts: dict[str, object] = {
        "id": "20261129T040000Z-ec20",
        "scenario": "total_loss",
        "started_by": "schedule",
        "host": "backup-1",
        "product": "ops_pipelines 0.1.0",
        "python": "3.11.2",
        "started_at": BEGAN,
        "finished_at": BEGAN + timedelta(seconds=33),
        "disaster_at": BEGAN,
        "stores": ["nas"],
        "kit": "the kit of 2026-11-01",
        "groups": groups,
        "timeline": [Event(at=BEGAN + timedelta(seconds=1.4 * n), what=what) for n, what in enumerate(said)],
        "evidence": [Evidence(name="evidence/crm.log", sha256="ab" * 32, what="what was compared")],
        "signed_by": "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
    }
    return Report.model_validate({**facts, **changes})


@pytest.fixture
def whole() -> Report:
    register("hunter2-hunter2")
    gap = Gap(what="table audit_log", why=HOSTILE, cure="grant select on audit_log to backup")
    late = source("forge", took_s=75.0, gaps=[gap], slower=["load took 60.0 s, 14.0 s is usual over 4 drills"])
    lost = source(
        "wiki_of_the_whole_company_with_a_long_name", loss=None, rows=None, past_s=(),
        checks=[Check(name="digests", passed=False, detail=HOSTILE)],
    )  # fmt: skip
    by_hand = source("crm", by="recover.sh", past_s=())
    return report(
        GroupResult(name="crm", sources=[source("crm")], took_s=29.0, rto_s=60.0),
        GroupResult(name="forge", sources=[late, lost], took_s=104.0, rto_s=120.0),
        by_hand=[by_hand], missed=["RTO of forge: 1m 15s, 1m 00s is the target"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_each_source_has_a_card_with_its_steps_and_what_is_promised(whole: Report) -> None:
    page = html(whole)
    read = Read(page)
    assert "FAILED: wiki_of_the_whole_company_with_a_long_name: digests:" in read.text
    assert page.count('<svg class="steps"') == 4 + 1 and page.count('<svg class="columns"') == 2
    assert "back after (RTO 1m 00s)" in read.text and "lost (RPO 1d 0h)" in read.text
    assert "load: 14.00 s" in read.text and "earlier drills of this scenario, and this one: 30.0 s, 27.0 s" in read.text
    assert "slower than before: load took 60.0 s" in read.text and "1,234,567" in read.text
    assert "postgres, with standard tools only" in read.text
    assert 'aria-label="forge: time to recover, 1m 15s of 1m 00s"' in page


def test_the_timeline_has_a_line_and_a_mark_for_each_event(whole: Report) -> None:
    page = html(whole)
    assert page.count("<li><span class=") == page.count('<rect class="tick"') == len(whole.timeline)
    read = Read(page)
    assert "0:00:01 the recovery kit is open 04:00:01 UTC, +1.4 s" in " ".join(read.text.split())
    assert "minisign -Vm SHA256SUMS" in read.text and "ab" * 32 in read.text


def test_what_others_wrote_is_shown_as_it_is_and_secrets_are_not(whole: Report) -> None:
    page = html(whole)
    read = Read(page)
    assert "<img src=x onerror=alert(1)> & " in read.text and "hunter2" not in page
    assert not {"img", "script", "link"} & set(read.tags) and read.loads == []


def test_a_drill_in_which_nothing_was_recovered_has_a_page_too() -> None:
    page = html(report(failure="no store is left", timeline=()))
    assert "FAILED: no store is left" in Read(page).text and "Timeline" not in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(whole: Report, browser: Browser, scheme: str) -> None:
    page = browser.new_page(
        viewport={"width": 390, "height": 844}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.set_content(html(whole))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(_TOO_WIDE) == []
    sizes = page.evaluate("""() => [...document.querySelectorAll('p, li, td, dd, span')].map(each =>
      parseFloat(getComputedStyle(each).fontSize))""")
    assert min(sizes) >= 11, "nobody has to zoom in"
