"""Pages in other languages: nothing on them is English but names, commands and what tools have said."""

import re
from datetime import timedelta

import pytest

from ops_pipelines.language.speech import Language, language
from ops_pipelines.proof import Gap
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.snapshots import look
from ops_pipelines.web.app import PAGES
from ops_pipelines.web.pages.source import source_page
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.unit.vaults import AT
from tests.watch.conftest import house_in
from tests.watch.past import HOUR, Past


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two sources with some days behind them, one that was never backed up; a drill, and incidents."""
    clock = StoppedClock(AT)
    found = house_in(tmp_path_factory.mktemp("house"), clock, {}, sources=("crm", "forge", "wiki"))
    past = Past(found, clock)
    past.month("crm", days=5)
    gap = Gap(what="table audit_log", why="permission denied", cure="grant select on audit_log to x")
    past.backed_up("forge", 3 * HOUR, gaps=[gap], real=True)
    with found.ledger.activity("drill", source="crm") as entry:
        entry.meta = {
            "drill": "d1",
            "scenario": "total_loss",
            "started_by": "boss",
            "took_s": 40.0,
            "lost_minutes": 3.0,
        }
    clock.at += timedelta(minutes=1)
    look(found, watching=True)
    watch_once(found)
    return found


def pages(house: Workspace, spoken: Language) -> dict[str, str]:
    """Every page, by its path."""
    shown = {path: page(house, {}, spoken) for path, page in PAGES.items()}
    return {**shown, **{f"/sources/{name}": source_page(house, name, {}, spoken) for name in house.config.sources}}


@pytest.mark.parametrize("code", ["cs", "fr"])
def test_a_page_is_written_in_one_language_and_says_which(house: Workspace, code: str) -> None:
    spoken = language(code)  # type: ignore[arg-type]
    for path, page in pages(house, spoken).items():
        assert f'<html lang="{code}">' in page, path
        assert not re.search(r"%\(|\{\w+\}|⟦", page), path
