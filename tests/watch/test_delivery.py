"""From the outbox to the receivers: the next channel when one fails, later when all do, each message once."""

import multiprocessing
import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from multiprocessing.synchronize import Barrier

import pytest

from ops_pipelines.clock import SystemClock
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.redact import register
from ops_pipelines.watch.alerts import delivery
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.watch.alerts.delivery import Delivered
from ops_pipelines.watch.alerts.incidents import settle
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock, files_holding
from tests.watch.conftest import MakeHouse
from tests.watch.receivers import SECRET_PATH, Answer, Mailbox, Webhook

LONG = timedelta(minutes=5)
SUBJECT = "[OPS] FAIL s0: dump failed"


def deliver(house: Workspace, *, within: timedelta) -> Delivered:
    return delivery.deliver(house.config.alerts, house.clock, house.ledger, within=within)


def mail_url(post: Mailbox) -> str:
    return f"smtp://127.0.0.1:{post.port}/?from=ops@example.com&to=a@example.com"


def failed(number: int = 0, **changes: str) -> Condition:
    facts = {"cause": "connection refused", **changes}
    return Condition("dump_failed", "error", f"s{number}", "dump", "dump failed", next=f"ops backup s{number}", **facts)


def found(house: Workspace, *conditions: Condition) -> None:
    look = Look("attempts", frozenset({"dump_failed"}), house.clock.now(), conditions)
    assert settle(house.config, AlertLedger(house.ledger), look) is not None


def test_when_slack_fails_the_mail_goes_out_in_the_same_round(
    make_house: MakeHouse, hook: Webhook, post: Mailbox, ledger_url: str
) -> None:
    house = make_house({"slack": hook.url, "mail": mail_url(post)}, ledger=ledger_url)
    hook.always = Answer(404, "no_service")
    found(house, failed())
    assert deliver(house, within=LONG) == Delivered(sent=[(SUBJECT, "mail")])
    assert post.subjects == [SUBJECT]
    (row,) = AlertLedger(house.ledger).outbox()
    assert (row.status, row.accepted, row.holder) == ("delivered", ["mail"], None)
    assert deliver(house, within=LONG) == Delivered()


def test_the_end_is_told_where_the_beginning_was(
    make_house: MakeHouse, hook: Webhook, post: Mailbox, clock: StoppedClock
) -> None:
    house = make_house({"slack": hook.url, "mail": mail_url(post)}, sources=("s0",))
    hook.always = Answer(404, "no_service")
    found(house, failed())
    deliver(house, within=LONG)
    hook.always = Answer()
    clock.at += timedelta(minutes=90)
    found(house)
    deliver(house, within=LONG)
    assert post.subjects == [SUBJECT, "[OPS] OK s0: dump failed: recovered after 1h 30m"]
    assert hook.bodies == []


def test_what_nobody_takes_waits_longer_each_time_and_arrives_in_order(
    make_house: MakeHouse, hook: Webhook, post: Mailbox, clock: StoppedClock, ledger_url: str
) -> None:
    house = make_house({"slack": hook.url, "mail": mail_url(post)}, ledger=ledger_url)
    book = AlertLedger(house.ledger)
    hook.always, post.refuse = Answer(410, "channel_is_archived"), "554 no"
    found(house, failed())
    waits = []
    for _ in range(7):
        assert deliver(house, within=LONG).sent == []
        (row,) = book.outbox()
        waits.append(round((row.next_try_at - clock.at).total_seconds()))
        assert deliver(house, within=LONG) == Delivered()  # not due yet
        clock.at = row.next_try_at
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    assert "slack: answered 410" in (row.error or "")
    assert "mail: answered 554 no" in (row.error or "")
    found(house)
    assert book.depth() == 2
    hook.always = Answer()
    deliver(house, within=LONG)
    assert [text.split(":")[0] for text in hook.texts] == ["[OPS] FAIL s0", "[OPS] OK s0"]
    assert book.depth() == 0


def test_a_message_that_gets_through_makes_the_others_due(
    make_house: MakeHouse, hook: Webhook, clock: StoppedClock
) -> None:
    house = make_house({"slack": hook.url})
    hook.always = Answer(410, "gone")
    found(house, failed(0), failed(1))
    deliver(house, within=LONG)
    hook.always = Answer()
    assert deliver(house, within=LONG) == Delivered()
    found(house, failed(0), failed(1), failed(2))
    assert len(deliver(house, within=LONG).sent) == 3
    assert sorted(hook.texts) == [f"[OPS] FAIL s{n}: dump failed" for n in range(3)]


def test_a_dead_channel_is_asked_once_a_round_not_once_a_message(
    make_house: MakeHouse, hook: Webhook, post: Mailbox
) -> None:
    house = make_house({"slack": hook.url, "mail": mail_url(post)}, digest_above=100)
    hook.always = Answer(410, "gone")
    found(house, *(failed(number) for number in range(20)))
    assert len(deliver(house, within=LONG).sent) == 20
    assert len(hook.asked) == 1
    assert len(post.letters) == 20


def test_a_channel_without_its_secret_does_not_stop_the_next(
    make_house: MakeHouse, hook: Webhook, post: Mailbox
) -> None:
    house = make_house({"slack": "", "broken": "smtp://nowhere", "mail": mail_url(post)})
    found(house, failed())
    assert deliver(house, within=LONG).sent == [(SUBJECT, "mail")]


def test_a_route_may_depend_on_how_bad_it_is(make_house: MakeHouse, hook: Webhook, post: Mailbox) -> None:
    house = make_house({"slack": hook.url, "mail": mail_url(post)}, route=["slack"], routes={"error": ["mail"]})
    found(house, failed())
    assert deliver(house, within=LONG).sent == [(SUBJECT, "mail")]


def test_nothing_is_begun_when_the_time_is_over(make_house: MakeHouse, hook: Webhook) -> None:
    house = make_house({"slack": hook.url})
    found(house, failed())
    assert deliver(house, within=timedelta(0)) == Delivered()
    assert AlertLedger(house.ledger).depth() == 1
    assert len(deliver(house, within=LONG).sent) == 1


def test_while_a_channel_hangs_the_ledger_is_free_for_backups(
    make_house: MakeHouse, hook: Webhook, ledger_url: str
) -> None:
    house = make_house({"slack": hook.url}, ledger=ledger_url)
    asked, over = threading.Event(), threading.Event()
    hook.always = Answer(wait=lambda: (asked.set(), over.wait()))
    found(house, failed())
    thread = threading.Thread(target=deliver, args=(house,), kwargs={"within": LONG})
    thread.start()
    try:
        assert asked.wait(30)
        with house.ledger.activity("dump", source="crm"):
            assert len(house.ledger.running("crm")) == 1
        assert [row.status for row in house.ledger.recent()] == ["succeeded"]
        assert thread.is_alive()
    finally:
        over.set()
        thread.join()
    assert hook.texts == [SUBJECT]


def _deliver_in_a_process(house: Workspace, gate: Barrier) -> None:
    gate.wait(60)
    for _ in range(3):
        deliver(house, within=LONG)


def test_processes_that_deliver_at_once_send_each_message_once(
    make_house: MakeHouse, hook: Webhook, ledger_url: str
) -> None:
    house = make_house({"slack": hook.url}, ledger=ledger_url, digest_above=100)
    found(house, *(failed(number) for number in range(25)))
    context = multiprocessing.get_context("forkserver")
    gate = context.Barrier(4)
    shared = Workspace(house.config, SystemClock())
    workers = [context.Process(target=_deliver_in_a_process, args=(shared, gate)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert Counter(hook.texts) == Counter(f"[OPS] FAIL s{number}: dump failed" for number in range(25))
    assert AlertLedger(house.ledger).depth() == 0


def test_a_storm_is_one_message_that_lists_it_and_so_is_its_end(
    make_house: MakeHouse, hook: Webhook, post: Mailbox, clock: StoppedClock, ledger_url: str
) -> None:
    """A store that is gone takes every source with it: forty posts would be read by nobody."""
    names = tuple(f"s{number}" for number in range(40))
    house = make_house({"slack": hook.url, "mail": mail_url(post)}, ledger=ledger_url, sources=names)
    worst = replace(failed(7), severity="critical", title="dump failed, twice in a row", cause="no <space> & more")
    found(house, *(failed(number) for number in range(40) if number != 7), worst)
    assert len(deliver(house, within=LONG).sent) == 1
    (body,) = hook.bodies
    assert str(body["text"]).startswith("[OPS] CRITICAL 40 incidents at once: s7, s0, ")
    header, *sections = body["blocks"]
    said = "\n".join(section["text"]["text"] for section in sections)
    assert len(header["text"]["text"]) <= 150
    assert all(len(section["text"]["text"]) <= 3000 for section in sections)
    assert "CRITICAL s7: dump failed, twice in a row (no &lt;space&gt; &amp; more)" in said.splitlines()[0]
    assert all(f"FAIL {name}: dump failed" in said for name in names if name != "s7")
    assert "`ops alerts list`" in said
    events = [line.split()[:3] for line in said.splitlines() if line.startswith("[OPS] ")]
    assert sorted(events) == sorted(["[OPS]", "dump_failed", f"source={name}"] for name in names)
    assert deliver(house, within=LONG) == Delivered(), "each of them was told"
    hook.always = Answer(404, "no_service")
    clock.at += timedelta(minutes=10)
    found(house, failed(3))
    deliver(house, within=LONG)
    assert post.letters == [], "the end is told where the beginning was"
    assert {row.attempts for row in AlertLedger(house.ledger).outbox() if row.status == "waiting"} == {1}
    hook.always = Answer()
    clock.at += timedelta(minutes=10)
    deliver(house, within=LONG)
    (over,) = (text for text in hook.texts if "OK" in text)
    assert over.startswith("[OPS] OK 39 incidents resolved: s7, s0, s1, s2, s4, ")
    assert [row.source for row in AlertLedger(house.ledger).open_incidents()] == ["s3"]


def test_no_secret_reaches_the_ledger_or_a_receiver(
    make_house: MakeHouse, hook: Webhook, post: Mailbox, capfd: pytest.CaptureFixture[str]
) -> None:
    register("canary-db-password")
    url = mail_url(post).replace("smtp://", "smtp://ops:canary-mail-password@")
    house = make_house({"slack": hook.url, "mail": url, "other": f"json://127.0.0.1:1{SECRET_PATH}"})
    book = AlertLedger(house.ledger)
    leaky = "postgresql://crm:canary-url-password@db/crm said canary-db-password is wrong"
    hook.always = Answer(500, f"no such hook {hook.url}")
    found(house, failed(cause=leaky))
    assert deliver(house, within=LONG).sent == []  # the mail server knows no login
    hook.always = Answer()
    house.clock.at += timedelta(hours=1)  # type: ignore[attr-defined]
    assert deliver(house, within=LONG).sent == [(SUBJECT, "slack")]
    kept = [str(vars(row)) for row in (*book.outbox(), *book.open_incidents())]
    printed = capfd.readouterr()
    for text in (*kept, str(hook.bodies), printed.out, printed.err):
        assert "canary" not in text.lower()
    assert files_holding(house.config.base, "canary") == []
