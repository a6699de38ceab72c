"""A database server whose clock is days off: ages are told by our own clock, and the proof is the same."""

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.clock import UTC
from ops_pipelines.recovery.verify import verify
from tests.conftest import MakeWorkspace, start_server

_FAKE = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.mark.skipif(_FAKE is None, reason="faketime is not installed")
@pytest.mark.parametrize("off", ["+2d", "-2d"])
def test_a_server_whose_clock_is_two_days_off_is_backed_up_and_aged_by_ours(
    off: str, tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    env = {"LD_PRELOAD": str(_FAKE), "FAKETIME": off, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with start_server(18, tmp_path, env=env) as server:
        [(epoch,)] = server.sql("select extract(epoch from now())")
        assert abs(abs(float(epoch) - time.time()) - 2 * 86400) < 3600
        name = server.new_database()
        server.sql("create table t (at timestamptz)", "insert into t values (now())", database=name)
        made = make_workspace(server.url(name))
        manifest = take_backup(made.workspace, "crm")
    assert timedelta(0) <= datetime.now(UTC) - manifest.snapshot_at < timedelta(minutes=10)
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(made.workspace, point)
    assert (verdict.outcome, verdict.gaps) == ("verified", []), verdict.reason
    assert all(value >= 0 for value in verdict.seconds.values())
