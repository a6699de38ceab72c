"""Our own daemon is silent: whoever does not need it tells of it, and of its return."""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from typer.testing import CliRunner

from ops_pipelines.cli.main import app
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.snapshots import look
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.watch.conftest import MakeHouse
from tests.watch.receivers import Webhook

OPS = Path(sys.executable).with_name("ops")
SILENT = "[OPS] CRITICAL this machine: Dagster's daemon is silent: nothing is backed up, nothing is watched"


def test_a_silent_daemon_is_told_by_cron_by_the_command_line_and_by_the_web_server(
    make_house: MakeHouse, hook: Webhook, tmp_path: Path
) -> None:
    house = Workspace(make_house({"slack": hook.url}).config)

    def ops(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*words, "--config", str(tmp_path / "ops.yaml")])
        return done.exit_code, done.output

    ops("alerts", "run")
    assert SILENT not in hook.texts, "where no daemon ever looked, cron does its work"
    an_hour_ago = StoppedClock(house.clock.now() - timedelta(hours=1))
    look(Workspace(house.config, an_hour_ago), watching=True)
    status, said = ops("status")
    assert status == 2
    assert "Dagster's daemon is silent" in said
    assert "it last looked 1h 0" in said
    assert "1h 0" in json.loads(ops("status", "--json")[1])["daemon_silent"]["cause"]
    watch_once(house, inside=True)
    assert SILENT not in hook.texts, "a daemon that begins to look again does not tell of itself"

    argv = [OPS, "serve", "--port", "0", "--config", tmp_path / "ops.yaml"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"]}) as server:
        try:
            deadline = time.monotonic() + 60
            while SILENT not in hook.texts:
                assert server.poll() is None and time.monotonic() < deadline, hook.texts
                time.sleep(0.05)
        finally:
            server.terminate()
            server.communicate()
    assert server.returncode == 0
    ops("alerts", "run")
    assert hook.texts.count(SILENT) == 1, "one incident, whoever looks"
    look(house, watching=True)
    ops("alerts", "run")
    assert hook.texts[-1].startswith("[OPS] OK this machine: Dagster's daemon is silent")
    assert json.loads(ops("status", "--json")[1])["daemon_silent"] is None
