"""The digest: when it is sent and how often, which way it goes, and what it says."""

import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops_pipelines.cli.main import app
from ops_pipelines.config.load import load_config
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.proof import Gap
from ops_pipelines.redact import register
from ops_pipelines.watch.alerts.summary import last_tick, put_if_due, summary_message
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.metrics import exposition
from ops_pipelines.watch.snapshots import look
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.watch.conftest import MakeHouse
from tests.watch.past import DAY, HOUR, Past
from tests.watch.receivers import Answer, Mailbox, Webhook
from tests.watch.test_delivery import mail_url

NOW = datetime(2026, 11, 21, 2, tzinfo=timezone.utc)
DAILY = {"digest": {"every": "daily"}}
UNSEEN = "[OPS] WARN nobody knows whether 1 of 1 sources can be restored: crm"


def digests(house: Workspace) -> list[str]:
    """The keys of those in the outbox, oldest first."""
    return [row.key for row in reversed(AlertLedger(house.ledger).outbox()) if row.event == "summary"]


def test_it_comes_at_its_time_and_not_before_and_once(
    make_house: MakeHouse, hook: Webhook, clock: StoppedClock
) -> None:
    house = make_house({"slack": hook.url}, **DAILY)
    watch_once(house)  # at 2:00; that of yesterday is not made up for
    clock.at = NOW.replace(hour=6, minute=59)
    watch_once(house)
    assert digests(house) == []
    for minute in (0, 1, 30):
        clock.at = NOW.replace(hour=7, minute=minute)
        watch_once(house)
    assert digests(house) == ["summary/2026-11-21T07:00Z"]
    assert hook.texts.count(UNSEEN) == 1
    clock.at += 3 * DAY  # nobody was there meanwhile
    watch_once(house)
    watch_once(house)
    assert digests(house) == ["summary/2026-11-21T07:00Z", "summary/2026-11-24T07:00Z"]


def test_whoever_finds_it_due_first_sends_it(
    make_house: MakeHouse, hook: Webhook, clock: StoppedClock, ledger_url: str
) -> None:
    house = make_house({"slack": hook.url}, ledger=ledger_url, **DAILY)
    put_if_due(house.config, house.ledger, NOW)
    gate, put = threading.Barrier(4), list[bool]()

    def daemon() -> None:
        own = Workspace(house.config, StoppedClock(NOW + 6 * HOUR))
        gate.wait()
        put.append(put_if_due(own.config, own.ledger, own.clock.now()))

    threads = [threading.Thread(target=daemon) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(put) == [False, False, False, True]
    assert digests(house) == ["summary/2026-11-21T07:00Z"]


def test_what_no_channel_takes_waits_and_is_not_lost(make_house: MakeHouse, hook: Webhook, clock: StoppedClock) -> None:
    house = make_house({"slack": hook.url}, **DAILY)
    watch_once(house)
    hook.always = Answer(410, "channel_is_archived")
    clock.at = NOW.replace(hour=7)
    assert watch_once(house).depth > 0
    assert UNSEEN not in [subject for subject, _channel in watch_once(house).sent]
    hook.always = Answer()
    clock.at += HOUR
    assert (UNSEEN, "slack") in watch_once(house).sent


def test_it_goes_its_own_way_and_says_what_was_proved_and_what_was_not(
    make_house: MakeHouse, hook: Webhook, post: Mailbox, clock: StoppedClock
) -> None:
    register("hunter2-hunter2")
    sent = {"digest": {"every": "weekly", "route": ["mail"]}}
    house = make_house({"slack": hook.url, "mail": mail_url(post)}, sources=("crm", "forge"), **sent)
    watch_once(house)
    clock.at = datetime(2026, 11, 23, 7, tzinfo=timezone.utc)
    past = Past(house, clock)
    past.failed("crm", 30 * HOUR)
    for hours in range(10 * 24, 0, -24):
        past.backed_up("crm", hours * HOUR - 5 * HOUR, size=10_000_000 - hours * 10_000, real=hours == 24)
    gap = Gap(
        what="table audit_log", why="permission denied for hunter2-hunter2", cure="grant select on audit_log to x"
    )
    past.backed_up("forge", 2 * HOUR, gaps=[gap], real=True)
    past.backed_up("forge", 50 * HOUR, outcome="bad")
    look(house)
    watch_once(house)
    assert "look at forge" not in " ".join(hook.texts)
    (letter,) = [each for each in post.letters if "restored" in str(each["Subject"])]
    assert letter["Subject"] == "[OPS] WARN every source can be restored, look at forge"
    said = letter.get_content()
    assert "proved since 2026-11-16 07:00 UTC:" in said
    assert "crm: verified, recovery point 19h 00m old (RPO 1d 0h); dumped 7 ×, proved 7 ×" in said
    assert "crm: 1 dump failed" in said and "in nas: bad" in said
    assert "table audit_log: permission denied for " in said and "hunter2" not in said
    assert "crm: 9.3 MiB (+2.1 MiB) ▁▂▃▃▄▅▆▆▇█" in said
    assert "next: random_restore_point at 2026-11-29 04:00 UTC" in said
    assert "last: never drilled" in said
    assert "error forge: verify failed, for " in said and "[OPS] digest phase=alerts severity=warn" in said


def test_slack_gets_the_same_in_blocks(make_house: MakeHouse, hook: Webhook, clock: StoppedClock) -> None:
    house = make_house({"slack": hook.url}, **DAILY)
    message = summary_message(house.config, house.ledger, NOW - DAY, NOW)
    body = message.slack
    blocks = str(body["blocks"])
    assert body["text"] == UNSEEN
    assert "*proved since 2026-11-20 02:00 UTC*" in blocks and "• crm: nothing was ever proved" in blocks


def test_all_is_well_is_told_too(make_house: MakeHouse, hook: Webhook, clock: StoppedClock) -> None:
    house = make_house({"slack": hook.url}, **DAILY)
    Past(house, clock).backed_up("crm", HOUR, real=True)
    look(house)
    message = summary_message(house.config, house.ledger, NOW - DAY, NOW)
    assert message.subject == "[OPS] OK every source can be restored: each was restored and compared"
    assert dict(message.sections)["not proved, or to look at"] == ("nothing",)


def test_it_is_no_rule_that_prometheus_waits_for(make_house: MakeHouse, hook: Webhook) -> None:
    house = make_house({"slack": hook.url}, **DAILY)
    watch_once(house)
    told = exposition(house)
    assert 'ops_alerts_evaluation_timestamp_seconds{part="attempts"}' in told and "summary" not in told
    assert AlertLedger(house.ledger).open_incidents() is not None


@pytest.mark.parametrize(
    ("every", "at"),
    [("0 7 * * *", "2026-11-20 07:00"), ("0 7 * * 1", "2026-11-16 07:00"), ("0 7 1 * *", "2026-11-01 07:00")],
)
def test_the_last_time_that_came(every: str, at: str) -> None:
    found = last_tick(every, "UTC", NOW)
    assert found is not None and f"{found:%Y-%m-%d %H:%M}" == at


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ("digest: {every: daily}", "a digest needs a channel"),
        ("channels: {mail: {env: X}}, digest: {route: [pager]}", "no channel is called 'pager'"),
        ("channels: {mail: {env: X}}, digest: {every: hourly}", "a cron line of five fields"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, alerts: str, said: str) -> None:
    (tmp_path / "ops.yaml").write_text(
        f"base: b\nsources: {{crm: {{kind: postgres, url: {{env: U}}}}}}\nalerts: {{{alerts}}}\n", encoding="utf-8"
    )
    with pytest.raises(OpsError) as error:
        load_config(tmp_path / "ops.yaml", environ={})
    assert said in str(error.value)


def test_the_command_prints_it_or_sends_it_at_once(make_house: MakeHouse, hook: Webhook, tmp_path: Path) -> None:
    house = Workspace(make_house({"slack": hook.url}, **DAILY).config)

    def ops(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["alerts", "digest", *words, "--config", str(tmp_path / "ops.yaml")])
        return done.exit_code, done.output

    status, said = ops("--print")
    assert status == 0 and said.startswith("[OPS] ") and "proved since" in said and hook.texts == []
    status, said = ops()
    assert status == 0 and "slack: [OPS] " in said and len(hook.texts) == 1
    hook.always = Answer(410, "channel_is_archived")
    status, said = ops()
    assert status == 2 and "it waits in the outbox" in said
    assert AlertLedger(house.ledger).depth() == 1
    make_house({})
    assert ops()[0] == 2
