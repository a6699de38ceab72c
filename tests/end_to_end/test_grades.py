"""What was not compared is never shown as if it had been: real backups, and what every face says of their proofs."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from ops_pipelines.cli.main import app
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.instance import dagster_instance
from ops_pipelines.proof import Gap
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.watch.alerts.message import Message
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.metrics import exposition
from ops_pipelines.watch.report import build_report
from ops_pipelines.watch.snapshots import look
from ops_pipelines.workspace import Workspace, open_workspace
from tests.conftest import Made, MakeWorkspace
from tests.end_to_end.conftest import PROJECT
from tests.engines.mysql.conftest import TestServer as MariaDB
from tests.sample import execute
from tests.web.pages import status_page

NOTHING, EVERYTHING = "restored, not compared", "verified"
LEVELS = {"full": (EVERYTHING, 3), "sample": ("verified by sample", 2), "counts": ("verified by row counts", 1),
          "off": (NOTHING, 0)}  # fmt: skip
GAP = Gap(what="table public.salaries", why="may not be read", cure="grant select on public.salaries to backup")


@dataclass
class House:
    """An `ops.yaml` with the source `crm`, and every face that looks at it."""

    made: Made

    @property
    def workspace(self) -> Workspace:
        """Opened anew: what others wrote is seen."""
        return open_workspace(self.made.workspace.config)

    def ops(self, *words: str, expect: int = 0) -> str:
        """Type a command; what it printed."""
        done = CliRunner().invoke(app, [*words, "--config", str(self.made.path / "ops.yaml")])
        assert done.exit_code == expect, done.output
        return done.output

    def json(self, *words: str, expect: int = 0) -> Any:
        """The same with `--json`, parsed."""
        done = CliRunner().invoke(app, [*words, "--json", "--config", str(self.made.path / "ops.yaml")])
        assert done.exit_code == expect, done.output
        return json.loads(done.stdout)

    def verdict(self) -> Verdict:
        """The newest, as it is kept in the store that was proved."""
        kept = max((self.made.path / "nas" / ".verdicts" / "crm").glob("*/verify-*.json"), key=lambda path: path.name)
        return Verdict.model_validate_json(kept.read_bytes())

    def faces(self, *, status: int) -> dict[str, str]:
        """What each face that looks at stores and ledger shows of the proof."""
        workspace = self.workspace
        look(workspace)
        return {
            "status": self.ops("status", expect=status),
            "list": self.ops("list"),
            "page": status_page(workspace),
            "report": build_report(workspace),
            "doctor's line": str(self.json("status", expect=status)["sources"][0]["proof"]["words"]),
            "by hand": self.ops("restore", "crm", "--print"),
            "log": max((workspace.config.base / "verify" / "crm").glob("*.log")).read_text().lower(),
        }

    def metric(self, name: str) -> float:
        """A gauge of the source."""
        (line,) = [line for line in exposition(self.workspace).splitlines() if line.startswith(f"ops_{name}{{")]
        return float(line.rsplit(" ", 1)[1])

    def metadata(self, key: dg.AssetKey) -> dict[str, Any]:
        """Of the newest materialization in the Dagster instance that `ops backup` uses."""
        with dagster_instance(self.made.path) as instance:
            event = instance.get_latest_materialization_event(key)
        assert event is not None and event.asset_materialization is not None
        return {name: entry.value for name, entry in event.asset_materialization.metadata.items()}

    def check(self) -> bool:
        """Whether the check `everything_compared` passed when it was last evaluated."""
        key = dg.AssetCheckKey(names.PLAIN.verified("crm"), names.PROOF_CHECK)
        with dagster_instance(self.made.path) as instance:
            record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        assert record.event is not None and record.event.dagster_event is not None
        return record.event.dagster_event.asset_check_evaluation_data.passed

    def alerts(self) -> list[Message]:
        """What is told of proofs that say less than configured, newest first."""
        workspace = self.workspace
        watch_once(workspace)
        rows = AlertLedger(workspace.ledger).outbox()
        found = [Message.model_validate(row.message) for row in rows]
        return [message for message in found if message.rule == "proof_weaker"]


MakeHouse = Callable[..., House]


@pytest.fixture
def make_house(make_workspace: MakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> MakeHouse:
    """As `make_workspace`, with a Dagster instance beside it."""

    def make(url: str, **source: Any) -> House:
        made = make_workspace(url, **source)
        shutil.copy(PROJECT / "dagster.yaml", made.path)
        monkeypatch.setenv("DAGSTER_HOME", str(made.path))
        return House(made)

    return make


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.daily(2)
def test_a_proof_has_the_words_of_its_grade_in_every_face(level: str, make_house: MakeHouse, crm: Server) -> None:
    words, figure = LEVELS[level]
    house = make_house(crm.url(), fingerprint=level)
    printed = house.ops("backup")
    assert f"{words} from nas" in printed
    assert ("✓ crm" in printed) == (level == "full"), "the tick alone means that everything was compared"
    assert (house.verdict().words, house.verdict().grade) == (words, "restored" if level == "off" else level)
    for face, shown in house.faces(status=0).items():
        assert words in shown, face
    assert ('class="good">✓ verified<' in status_page(house.workspace)) == (level == "full")
    assert "it was restored and compared" in build_report(house.workspace) or level != "full"
    assert (house.metric("proof_grade"), house.metric("proof_grade_configured")) == (figure, figure)
    assert house.metric("proof_weaker") == 0, "what was chosen is no alarm"
    assert house.metadata(names.PLAIN.verified("crm"))["proof"] == words
    assert house.check() and not house.alerts()
    assert ("not_noticed" in house.json("check") and words in str(house.json("check"))) == (level != "full")
    (run,) = house.json("verify")["runs"]
    assert (run["proof"], run["grade"]) == (words, house.verdict().grade)
    try:
        restored = house.json("restore", "crm", "--to", "crm_back")
        assert (restored["proof"], restored["grade"]) == (words, house.verdict().grade)
    finally:
        execute(crm.at(dbname="postgres"), "drop database if exists crm_back")


def test_a_gap_is_named_with_its_cure_until_a_whole_proof_follows(make_house: MakeHouse, crm: Server) -> None:
    house = make_house(crm.url())
    house.ops("backup")
    partly = house.verdict()
    later = partly.started_at + timedelta(seconds=1)
    house.workspace.local.keep_verdict(partly.model_copy(update={"gaps": [GAP], "started_at": later}))
    for face, shown in house.faces(status=1).items():
        assert face == "log" or "partly verified, 1 not compared" in shown, face
    for shown in (house.ops("status", expect=1), status_page(house.workspace), build_report(house.workspace)):
        assert GAP.what in shown and GAP.why in shown and GAP.cure in shown
    assert "WEAK" in house.ops("status", expect=1)
    assert (house.metric("proof_gaps"), house.metric("proof_weaker")) == (1, 1)
    assert house.metric("source_healthy") == 1, "the RPO holds: it was restored"
    (told,) = house.alerts()
    assert GAP.what in told.cause and told.next == f"{GAP.cure}; then: ops backup crm"
    assert told.good_words == "partly verified, 1 not compared"
    house.ops("backup")
    assert "OK" in house.ops("status")
    watch_once(house.workspace)
    assert not [row for row in AlertLedger(house.workspace.ledger).open_incidents() if row.rule == told.rule]


def test_an_adopted_dump_was_restored_and_nobody_knows_its_rows(
    make_house: MakeHouse,
    crm: Server,
    tmp_path: Path,
) -> None:
    house = make_house(crm.url())
    argv = [clients.for_server(18).path("pg_dump"), f"--dbname={crm.argument()}", f"--file={tmp_path}/old/crm.sql"]
    (tmp_path / "old").mkdir()
    subprocess.run(argv, env=crm.environment(), check=True)
    house.ops("adopt", str(tmp_path / "old"), "--source", "crm", "--apply")
    printed = house.ops("verify")
    assert f"{NOTHING} from local" in printed and "✓ crm" not in printed
    assert "an adopted one never has any" in printed
    (point,) = house.json("list")["crm"]["restore_points"]
    assert point["contents"]["rows"] is None
    look(house.workspace)
    assert "not known" in house.ops("list") and "rows not known" in status_page(house.workspace)
    assert "not known" in build_report(house.workspace)
    assert "ops_last_dump_rows{" not in exposition(house.workspace)
    told = house.alerts()
    assert told and told[0].next == "ops backup crm"


def test_a_mariadb_account_without_a_lock_is_told_everywhere(make_house: MakeHouse, mariadb: MariaDB) -> None:
    name = mariadb.new_database()
    mariadb.sql("create table t (a int primary key) engine=innodb", "insert into t values (1)", database=name)
    account = mariadb.account(f"select, show view, trigger, event on {name}.*")
    house = make_house(account.at(name).url(), kind="mysql")
    printed = house.ops("backup")
    assert f"{NOTHING} from nas" in printed and "✓ crm" not in printed and "RELOAD" in printed
    shown = house.faces(status=1)
    for face in ("status", "page", "report"):
        assert "RELOAD" in shown[face] and NOTHING in shown[face], face
    assert "RELOAD" in house.metadata(names.PLAIN.dump("crm", "mysql"))["warnings"]
    assert house.metadata(names.PLAIN.verified("crm"))["proof"] == NOTHING
    assert not house.check()
    (told,) = house.alerts()
    assert NOTHING in told.cause and told.next.endswith("ops backup crm")
    assert (house.metric("proof_grade"), house.metric("proof_grade_configured")) == (0, 3)


def test_large_folders_are_verified_by_sample_and_that_is_no_alarm(make_house: MakeHouse, tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    for number in range(3):
        (tmp_path / "uploads" / f"{number}.txt").write_text(f"file {number}" * 2000, encoding="utf-8")
    house = make_house("a repository's password")
    document = json.loads((house.made.path / "ops.yaml").read_text(encoding="utf-8"))
    folders = {"kind": "files", "paths": [str(tmp_path / "uploads")], "password": {"file": "url"}}
    document["sources"]["crm"] = {**folders, "verify_all_below": "20KiB"}
    (house.made.path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    house = House(Made(open_workspace(load_config(house.made.path / "ops.yaml")), house.made.path))
    assert "verified by sample from nas" in house.ops("backup")
    for face, shown in house.faces(status=0).items():
        assert "verified by sample" in shown, face
    assert not house.alerts()


def test_a_verdict_from_before_grades_says_what_held_and_no_more(make_house: MakeHouse, crm: Server) -> None:
    house = make_house(crm.url())
    house.ops("backup")
    kept = house.verdict()
    older = kept.model_copy(
        update={"grade": None, "wanted": None, "started_at": kept.started_at + timedelta(seconds=1)}
    )
    house.workspace.local.keep_verdict(older)
    words = "verified before grades (schema, rows, content held)"
    for face, shown in house.faces(status=0).items():
        assert face == "log" or words in shown, face
    assert "ops_proof_grade{" not in exposition(house.workspace)
    assert not house.alerts()
