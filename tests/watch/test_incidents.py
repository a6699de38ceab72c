"""What is told, when, and how often: an evaluation against the incidents that are open, on both kinds of ledger."""

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier

import pytest

from ops_pipelines.language.said import told
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.watch.alerts.conditions import Condition, Look
from ops_pipelines.watch.alerts.incidents import Settled, settle
from ops_pipelines.workspace import Workspace
from tests.sample import StoppedClock
from tests.watch.conftest import MakeHouse

RULES = frozenset({"dump_failed"})
FAILED = Condition("dump_failed", "error", "crm", "dump", "dump failed", "connection refused", "ops backup crm")
WORSE = replace(FAILED, severity="critical", title="dump failed, twice in a row")
Evaluate = Callable[..., Settled]


@pytest.fixture
def house(make_house: MakeHouse, ledger_url: str) -> Workspace:
    return make_house({"slack": "http://127.0.0.1:1/services/x"}, ledger=ledger_url, repeat_after="6h")


@pytest.fixture
def book(house: Workspace) -> AlertLedger:
    return AlertLedger(house.ledger)


@pytest.fixture
def evaluate(house: Workspace, book: AlertLedger, clock: StoppedClock) -> Evaluate:
    def evaluated(
        *conditions: Condition, after: timedelta = timedelta(0), unknown: frozenset[str] = frozenset()
    ) -> Settled:
        clock.at += after
        settled = settle(house.config, book, Look("attempts", RULES, clock.at, conditions, unknown))
        assert settled is not None
        return settled

    return evaluated


def events(book: AlertLedger) -> list[tuple[str, str]]:
    """What was decided, oldest first: event, and what became of it."""
    return [(row.event, row.status) for row in reversed(book.outbox())]


def deliver_all(book: AlertLedger, at: datetime) -> None:
    for row in reversed(book.outbox()):
        if row.status == "waiting":
            assert book.claim(row, at)
            book.delivered(row.id, "slack", at=at)


def test_a_condition_is_told_once_while_it_holds_and_once_when_it_ends(evaluate: Evaluate, book: AlertLedger) -> None:
    assert evaluate(FAILED).announced == [("opened", "dump_failed/crm/")]
    for _ in range(3):
        assert evaluate(FAILED, after=timedelta(seconds=30)) == Settled()
    assert evaluate(after=timedelta(seconds=30)).announced == [("resolved", "dump_failed/crm/")]
    assert evaluate(after=timedelta(seconds=30)) == Settled()
    assert events(book) == [("opened", "waiting"), ("resolved", "waiting")]
    assert book.open_incidents() == []


def test_what_still_holds_is_told_again_once_the_last_message_arrived(
    evaluate: Evaluate, book: AlertLedger, clock: StoppedClock
) -> None:
    evaluate(FAILED)
    assert (
        evaluate(FAILED, after=timedelta(hours=7)).announced == []
    )  # the first one still waits: another would help nobody
    deliver_all(book, clock.at)
    assert evaluate(FAILED).announced == [("repeated", "dump_failed/crm/")]
    deliver_all(book, clock.at)
    assert evaluate(FAILED, after=timedelta(hours=5, minutes=59)).announced == []
    assert evaluate(FAILED, after=timedelta(minutes=1)).announced == [("repeated", "dump_failed/crm/")]


def test_what_gets_worse_is_told_at_once_and_what_gets_milder_is_not(evaluate: Evaluate, book: AlertLedger) -> None:
    evaluate(FAILED)
    assert evaluate(WORSE, after=timedelta(seconds=30)).announced == [("escalated", "dump_failed/crm/")]
    assert evaluate(FAILED, after=timedelta(seconds=30)).announced == []
    assert [row.severity for row in book.open_incidents()] == ["error"]
    assert len(book.outbox()) == 2


def test_the_same_event_is_told_at_most_once_in_five_minutes_and_kept_all_the_same(
    evaluate: Evaluate, book: AlertLedger
) -> None:
    evaluate(FAILED)
    evaluate(after=timedelta(minutes=1))
    assert evaluate(FAILED, after=timedelta(minutes=1)).suppressed == [("opened", "dump_failed/crm/")]
    evaluate(after=timedelta(minutes=1))
    evaluate(FAILED, after=timedelta(minutes=1))
    assert events(book) == [
        ("opened", "waiting"), ("resolved", "waiting"), ("opened", "suppressed"), ("opened", "suppressed")
    ]  # fmt: skip
    assert evaluate(FAILED, after=timedelta(minutes=2)).announced == [("opened", "dump_failed/crm/")]


def test_an_acknowledged_incident_is_silent_until_it_ends_or_changes(
    evaluate: Evaluate, book: AlertLedger, clock: StoppedClock
) -> None:
    evaluate(FAILED)
    deliver_all(book, clock.at)
    (incident,) = book.open_incidents()
    book.acknowledge([incident.id], by="jan", at=clock.at)
    assert evaluate(FAILED, after=timedelta(hours=24)).announced == []
    assert evaluate(WORSE, after=timedelta(hours=1)).announced == [("escalated", "dump_failed/crm/")]
    deliver_all(book, clock.at)
    assert book.open_incidents()[0].acked_by is None
    assert evaluate(WORSE, after=timedelta(hours=6)).announced == [("repeated", "dump_failed/crm/")]
    assert evaluate().announced == [("resolved", "dump_failed/crm/")]


@pytest.mark.parametrize(
    ("source", "rule"), [("crm", None), (None, "dump_failed"), (None, None), ("crm", "dump_failed")]
)
def test_a_mute_silences_until_its_end_and_what_holds_then_is_told_then(
    evaluate: Evaluate, book: AlertLedger, clock: StoppedClock, source: str | None, rule: str | None
) -> None:
    book.mute(source=source, rule=rule, until=clock.at + timedelta(hours=4), by="jan", reason="", at=clock.at)
    assert evaluate(FAILED).suppressed == [("opened", "dump_failed/crm/")]
    for _ in range(3):
        assert evaluate(FAILED, after=timedelta(hours=1)) == Settled()
    assert evaluate(FAILED, after=timedelta(hours=1)).announced == [("opened", "dump_failed/crm/")]
    assert events(book) == [("opened", "suppressed"), ("opened", "waiting")]


def test_a_mute_of_something_else_silences_nothing_and_can_be_ended(
    evaluate: Evaluate, book: AlertLedger, clock: StoppedClock
) -> None:
    end = clock.at + timedelta(hours=4)
    book.mute(source="forge", rule=None, until=end, by="jan", reason="", at=clock.at)
    book.mute(source="crm", rule="rpo", until=end, by="jan", reason="", at=clock.at)
    row = book.mute(source="crm", rule=None, until=end, by="jan", reason="", at=clock.at)
    assert evaluate(FAILED).announced == []
    book.unmute([row.id], at=clock.at)
    assert evaluate(FAILED).announced == [("opened", "dump_failed/crm/")]


def test_nobody_hears_of_the_end_of_what_nobody_was_told(
    evaluate: Evaluate, book: AlertLedger, clock: StoppedClock
) -> None:
    book.mute(source=None, rule=None, until=clock.at + timedelta(hours=4), by="jan", reason="", at=clock.at)
    evaluate(FAILED)
    assert evaluate(after=timedelta(hours=5)) == Settled(resolved=["dump_failed/crm/"])
    assert events(book) == [("opened", "suppressed")]


def test_a_source_that_could_not_be_judged_keeps_its_incidents(evaluate: Evaluate, book: AlertLedger) -> None:
    evaluate(FAILED)
    assert evaluate(unknown=frozenset({"crm"})) == Settled()
    assert len(book.open_incidents()) == 1


def test_rules_of_another_part_are_left_alone(house: Workspace, evaluate: Evaluate, book: AlertLedger) -> None:
    evaluate(FAILED)
    other = settle(house.config, book, Look("standing", frozenset({"rpo"}), house.clock.now(), []))
    assert other == Settled()
    assert len(book.open_incidents()) == 1


def test_a_source_that_left_the_file_did_not_recover(evaluate: Evaluate, book: AlertLedger) -> None:
    evaluate(replace(FAILED, source="gone"))
    evaluate(after=timedelta(minutes=1))
    assert told(book.outbox()[0].message["ended"]).startswith("no longer watched")


def test_an_older_look_changes_nothing_and_a_clock_set_back_does_not_silence(
    house: Workspace, evaluate: Evaluate, book: AlertLedger, clock: StoppedClock
) -> None:
    evaluate(FAILED)
    late = Look("attempts", RULES, clock.at - timedelta(seconds=20), [])
    assert settle(house.config, book, late) is None
    assert len(book.open_incidents()) == 1
    back = Look("attempts", RULES, clock.at - timedelta(hours=2), [])
    assert settle(house.config, book, back) is not None


def test_without_a_channel_incidents_are_kept_and_told_as_soon_as_there_is_one(
    make_house: MakeHouse, ledger_url: str, clock: StoppedClock
) -> None:
    silent = make_house({}, ledger=ledger_url)
    book = AlertLedger(silent.ledger)
    look = Look("attempts", RULES, clock.at, [FAILED])
    assert settle(silent.config, book, look) == Settled(
        opened=["dump_failed/crm/"], suppressed=[("opened", "dump_failed/crm/")]
    )
    assert book.depth() == 0
    heard = make_house({"slack": "http://127.0.0.1:1/x"}, ledger=ledger_url)
    settled = settle(heard.config, book, look)
    assert settled is not None
    assert settled.announced == [("opened", "dump_failed/crm/")]


def _settle_in_a_process(house: Workspace, url: str, gate: Barrier, at: datetime) -> None:
    book = AlertLedger(Ledger(url, clock=StoppedClock(at)))
    gate.wait(60)
    for second in range(5):
        # Every process looks at slightly another time, as processes do.
        settle(house.config, book, Look("attempts", RULES, at + timedelta(seconds=second), [FAILED]))


def test_processes_that_find_the_same_at_once_open_one_incident_and_tell_it_once(
    house: Workspace, ledger_url: str, book: AlertLedger, clock: StoppedClock
) -> None:
    context = multiprocessing.get_context("forkserver")
    gate = context.Barrier(4)
    workers = [
        context.Process(target=_settle_in_a_process, args=(Workspace(house.config), ledger_url, gate, clock.at))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len(book.open_incidents()) == 1
    assert events(book) == [("opened", "waiting")]


def _flap_in_a_process(house: Workspace, url: str, gate: Barrier, at: datetime) -> None:
    book = AlertLedger(Ledger(url, clock=StoppedClock(at)))
    gate.wait(60)
    for second in range(10):
        conditions = [FAILED] if second % 2 == 0 else []
        settle(house.config, book, Look("attempts", RULES, at + timedelta(seconds=second), conditions))


def test_what_comes_and_goes_in_two_processes_is_told_once_in_five_minutes(
    house: Workspace, ledger_url: str, book: AlertLedger, clock: StoppedClock, evaluate: Evaluate
) -> None:
    context = multiprocessing.get_context("forkserver")
    gate = context.Barrier(2)
    workers = [
        context.Process(target=_flap_in_a_process, args=(Workspace(house.config), ledger_url, gate, clock.at + skew))
        for skew in (timedelta(0), timedelta(milliseconds=500))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 2
    told = [event for event, status in events(book) if status == "waiting"]
    assert told == ["opened", "resolved"]
    assert events(book).count(("opened", "suppressed")) >= 1, "what was not told is kept"
    assert evaluate(FAILED, after=timedelta(minutes=6)).announced == [("opened", "dump_failed/crm/")]


def test_a_part_that_was_never_settled_before_takes_its_turn(
    house: Workspace, book: AlertLedger, clock: StoppedClock
) -> None:
    drill = Condition("drill_outage", "error", "crm", "health", "DRILL: the server is down", "a drill", "nothing")
    for _twice in range(2):
        settled = settle(house.config, book, Look("another part", frozenset({"drill_outage"}), clock.at, [drill]))
        assert settled is not None
        clock.at += timedelta(seconds=1)
    assert [row.rule for row in book.open_incidents()] == ["drill_outage"]
