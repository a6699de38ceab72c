"""Pages in other languages: nothing on them is English but names, commands and what tools have said."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.errors import OpsError
from ops_pipelines.language.speech import Language, language
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.operate.runs import RunState, Step
from ops_pipelines.watch.alerts.message import Message
from ops_pipelines.watch.alerts.summary import summary_message
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.health import all_health
from ops_pipelines.watch.monthly import month_of
from ops_pipelines.watch.monthly_report import month_page
from ops_pipelines.watch.report import build_report
from ops_pipelines.watch.report_page import report_page
from ops_pipelines.web.app import PAGES
from ops_pipelines.web.pages.environment import Visit
from ops_pipelines.web.pages.refused import refused_page
from ops_pipelines.web.pages.restore import restore_page
from ops_pipelines.web.pages.run import run_page
from ops_pipelines.web.pages.source import source_page
from ops_pipelines.workspace import Workspace
from tests.language.pseudo import PSEUDO, left_over
from tests.sample import StoppedClock
from tests.unit.vaults import AT
from tests.watch.conftest import house_in
from tests.watch.past import HOUR, Past
from tests.web.lived_in import lived_in

NAMES = re.compile(
    r"crm|forge|wiki|local|nas|disk|postgres|ops_pipelines|ops|Dagster|UTC|20\d{6}T\d{6}Z-\w+|RPO|RTO|total_loss|boss|"
    r"random_restore_point|\b[a-z_]+/\w+/\w*|OK|WEAK|STALE|UNKNOWN|OVERDUE|FAIL|NEVER|"
    r"SUCCESS|QUEUED|restore|corruption|outage|lost_keys|English|Čeština|Français"
)
DAY = re.compile(r"\w+ \d+ \w+ 20\d\d")  # as French writes it
# Tools, databases, and what the ledger has of a proof in the words of then.
SAID_BY_OTHERS = re.compile(
    r"connection refused|rows|table audit_log|permission denied|\(to close .*|\d checks? passed|"
    r"it failed|its disk is full|every backup"
)
_ENDED = RunState(
    id="r1", job="restore", status="SUCCESS", source="crm", operator="boss", started_at=AT, ended_at=AT + HOUR,
    steps=[Step("restore_step", "SUCCESS", AT, AT + HOUR)], said=[(AT, "restore")], failures=[],
    facts={"proof": "verified", "target": "crm_restored", "backup_id": "20261121T020000Z-0001"},
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three sources with a past."""
    return lived_in(tmp_path_factory.mktemp("house"))


def pages(house: Workspace, spoken: Language) -> dict[str, str]:
    """Every page, by its path, as an operator sees it."""
    visit = Visit(operator="boss", dagster_url="http://127.0.0.1:3000", spoken=spoken)
    preview = replace(visit, asked={"preview": "1", "only": "contacts"})
    error = OpsError("it failed", why="its disk is full", safe="every backup", next="df -h")
    return {
        **{path: page(house, visit) for path, page in PAGES.items()},
        **{f"/sources/{name}": source_page(house, name, visit) for name in house.config.sources},
        "/sources/crm/restore": restore_page(house, "crm", visit),
        "/sources/crm/restore?preview=1": restore_page(house, "crm", preview),
        "/sources/wiki/restore": restore_page(house, "wiki", visit),
        "/runs/r1": run_page(house, visit, _ENDED),
        "/runs/r2": run_page(house, visit, replace(_ENDED, started_at=None, ended_at=None, status="QUEUED")),
        "refused": refused_page(house, visit, error),
    }


def documents(house: Workspace, spoken: Language) -> dict[str, str]:
    """The reports, by name."""
    found, now = all_health(house), house.clock.now()
    month = month_of(house.config, lambda: house.ledger, f"{now:%Y-%m}", now)
    return {
        "report": report_page(house.config, found, house.catalogue, lambda: house.ledger, now, spoken),
        "month": month_page(month, now, spoken),
    }


def test_what_a_page_says_is_translated_or_a_name(house: Workspace) -> None:
    shown = {**pages(house, PSEUDO), **documents(house, PSEUDO)}
    left = [f"{path}: {text}" for path, page in shown.items() for text in left_over(page, SAID_BY_OTHERS, NAMES, DAY)]
    assert left == [], "\n".join(left)


@pytest.mark.parametrize("code", ["cs", "fr"])
def test_a_page_is_written_in_one_language_and_says_which(house: Workspace, code: str) -> None:
    spoken = language(code)  # type: ignore[arg-type]
    for path, page in {**pages(house, spoken), **documents(house, spoken)}.items():
        assert f'<html lang="{code}">' in page, path
        assert not re.search(r"%\(|\{\w+\}|⟦", page), path


def test_an_alert_is_written_in_the_language_of_the_file(tmp_path: Path) -> None:
    clock = StoppedClock(AT)
    house = house_in(tmp_path, clock, {}, top={"language": "cs"})
    past = Past(house, clock)
    past.failed("crm", 2 * HOUR)
    past.failed("crm", HOUR)
    watch_once(house)
    [row] = [row for row in AlertLedger(house.ledger).outbox() if row.event == "opened" and "dump_failed" in row.key]
    message = Message.model_validate(row.message)
    assert message.subject == "[OPS] CRITICAL crm: dump: selhalo, dvakrát po sobě"
    assert "příčina:" in message.text and "zatím neznámo: úložiště dosud nebyla zkontrolována" in message.text
    assert "[OPS] dump_failed source=crm phase=dump" in message.text, "what filters read stays as it is"
    summary = summary_message(house.config, house.ledger, clock.at - timedelta(days=1), clock.at)
    assert "neověřeno nebo ke kontrole:" in summary.text and "crm: dosud nic neověřeno" in summary.text
    assert build_report(house).startswith("# Zpráva o zálohách, ")
