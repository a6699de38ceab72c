"""A house of one SQLite database: what a drill says of an application that does not work, and of what is missing."""

import json
import os
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.drill.record import Detection, GroupResult, Loss, Outage, Report, SourceResult
from ops_pipelines.drill.report.keep import kept_reports, read_report
from ops_pipelines.drill.report.page import html
from ops_pipelines.drill.report.sections import headline, markdown
from ops_pipelines.drill.run import Drilled, run_drill
from ops_pipelines.drill.scenarios.random_restore_point import choose
from ops_pipelines.errors import CorruptCopy, OpsError
from ops_pipelines.recovery.kit.kit import Sealing, make_kit
from ops_pipelines.recovery.verify import verify
from ops_pipelines.workspace import Workspace
from tests.engines.sqlite.conftest import House
from tests.language.pseudo import PSEUDO, left_over
from tests.sample import flip_byte

# Comes up slowly: an error, a page that is not there, another page, and then the one that was waited for.
_SLOW = (
    "import http.server, os\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "  asked = 0\n"
    "  def do_GET(self):\n"
    "    H.asked += 1\n"
    "    status, body = [(500, b'?'), (404, b'?'), (200, b'please wait'), (200, b'welcome')][min(H.asked, 4) - 1]\n"
    "    self.send_response(status); self.end_headers(); self.wfile.write(body)\n"
    "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n"
)

# What programs print, what was found by checks, and names.
_NAMES = re.compile(
    r"\b(app|crm|nas|sqlite|wordless|told|recover\.sh|total_loss|Python|minisign|sha256sum|evidence/\S+|SHA256SUMS)\b|"
    r"ops_pipelines\S*|[0-9a-f]{64}|20\d{6}T\w+-\w+|UTC|RTO|RPO|RW\S{40,}|"
    r"exit(ed)? (with )?status \d|\d+ (objects|rows|tables|databases) .*|0 at or past.*|none|false|SHA-256"
)


def open_house(house: House, *, offsite: bool = True, **top: Any) -> Workspace:
    """The workspace, with keys of `ops.yaml` changed at the top."""
    document = json.loads((house.path / "ops.yaml").read_text("utf-8"))
    document["stores"]["nas"]["offsite"] = offsite
    document["defaults"]["copies"] = ["nas"]
    (house.path / "ops.yaml").write_text(json.dumps({**document, **top}), encoding="utf-8")
    return Workspace(load_config(house.path / "ops.yaml", environ={}))


def back_up(workspace: Workspace, *, prove: bool = True) -> str:
    """A backup in both stores; its id."""
    taken = take_backup(workspace, "app")
    point = workspace.catalogue("app").find(taken.id)
    assert point is not None
    copy_to(workspace, point, "nas")
    if prove:
        assert verify(workspace, point, store="nas").outcome == "verified"
    return point.id


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "age.key").touch(mode=0o600)
    (tmp_path / "age.key").write_text(str(pyrage.x25519.Identity.generate()), encoding="utf-8")
    return House(tmp_path)


@pytest.fixture
def workspace(house: House) -> Workspace:
    house.database("crm.sqlite", "create table t (a); insert into t values (1), (2)")
    house.configure()
    return open_house(house)


def drills(*checks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"drills": {"applications": {"crm": {"sources": ["app"], "checks": list(checks), **more}}}}


def told(drilled: Drilled) -> dict[str, str]:
    """What each check of the application said, after a ! where it did not hold."""
    (group,) = drilled.report.groups
    return {each.name: each.detail if each.passed else f"! {each.detail}" for each in group.checks}


def test_each_way_in_which_an_application_does_not_work_is_said(house: House, workspace: Workspace) -> None:
    back_up(workspace)
    (house.path / "slow.py").write_text(_SLOW, encoding="utf-8")
    serving = {"start": [sys.executable, str(house.path / "slow.py")], "startup": "60s"}
    at_once = {"startup": "0s"}
    workspace = open_house(
        house,
        **drills(
            {"name": "silent", "command": ["true"]},
            {"name": "told", "command": ["sh", "-c", "test -d $APP_FOLDER && echo one && echo two"], "mask": False},
            {"name": "absent", "command": ["/nowhere/selftest"], **at_once},
            {"name": "wordless", "command": ["false"], **at_once},
            {"name": "slow", **serving, "contains": "welcome"},
            {"name": "unstarted", "start": ["/nowhere/serve"], "startup": "2s"},
            {"name": "ended", "start": ["sh", "-c", "echo no port >&2"], "startup": "2s"},
            {"name": "deaf", "start": ["sleep", "60"], "path": "/login", **at_once},
            {"name": "asked", "source": "app", "sql": "select count(*) from t", "min": 3},
            rto="1s",
        ),
        probes={},
    )
    drilled = run_drill(workspace, "total_loss")
    found = told(drilled)
    assert found["silent"] == "exit status 0" and found["told"] == "two"
    assert found["absent"].startswith("! ") and "/nowhere/selftest: No such file" in found["absent"]
    assert found["wordless"] == "! false exited with status 1"
    assert found["slow"] == "/ answered 200, 7 characters"
    assert found["unstarted"].startswith("! the application ended: ") and "/nowhere/serve" in found["unstarted"]
    assert found["ended"] == "! the application ended: no port"
    assert found["deaf"].startswith("! /login: ") and "refused" in found["deaf"]
    assert found["asked"].startswith("! 2")
    assert any(each.startswith("RTO of application crm: ") for each in drilled.report.missed)
    (row,) = workspace.ledger.recent(kind="drill", limit=1)
    assert "absent: selftest exited with status 127" in str(row.error)


@pytest.mark.parametrize("proved", [True, False])
def test_without_an_older_verified_backup_corruption_cannot_be_played(
    house: House, workspace: Workspace, proved: bool
) -> None:
    if not proved:
        back_up(workspace, prove=False)
    back_up(workspace)
    drilled = run_drill(workspace, "corruption")
    assert "app has no older verified restore point" in drilled.report.failure
    assert not drilled.report.groups and not drilled.report.passed


def test_what_a_drill_cannot_begin_with_is_said(house: House, workspace: Workspace) -> None:
    with pytest.raises(OpsError, match="no application is called 'shop'") as raised:
        run_drill(workspace, "total_loss", applications=["shop"])
    assert "app" in str(raised.value.why)
    with pytest.raises(OpsError, match="no server to stop"):
        run_drill(workspace, "outage")
    with pytest.raises(OpsError, match="no store holds a restore point of app"):
        run_drill(workspace, "random_restore_point")
    nothing = run_drill(workspace, "total_loss").report
    assert any("nothing of app survives in nas" in problem for problem in nothing.problems)
    assert "nothing was restored with standard tools only" in nothing.limits
    assert "no second identity" in run_drill(workspace, "lost_keys").report.failure
    at_home = open_house(house, offsite=False)
    assert "no store would be left after a loss" in run_drill(at_home, "total_loss").report.failure


def test_what_a_drill_did_not_prove_is_told(
    house: House, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.configure(fingerprint="off")
    workspace = open_house(house)
    back_up(workspace, prove=False)
    (path := tmp_path / "bin").mkdir()
    for name, script in {"unshare": "exit 1", "age": "exit 1"}.items():
        (path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (path / name).chmod(0o755)
    age = path / "age"
    monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
    (house.path / "nas" / ".drills").write_text("in the way of reports", encoding="utf-8")
    drilled = run_drill(workspace, "total_loss")
    report = drilled.report
    assert report.passed and not report.groups[0].sources[0].whole
    assert "less than everything was compared of app (restored, not compared)" in headline(report)
    assert any("no restore point that survives is known to be verified" in each for each in report.notes)
    assert "app cannot be restored with standard tools here: age is not installed" in report.limits
    assert list(drilled.not_copied) == ["nas"]
    age.unlink()
    by_hand = run_drill(workspace, "total_loss").report
    assert any("recover.sh ran with a network: this machine allows no namespace" in each for each in by_hand.limits)
    assert by_hand.by_hand[0].passed and "rows not known" in markdown(by_hand)
    back_up(workspace)
    back_up(workspace)
    lost = run_drill(workspace, "corruption").report.groups[0].sources[0].loss
    assert lost is not None and lost.rows is None


def test_a_script_that_does_not_restore_and_a_copy_that_cannot_be_are_told(house: House, workspace: Workspace) -> None:
    taken = back_up(workspace)
    (house.path / "pass").touch(mode=0o600)
    (house.path / "pass").write_text("correct horse battery staple", encoding="utf-8")
    sealing = Sealing("correct horse battery staple")
    make_kit(workspace, house.path / "ops.yaml", house.path / "kit", sealing, new_identity=False)
    (house.path / "kit" / "recover.sh").write_text("echo the script is gone >&2; exit 3\n", encoding="utf-8")
    kit = {"directory": "kit", "passphrase": {"file": "pass"}}
    workspace = open_house(house, drills={"kit": kit})
    failed = run_drill(workspace, "total_loss").report
    assert failed.by_hand[0].problems == ["recover.sh could not restore app: the script is gone"]
    assert not failed.passed and failed.groups[0].passed
    assert "second identity" in run_drill(workspace, "lost_keys").report.failure
    # Of a copy that is damaged, the result is what is wrong with it, and nothing of it is alive.
    (dump,) = (house.path / "nas").rglob("dump.tar*")
    flip_byte(dump)
    broken = run_drill(workspace, "total_loss").report
    assert not broken.passed and broken.groups[0].sources[0].backup_id == taken
    (row,) = workspace.ledger.recent(kind="drill", limit=1)
    assert row.status == "failed" and "drill total_loss failed" in str(row.error)
    with pytest.raises(CorruptCopy, match=r"report\.json cannot be read"):
        read_report(house.path)
    assert len(kept_reports(workspace.places)) == 3


def test_a_copy_that_is_known_to_be_damaged_is_told_before_it_is_tried(house: House, workspace: Workspace) -> None:
    back_up(workspace)
    (dump,) = (house.path / "nas").rglob("dump.tar*")
    flip_byte(dump)
    point = workspace.catalogue("app").newest
    assert point is not None and verify(workspace, point, store="nas").outcome == "bad"
    workspace = open_house(house, **drills())
    seed = next(n for n in range(99) if choose(workspace.catalogue, workspace.config.applications, n)[2] == "nas")
    report = run_drill(workspace, "random_restore_point", seed=seed).report
    assert not report.passed and "the copy in nas is known to be damaged" in report.notes
    assert report.stores == ["local", "nas"]


def test_a_report_is_written_in_the_language_of_the_file(house: House, workspace: Workspace) -> None:
    back_up(workspace)
    passing = {"name": "told", "command": ["true"]}
    failing = {"name": "wordless", "command": ["false"], "startup": "0s"}
    workspace = open_house(house, language="cs", **drills(passing, failing, rto="1s"))
    drilled = run_drill(workspace, "total_loss")
    written = {each: (drilled.directory / each).read_text("utf-8") for each in ("report.md", "report.html")}
    assert written["report.md"].startswith(f"# Cvičení obnovy po havárii {drilled.report.id}: total_loss")
    assert "SELHALO: crm: wordless: false exited with status 1" in written["report.md"] == drilled.written
    assert '<html lang="cs">' in written["report.html"] and "Časová osa" in written["report.html"]
    kept = read_report(drilled.directory)
    assert kept.timeline[0].what == f"drill {kept.id} begins: total_loss", "programs read English"
    page = html(drilled.report, PSEUDO)
    assert "\n".join(left_over(page, _NAMES)) == ""


def test_a_report_tells_an_outage_and_every_target_that_was_missed() -> None:
    at = datetime(2026, 11, 21, tzinfo=timezone.utc)
    detections = [Detection(by="probe", after_s=1.5, what="no answer"), Detection(by="alert")]
    for outage, said in (
        (Outage(source="crm", sacrificial=True, detections=detections), ["a sacrificial server", "delivered | no"]),
        (Outage(source="crm", sacrificial=False, down_s=9.0, recovered_s=4.0, resolved=True, detections=detections),
         ["stopped by the user's command", "real server down for | 9.0 s", "after | 4.0 s", "delivered | yes"]),
    ):  # fmt: skip
        loss = Loss(minutes=5, against="another", rows=None, tables={"t": 0, "u": -2})
        source = SourceResult(
            source="crm", kind="postgres", took_s=90, rto_s=60, rpo_s=60, rows=None, slower=["load was"], loss=loss
        )
        group = GroupResult(name="crm", sources=[source], took_s=90, rto_s=60)
        report = Report(
            id="x", scenario="outage", started_by="me", host="h", product="p", python="3", started_at=at,
            finished_at=at + timedelta(hours=1), disaster_at=at, stores=[], kit="none", seed=7, groups=[group],
            outage=outage,
        )  # fmt: skip
        page = markdown(report)
        for each in (*said, "noticed by probe after | 1.5 s (no answer)", "noticed by alert after | never", "seed | 7"):
            assert each in page, each
        assert "another: t changed, u -2" in page and "not known" in page and "crm: load was" in page
        assert "FAILED" not in headline(report) and "partly" not in page
        assert not Report.model_validate({**report.model_dump(), "groups": []}).passed
