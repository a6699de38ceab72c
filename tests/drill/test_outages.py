"""Outages of a real server, by the user's own commands, and drills that are killed: nothing stays down, or behind."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops_pipelines.drill.run import run_drill
from ops_pipelines.drill.watch import RULE
from ops_pipelines.engines.postgres.server import initialise, unprivileged
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.models import Incident
from ops_pipelines.sweeping import sweep
from ops_pipelines.watch.alerts.watch import watch_once
from tests.conftest import PASSWORD, TestServer
from tests.drill.conftest import House, build
from tests.drill.kills import drilling as begun
from tests.drill.kills import kill_one
from tests.end_to_end.conftest import OPS, PROJECT
from tests.end_to_end.test_monitoring import free, running
from tests.watch.outside import listener
from tests.watch.receivers import Webhook


@dataclass
class Production:
    """A server that is stopped and started by commands, as its owner would."""

    directory: Path
    port: str
    control: list[str]
    url: str = field(repr=False)

    @property
    def start(self) -> list[str]:
        """The command that starts it, and returns."""
        log = ["-l", str(self.directory / "log")]
        return [*self.control, *log, "-o", f"-p {self.port} -k {self.directory} -c fsync=off", "--wait", "start"]

    @property
    def stop(self) -> list[str]:
        """The command that stops it."""
        return [*self.control, "--mode=immediate", "--wait", "stop"]

    def is_up(self) -> bool:
        """Whether its process lives."""
        return subprocess.run([*self.control, "status"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory, pg18: TestServer) -> Iterator[Production]:
    """A server with a database that stands for production."""
    directory = tmp_path_factory.mktemp("production")
    initialise(pg18.programs, directory / "data", superuser="boss", password=PASSWORD)
    port = free().rpartition(":")[2]
    control = [*unprivileged(), str(pg18.programs.path("pg_ctl")), "-D", str(directory / "data")]
    login = pg18.superuser.at(dbname="postgres", host=str(directory), port=port)
    found = Production(directory, port, control, login.url())
    subprocess.run(found.start, check=True, stdout=subprocess.DEVNULL)
    yield found
    subprocess.run(found.stop, check=False, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, pg18: TestServer) -> House:
    """A house that was backed up once."""
    store = {"kind": "directory", "path": "far", "offsite": True}
    return build(tmp_path_factory.mktemp("house"), pg18, "nowhere yet", store, sys.executable, backups=1)


@pytest.fixture
def house(built: House, tmp_path: Path, production: Production, channel: Webhook) -> House:
    """A copy of it, whose CRM lives on that server; alerting has a channel."""
    path = tmp_path / "house"
    shutil.copytree(built.path, path)
    (path / "url").write_text(production.url, encoding="utf-8")
    (path / "hook").write_text(channel.url, encoding="utf-8")
    return House(path, built.server, built.database)


def allow(house: House, production: Production, *, allowed: bool = True, start: list[str] | None = None) -> None:
    """Put the commands into `ops.yaml`."""
    sources = json.loads((house.path / "ops.yaml").read_text("utf-8"))["sources"]
    commands = {"stop": production.stop, "start": start or production.start, "allow_outage": allowed}
    sources["crm"]["drill"] = commands
    house.change(sources=sources)


@contextmanager
def prometheus(house: House) -> Iterator[str]:
    """`ops serve` and a Prometheus with the committed rules, in seconds instead of minutes; yields its address."""
    (house.path / "token").write_text("canary-of-the-scrape", encoding="utf-8")
    house.change(web={"token": {"file": "token"}})
    folder = house.path / "prometheus"
    (folder / "rules").mkdir(parents=True)
    rules = yaml.safe_load((PROJECT / "deploy/monitoring/rules/ops.yml").read_text("utf-8"))
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule.pop("for", None)
    (folder / "rules" / "ops.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    argv = [OPS, "serve", "--port", "0", "--config", house.path / "ops.yaml"]
    with running(argv, r"http://([^ /\"]+)/") as ops:
        scraped = {"job_name": "ops", "static_configs": [{"targets": [ops]}],
                   "authorization": {"type": "Bearer", "credentials_file": str(house.path / "token")}}  # fmt: skip
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        document = {"global": every, "rule_files": ["rules/ops.yml"], "scrape_configs": [scraped]}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
        words = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        with running([*words, "--web.listen-address", address := free()], r"Server is ready to receive()"):
            yield f"http://{address}"


def test_a_real_outage_is_noticed_by_everybody_who_is_configured_and_production_comes_back(
    house: House, production: Production, channel: Webhook
) -> None:
    allow(house, production)
    with listener() as sentry, prometheus(house) as url:
        (house.path / "dsn").write_text(sentry.dsn, encoding="utf-8")
        drills = json.loads((house.path / "ops.yaml").read_text("utf-8"))["drills"]
        house.change(probes={}, sentry={"dsn": {"file": "dsn"}}, drills={**drills, "prometheus": url})
        drilled = run_drill(house.workspace(), "outage")
    assert drilled.report.passed, drilled.report.problems
    outage = drilled.report.outage
    assert outage is not None and not outage.sacrificial and outage.resolved
    found = {each.by: each for each in outage.detections}
    print(outage)
    assert set(found) == {"probe", "alert", "sentry", "prometheus"}
    assert all(each.after_s is not None for each in outage.detections)
    assert (found["alert"].what, found["prometheus"].what) == ("slack", "OpsServerDown")
    assert outage.down_s is not None and outage.recovered_s is not None and outage.down_s < outage.recovered_s
    assert [each["message"][:6] for each in sentry.of("event")] == ["DRILL:"]
    assert "crm: postgres does not answer" in channel.texts[0] and "OK crm" in channel.texts[1]
    assert production.is_up() and house.leftovers() == []


def test_without_allow_outage_a_real_server_is_not_stopped(house: House, production: Production) -> None:
    allow(house, production, allowed=False)
    done = subprocess.run([OPS, "drill", "outage", "--config", house.path / "ops.yaml"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 3 and "allow_outage is not true" in done.stderr
    assert production.is_up() and not house.workspace().ledger.recent(kind="drill")


@pytest.mark.daily(0)
def test_a_drill_that_is_stopped_or_killed_in_an_outage_leaves_no_server_down(
    house: House, production: Production, channel: Webhook
) -> None:
    allow(house, production)
    channel.always.status = 500  # nobody takes the alert: the drill waits, with the server down
    for number, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        with drilling(house, lambda: alarms(house)) as process:
            assert not production.is_up()
            process.send_signal(number)
            assert process.wait(180) == status
        assert production.is_up() is (number == signal.SIGINT)
    workspace = house.workspace()
    watch_once(workspace)  # what the alert sensor does twice a minute
    assert production.is_up() and not list(workspace.places.outages.glob("*/"))
    assert "died" in str(workspace.ledger.recent(kind="drill")[0].error)
    assert not alarms(house)


def test_a_server_that_does_not_start_again_is_told_until_it_does(
    house: House, production: Production, channel: Webhook
) -> None:
    broken = house.path / "broken"
    broken.touch()
    command = " ".join(f"'{word}'" for word in production.start)
    allow(
        house, production, start=["sh", "-c", f"test ! -e {broken} || {{ echo no such unit >&2; exit 5; }}; {command}"]
    )
    drilled = run_drill(house.workspace(), "outage")
    assert "does NOT start again" in drilled.report.failure and "no such unit" in drilled.report.failure
    workspace = house.workspace()
    assert any("crm is down" in each.what for each in sweep(workspace))
    watch_once(workspace)
    assert any("CRITICAL crm: stopped by a drill that died" in text for text in channel.texts), channel.texts
    broken.unlink()
    watch_once(house.workspace())
    assert production.is_up() and any("OK crm: stopped by a drill" in text for text in channel.texts)


@pytest.mark.daily(0)
def test_a_drill_killed_in_any_phase_leaves_nothing_after_the_next_start(house: House) -> None:
    with begun(house, "total_loss") as process:
        began = time.monotonic()
        assert process.wait() == 0
        lasts_s = time.monotonic() - began
    chance = random.Random(29)
    kills = [kill_one(house, "total_loss", lasts_s * (number + chance.random()) / 4) for number in (1, 2)]
    assert any(kill.before for kill in kills), kills  # else nothing was shown
    assert all(not kill.left for kill in kills), kills


def alarms(house: House) -> list[Incident]:
    """The open incidents that a drill has raised."""
    return [row for row in AlertLedger(house.workspace().ledger).open_incidents() if row.rule == RULE]


@contextmanager
def drilling(house: House, until: Callable[[], Any]) -> Iterator["subprocess.Popen[bytes]"]:
    """`ops drill outage` in a terminal of its own, from the moment at which something holds."""
    # What runs the tests may have been started in the background, where Ctrl-C is ignored.
    argv = ["env", "--default-signal=INT", OPS, "drill", "outage", "--config", str(house.path / "ops.yaml")]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as process:
        try:
            deadline = time.monotonic() + 180
            while not until():
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            yield process
        finally:
            process.kill()
