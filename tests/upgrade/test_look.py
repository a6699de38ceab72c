"""`ops upgrade --check` says what an upgrade in place changes of what an earlier release left, and changes nothing."""

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops_pipelines.cli.main import app
from ops_pipelines.ledger.ledger import HEAD
from tests.upgrade.make import NAME, RELEASES, lived_in, opened
from tests.upgrade.test_newer import write_newer
from tests.upgrade.test_older import LEDGERS, of_text


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house of this release's formats, without a ledger."""
    shutil.copytree(RELEASES / NAME, tmp_path / "house")
    (tmp_path / "house/ledger.url").touch(mode=0o600)
    (tmp_path / "house/ledger.url").write_text(f"sqlite:///{tmp_path}/house/ledger.sqlite", encoding="utf-8")
    return tmp_path / "house"


def bytes_of(house: Path) -> dict[str, str]:
    """Every file, but what SQLite itself keeps beside an open database."""
    files = (path for path in house.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal")))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def asked(house: Path, expect: int) -> dict[str, Any]:
    """What it says of each thing."""
    before = bytes_of(house)
    done = CliRunner().invoke(app, ["upgrade", "--check", "--json", "--config", str(house / "ops.yaml")])
    assert done.exit_code == expect, done.output
    assert bytes_of(house) == before
    return {each["what"]: each for each in json.loads(done.stdout)["findings"]}


@pytest.mark.parametrize("ledger", LEDGERS, ids=lambda each: each.stem)
def test_a_ledger_of_each_earlier_release_is_told_with_the_steps_that_come(house: Path, ledger: Path) -> None:
    of_text(ledger, house / "ledger.sqlite")
    found = asked(house, expect=1)
    assert (found["ledger"]["found"], found["ledger"]["state"]) == (ledger.stem, "changes")
    assert HEAD in found["ledger"]["said"]
    assert [found[f"manifests in {store}"]["state"] for store in ("local", "nas")] == ["same"] * 2


def test_what_is_of_this_release_stays_and_what_is_newer_is_refused(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_text(house / "ledger.sqlite.sql", house / "ledger.sqlite")
    assert {each["state"] for each in asked(house, expect=0).values()} == {"same"}
    monkeypatch.setenv("RETENTION_DAYS", "14")
    assert "keep.daily" in asked(house, expect=0)["RETENTION_DAYS"]["said"]
    with sqlite3.connect(house / "ledger.sqlite") as database:
        database.execute("update alembic_version set version_num = '9999'")
    assert asked(house, expect=2)["ledger"]["state"] == "newer"


def test_a_manifest_of_a_newer_release_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    lived_in(tmp_path, url)
    lived = opened(tmp_path, url)
    write_newer(lived, lived.catalogue("crm").points[-1].id, sums=True)
    assert {each["state"] for what, each in asked(tmp_path, expect=2).items() if what.startswith("store ")} == {"newer"}
