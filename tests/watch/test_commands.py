"""`ops alerts` and the sensor: what a user types, what Dagster ticks, and what the receivers get of it."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from ops_pipelines.backup.take import take_backup
from ops_pipelines.cli.main import app
from ops_pipelines.config.load import load_config
from ops_pipelines.errors import OpsError
from ops_pipelines.orchestration.build import definitions_of
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.workspace import Workspace
from tests.sample import watched_for_long
from tests.watch.conftest import MakeHouse
from tests.watch.receivers import Answer, Mailbox, Webhook
from tests.watch.test_delivery import mail_url

Ops = Callable[..., Result]


@pytest.fixture
def ops(tmp_path: Path) -> Ops:
    """Type `ops alerts …` in the house."""

    def typed(*words: str) -> Result:
        return CliRunner().invoke(app, ["alerts", *words, "--config", str(tmp_path / "ops.yaml")])

    return typed


def test_test_sends_through_each_channel_and_says_what_came_back(
    make_house: MakeHouse, hook: Webhook, post: Mailbox, ops: Ops
) -> None:
    make_house({"slack": hook.url, "mail": mail_url(post)})
    done = ops("test")
    assert done.exit_code == 0
    assert "slack: 200 ok" in done.output
    assert "mail: accepted for a@example.com" in done.output
    assert hook.texts == ["[OPS] TEST this machine: test of channel slack"]
    assert post.subjects == ["[OPS] TEST this machine: test of channel mail"]
    hook.always = Answer(404, "no_service")
    done = ops("test", "--json")
    assert done.exit_code == 2
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert [(each["channel"], each["ok"]) for each in found["channels"]] == [("slack", False), ("mail", True)]
    assert "404 no_service" in found["channels"][0]["answer"]
    assert ops("test", "--channel", "mail").exit_code == 0
    assert ops("test", "--channel", "pager").exit_code == 2


def test_nobody_to_tell_is_an_error_that_says_what_to_write(make_house: MakeHouse, ops: Ops) -> None:
    make_house({})
    done = ops("test")
    assert done.exit_code == 2
    assert "no alert is sent" in done.output
    assert "ALERT_SLACK_WEBHOOK" in done.output


def test_run_tells_and_list_shows_and_ack_and_mute_are_kept(make_house: MakeHouse, hook: Webhook, ops: Ops) -> None:
    watched_for_long(Workspace(make_house({"slack": hook.url}).config))
    assert ops("list").exit_code == 0
    done = ops("run")
    assert done.exit_code == 2
    assert "slack: [OPS] FAIL crm: RPO broken" in done.output
    assert hook.texts == ["[OPS] FAIL crm: RPO broken"]
    done = ops("list")
    assert done.exit_code == 2
    assert "never backed up" in done.output
    assert ops("ack", "forge").exit_code == 2
    assert ops("ack", "crm").exit_code == 0
    assert ops("mute", "crm", "--for", "4h", "--reason", "server moves").exit_code == 0
    assert ops("mute", "nosuch").exit_code == 2
    assert ops("mute", "crm", "--for", "long").exit_code == 2
    found = json.loads(ops("list", "--json").stdout)
    assert [(each["source"], each["rule"], bool(each["acked_by"])) for each in found["open"]] == [("crm", "rpo", True)]
    assert [(each["source"], each["reason"]) for each in found["mutes"]] == [("crm", "server moves")]
    assert found["outbox"] == {"depth": 0, "last_error": None}
    assert ops("unmute", "crm").exit_code == 0
    assert ops("unmute", "crm").exit_code == 2


def test_what_cannot_be_delivered_is_seen_by_whoever_runs_it(make_house: MakeHouse, hook: Webhook, ops: Ops) -> None:
    watched_for_long(Workspace(make_house({"slack": hook.url}).config))
    hook.always = Answer(410, "channel_is_archived")
    done = ops("run", "--json")
    assert done.exit_code == 2
    found = json.loads(done.stdout)
    assert (found["depth"], found["sent"]) == (1, [])
    assert "channel_is_archived" in found["failed"][0][1]
    assert "not yet delivered" in ops("list").output
    assert "outbox: 1 waiting (slack: answered 410" in ops("list").output


def test_the_old_name_of_the_webhook_alone_makes_a_channel(
    make_house: MakeHouse, hook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_house({})
    document = json.loads((tmp_path / "ops.yaml").read_text(encoding="utf-8"))
    del document["alerts"]
    (tmp_path / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setenv("ALERT_SLACK_WEBHOOK", hook.url)
    config = load_config(tmp_path / "ops.yaml")
    assert list(config.alerts.channels) == ["slack"]
    assert config.alerts.channels["slack"].reveal(purpose="test") == hook.url


def test_the_sensor_tells_of_a_failed_dump_and_of_its_end(make_house: MakeHouse, hook: Webhook) -> None:
    house = Workspace(make_house({"slack": hook.url}).config)
    repository = definitions_of(Installation(house)).get_repository_def()
    sensor = repository.get_sensor_def("alert_watch")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING

    def tick() -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, repository_def=repository)
            assert isinstance(sensor(context), dg.SkipReason)

    with pytest.raises(OpsError):
        take_backup(house, "crm")
    began = time.monotonic()
    tick()
    print(f"{time.monotonic() - began:.3f} s from the failed dump to the receiver, beside the wait for the tick")
    assert "[OPS] FAIL crm: dump failed" in hook.texts
    told = len(hook.texts)
    tick()
    assert len(hook.texts) == told
    with house.ledger.activity("dump", source="crm"):
        pass
    tick()
    assert hook.texts[-1].startswith("[OPS] OK crm: dump failed: recovered after")
