"""No alert is lost: whoever watches is killed anywhere between the rule and the delivery, again and again."""

import json
import multiprocessing
import os
import random
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.ledger import LedgerError
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.workspace import Workspace
from tests.faults.conftest import House
from tests.sample import watched_for_long
from tests.watch.conftest import ledger_url as ledger_url  # noqa: PLC0414
from tests.watch.receivers import Answer, Webhook, webhook

KILLS = int(os.environ.get("OPS_TEST_ALERT_KILLS", "12"))
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["ops_pipelines.watch.alerts.watch", "sqlalchemy.dialects.postgresql.psycopg", "psycopg"])


def watched_house(directory: Path, hook: Webhook, ledger: str) -> Workspace:
    """Sources that nobody can reach, each with a failure of its own to come."""
    for name, secret in {"hook": hook.url, "source": "postgresql://127.0.0.1:1/x", "ledger.url": ledger}.items():
        (directory / name).touch(mode=0o600)
        (directory / name).write_text(secret, encoding="utf-8")
    document = {
        "base": "base",
        "ledger": {"file": "ledger.url"},
        # Each is told by itself: a list of very many ends with how many more there are.
        "alerts": {"channels": {"slack": {"file": "hook"}}, "digest_above": KILLS},
        "sources": {f"s{number}": {"kind": "postgres", "url": {"file": "source"}} for number in range(KILLS)},
    }
    (directory / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    return Workspace(load_config(directory / "ops.yaml", environ={}))


def fail(house: Workspace, number: int) -> None:
    with house.ledger.activity("dump", source=f"s{number}") as entry:
        entry.fail("connection refused")


def watch(house: Workspace) -> None:
    watch_once(house, within=timedelta(minutes=5))


def test_no_alert_is_lost_when_the_watcher_is_killed_at_any_moment(tmp_path: Path, ledger_url: str) -> None:
    chance = random.Random(7)
    with webhook() as hook:
        house = watched_house(tmp_path, hook, ledger_url)
        now = house.clock.now()
        # That none of them was ever backed up would be a storm of its own.
        AlertLedger(house.ledger).mute(
            source=None, rule="rpo", until=now + timedelta(days=1), by="test", reason="", at=now
        )
        killed = 0
        for number in range(KILLS):
            fail(house, number)
            watcher = FORK.Process(target=watch, args=(Workspace(house.config),))
            watcher.start()
            before = len(hook.bodies)
            # Half of them die while something is being delivered, half at any moment from their first breath on.
            if number % 2:
                while watcher.is_alive() and len(hook.bodies) == before:
                    time.sleep(0.0005)
                time.sleep(chance.uniform(0, 0.01))  # the moment of the kill is the experiment
            else:
                time.sleep(chance.uniform(0, 0.6))  # the moment of the kill is the experiment
            killed += watcher.is_alive()
            watcher.kill()
            watcher.join()
        watch(house)
        assert AlertLedger(house.ledger).depth() == 0
        seen = Counter(hook.texts)
    expected = {f"[OPS] FAIL s{number}: dump failed" for number in range(KILLS)}
    lost, twice = expected - set(seen), sum(seen.values()) - len(seen)
    print(f"{killed} of {KILLS} killed in mid-work, {len(lost)} alerts lost, {twice} told twice")
    assert lost == set()
    assert killed >= KILLS / 3
    # Only a kill between the channel's answer and our commit tells something twice: never more than one message each.
    assert twice <= killed
    assert [row.open_key for row in AlertLedger(house.ledger).open_incidents()].count("dump_failed/s0/") == 1


def test_a_message_that_a_killed_process_was_sending_is_sent_by_the_next_at_once(
    tmp_path: Path, ledger_url: str
) -> None:
    asked, over = threading.Event(), threading.Event()
    with webhook() as hook:
        house = watched_house(tmp_path, hook, ledger_url)
        fail(house, 0)
        hook.answers = [Answer(500, "never seen", wait=lambda: (asked.set(), over.wait()))]
        watcher = FORK.Process(target=watch, args=(Workspace(house.config),))
        watcher.start()
        try:
            assert asked.wait(60)
            watcher.kill()
            watcher.join()
            watch(house)
        finally:
            over.set()
        assert "[OPS] FAIL s0: dump failed" in hook.texts
        assert AlertLedger(house.ledger).depth() == 0


def test_a_channel_that_hangs_delays_no_backup(house: House) -> None:
    asked, over = threading.Event(), threading.Event()
    with webhook() as hook:
        hook.always = Answer(wait=lambda: (asked.set(), over.wait()))
        (house.path / "hook").write_text(hook.url, encoding="utf-8")
        house.change(alerts={"channels": {"slack": {"file": "hook"}}})
        watched_for_long(house.workspace())
        thread = threading.Thread(target=watch, args=(house.workspace(),))
        thread.start()
        try:
            assert asked.wait(60)  # "never backed up" is on its way, and does not arrive
            point = take_backup(house.workspace(), "crm")
            assert thread.is_alive()
        finally:
            over.set()
            thread.join()
        assert house.ids() == [point.id]


def test_a_killed_dump_is_told_by_the_next_round(house: House) -> None:
    with webhook() as hook:
        (house.path / "hook").write_text(hook.url, encoding="utf-8")
        house.change(alerts={"channels": {"slack": {"file": "hook"}}})
        with house.worker("backup") as worker:
            while not house.workspace().ledger.running("crm"):
                time.sleep(0.01)
            worker.kill()
            worker.wait()
        watch(house.workspace())
        assert "[OPS] FAIL crm: dump failed" in hook.texts
        take_backup(house.workspace(), "crm")
        watch(house.workspace())
        assert hook.texts[-1].startswith("[OPS] OK crm: dump failed: recovered after ")


def test_when_the_ledger_itself_is_gone_somebody_is_told_once_and_no_incident_ends(tmp_path: Path) -> None:
    with webhook() as hook:
        house = watched_house(tmp_path, hook, "postgresql+psycopg://nobody:canary-pw@127.0.0.1:1/gone")
        for _ in range(3):
            with pytest.raises(LedgerError):
                watch(Workspace(house.config))
        (body,) = hook.bodies
    assert body["text"] == "[OPS] CRITICAL this machine: nothing can be recorded, backups and alerts stand still"
    assert "canary-pw" not in str(body)
