"""A house that has lived: backups, a proof, one that failed, deletions, an alert, a drill, a killed attempt."""

import json
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.clock import UTC
from ops_pipelines.drill.run import run_drill
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.watch.alerts.watch import watch_once
from tests.faults.house import House, build
from tests.faults.protected import protect
from tests.watch.receivers import webhook

_KILLED = textwrap.dedent("""
    import signal, sys
    from ops_pipelines.ledger.ledger import Ledger
    with Ledger(sys.argv[1]).activity("dump", source="crm"):
        print("begun", flush=True)
        signal.pause()
""")


@pytest.fixture(scope="session")
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """A house with everything in it that a bundle tells of. Nobody changes it; a bundle is written elsewhere."""
    with webhook() as channel, tempfile.TemporaryDirectory(prefix="ops-evidence-") as place:
        path = Path(place)
        house = build(path, protect("sqlite", request, path / "data"), channel)
        _live(house)
        yield house


def _live(house: House) -> None:
    workspace = house.workspace()
    for _ in range(4):
        house.protected.change()
        take_backup(workspace, "crm")
    copy_to(workspace, house.newest(), "nas")
    assert verify(workspace, house.newest()).outcome == "verified"
    (pruned,) = prune(workspace, ["crm"], apply=True)
    assert [len(each.deleted) for each in pruned.stores] == [1, 0]
    assert run_drill(workspace, "random_restore_point", seed=1).report.passed
    assert restore_to(workspace, house.newest(), house.protected.beside("again")).good
    take_backup(workspace, "crm")
    copy_to(workspace, house.newest(), "nas")
    part = max((house.path / "nas/crm" / house.newest().id).glob("*.age"), key=lambda each: each.stat().st_size)
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    assert verify(workspace, house.newest(), store="nas").outcome == "bad"
    (refused,) = prune(workspace, ["crm"], apply=True)
    assert refused.refused
    assert watch_once(workspace).sent
    kill_an_attempt(house)


def kill_an_attempt(house: House) -> None:
    """A dump whose process dies at work; nobody has written down its end."""
    argv = [sys.executable, "-c", _KILLED, f"sqlite:///{house.base / 'ledger.sqlite'}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.kill()


def days(house: House) -> tuple[date, date]:
    """The period in which everything happened, and the days around it: midnight may have come meanwhile."""
    today = house.workspace().clock.now().astimezone(UTC).date()
    return today - timedelta(days=1), today


@pytest.fixture(scope="session")
def written(house: House) -> Path:
    """A bundle of everything, as `ops evidence` writes it. Nobody changes it: `bundle` is a copy."""
    first, last = days(house)
    folder = house.path / "bundle"
    done = house.ops("evidence", "--from", str(first), "--to", str(last), "--out", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def said(house: House, folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """What `ops evidence --check` says of a bundle."""
    done = house.ops("evidence", "--check", str(folder), "--json", *options)
    return done.returncode, json.loads(done.stdout)
