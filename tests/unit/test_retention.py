"""What stays and what goes: against a plain model, over random histories, and in the cases one would ask about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from ops_pipelines.settings.common import Keep
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.retention import EVIDENCE, Decision, Held, decide, standing
from ops_pipelines.vault.verdict import Outcome
from tests.unit.histories import made

UTC = timezone.utc
PRAGUE = ZoneInfo("Europe/Prague")
NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
NOTHING_ELSE = Held({}, {})
SMALL = Keep(last=1, daily=0, weekly=0, monthly=0, yearly=0, min_verified=1)
_OUTCOMES: list[tuple[Outcome, ...]] = [
    ("verified",), ("verified",), (), ("inconclusive",), ("bad",), ("verified", "bad"), ("bad", "verified"),
]  # fmt: skip


def ago(**age: float) -> datetime:
    return NOW - timedelta(**age)


@dataclass(frozen=True)
class History:
    """What one store holds, and everything that has a say."""

    points: Sequence[RestorePoint]
    keep: Keep
    held: Held
    zone: ZoneInfo

    def decide(self, points: Sequence[RestorePoint] | None = None) -> list[Decision]:
        chosen = self.points if points is None else points
        verified = [point for point in self.points if point.verified]
        newest = max(verified, key=lambda point: point.started_at, default=None)
        return decide(
            chosen, "local", self.keep, zone=self.zone, now=NOW,
            recovery_point=newest.id if newest else None, held=self.held,
        )  # fmt: skip

    def staying(self, points: Sequence[RestorePoint] | None = None) -> set[str]:
        return {decision.point.id for decision in self.decide(points) if decision.stays}


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Up to forty restore points over three years, some of them from the future, with every verdict and every lock."""
    # Hours cluster: many a day, then none for weeks.
    hours = st.one_of(st.integers(-400, 100), st.integers(0, 26_000))
    ages = draw(st.lists(hours, max_size=40, unique=True))
    stores = st.sampled_from([("local",), ("local", "nas"), ("nas", "local")])
    points = [
        made(
            NOW - timedelta(hours=age, minutes=7), *draw(st.sampled_from(_OUTCOMES)),
            backup_id=f"{draw(st.integers(0, 10**6)):07}-{index}", stores=draw(stores),
            blames=draw(st.sampled_from(["copy", "backup"])),
        )
        for index, age in enumerate(ages)
    ]  # fmt: skip
    some = st.lists(st.sampled_from(points), max_size=3) if points else st.just([])
    keep = Keep(
        last=draw(st.integers(1, 6)), daily=draw(st.integers(0, 8)), weekly=draw(st.integers(0, 5)),
        monthly=draw(st.integers(0, 5)), yearly=draw(st.integers(0, 3)), min_verified=draw(st.integers(1, 5)),
    )  # fmt: skip
    held = Held(
        {point.id: NOW + timedelta(days=draw(st.integers(0, 3)), minutes=1) for point in draw(some)},
        {point.id: "tied" for point in draw(some)},
    )
    return History(points, keep, held, draw(st.sampled_from([PRAGUE, ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")])))


def stays(history: History, point: RestorePoint) -> bool:
    """The model: each rule as one sentence about one restore point, by counting the others."""
    present = [each for each in history.points if each.started_at <= NOW]
    proved = [each for each in present if standing(each, "local") == "verified"]
    sound = [each for each in present if standing(each, "local") != "bad"]
    if point not in present or not proved:
        return True
    if point.id in history.held.needed or point.id in history.held.locked:
        return True
    if standing(point, "local") != "bad" and all(point.started_at > each.started_at for each in proved):
        return True
    if standing(point, "local") == "bad":
        telling = [each for each in point.verdicts if each.outcome == "bad"]
        days = [each.started_at.astimezone(history.zone).date() for each in present]
        earlier = [each.started_at for each, day in zip(present, days, strict=True) if day < max(days)]
        settled = max(earlier, default=None)
        recovery = max((each for each in history.points if each.verified), key=lambda each: each.started_at)
        return settled is None or telling[-1].finished_at + EVIDENCE > settled or point == recovery
    if point == max((each for each in history.points if each.verified), key=lambda each: each.started_at):
        return True
    if point in proved and sum(each.started_at > point.started_at for each in proved) < history.keep.min_verified:
        return True
    return any(_has_a_place(history, point, among) for among in (proved, sound) if point in among)


def _has_a_place(history: History, point: RestorePoint, among: Sequence[RestorePoint]) -> bool:
    newer = [each for each in among if each.started_at > point.started_at]
    if len(newer) < history.keep.last:
        return True
    for count, length in (
        (history.keep.daily, 3), (history.keep.weekly, -1), (history.keep.monthly, 2), (history.keep.yearly, 1),
    ):  # fmt: skip

        def bucket(each: RestorePoint, length: int = length) -> tuple[int, ...]:
            local = each.started_at.astimezone(history.zone)
            return tuple(local.isocalendar())[:2] if length < 0 else tuple(local.timetuple())[:length]

        mates = [each for each in among if bucket(each) == bucket(point)]
        verified = [each for each in mates if standing(each, "local") == "verified"]
        chosen = max(verified or mates, key=lambda each: each.started_at)
        if chosen == point and len({bucket(each) for each in among if bucket(each) > bucket(point)}) < count:
            return True
    return False


@given(histories())
def test_every_decision_is_that_of_the_plain_model(history: History) -> None:
    assert history.staying() == {point.id for point in history.points if stays(history, point)}


@given(histories())
def test_every_restore_point_is_decided_once_with_a_reason(history: History) -> None:
    decisions = history.decide()
    assert sorted(each.point.id for each in decisions) == sorted(point.id for point in history.points)
    assert all(bool(each.because) != each.stays for each in decisions)


@given(histories())
def test_the_newest_verified_and_a_minimum_of_them_always_stay(history: History) -> None:
    verified = [each for each in history.points if standing(each, "local") == "verified"]
    left = [each for each in verified if each.id in history.staying()]
    assert len(left) >= min(history.keep.min_verified, len(verified))
    if verified:
        assert max(verified, key=lambda each: each.started_at) in left


@given(histories())
def test_without_a_verified_one_nothing_goes(history: History) -> None:
    unverified = [each for each in history.points if standing(each, "local") != "verified"]
    assert history.staying(unverified) == {each.id for each in unverified}


@given(histories())
def test_deciding_again_after_the_deletions_deletes_nothing_more(history: History) -> None:
    staying = history.staying()
    left = [each for each in history.points if each.id in staying]
    assert history.staying(left) == staying


@given(histories())
def test_whether_a_verified_one_stays_does_not_depend_on_unverified_ones(history: History) -> None:
    verified = [each for each in history.points if standing(each, "local") == "verified"]
    ids = {each.id for each in verified}
    assert history.staying() & ids == history.staying(verified)


@given(histories())
def test_what_comes_from_the_future_changes_nothing_for_the_others(history: History) -> None:
    present = [each for each in history.points if each.started_at <= NOW]
    assert history.staying(present) == history.staying() & {each.id for each in present}
    assert {each.id for each in history.points} - {each.id for each in present} <= history.staying()


@given(histories(), st.randoms())
def test_names_decide_nothing(history: History, chance: Random) -> None:
    order = list(range(len(history.points)))
    chance.shuffle(order)
    new = {point.id: f"{number:03}" for number, point in zip(order, history.points, strict=True)}
    renamed = [
        RestorePoint(point.manifest.model_copy(update={"id": new[point.id]}), point.stores, point.verdicts)
        for point in history.points
    ]
    held = Held(
        {new[key]: at for key, at in history.held.locked.items()},
        {new[key]: why for key, why in history.held.needed.items()},
    )
    other = History(sorted(renamed, key=lambda point: point.id), history.keep, held, history.zone)
    assert other.staying() == {new[key] for key in history.staying()}


@given(histories(), st.integers(1, 40))
def test_a_clock_that_jumps_ahead_deletes_nothing(history: History, years: int) -> None:
    unlocked = History(history.points, history.keep, Held({}, history.held.needed), history.zone)
    present = [each for each in history.points if each.started_at <= NOW]
    jumped = decide(
        present, "local", history.keep, zone=history.zone, now=NOW + timedelta(days=365 * years),
        recovery_point=None, held=unlocked.held,
    )  # fmt: skip
    assert {each.point.id for each in jumped if each.stays} >= unlocked.staying(present) - {_recovery(history)}


def _recovery(history: History) -> str:
    verified = [point for point in history.points if point.verified]
    return max(verified, key=lambda point: point.started_at).id if verified else ""


def decisions(points: Sequence[RestorePoint], keep: Keep, store: str = "local", held: Held = NOTHING_ELSE) -> list[str]:
    """One line for each, newest first."""
    found = decide(points, store, keep, zone=PRAGUE, now=NOW, recovery_point=None, held=held)
    return [", ".join(each.reasons) or f"goes: {each.because}" for each in found]


def test_a_hundred_unverified_newcomers_do_not_push_a_verified_one_out() -> None:
    old = [made(ago(days=200 + day), "verified") for day in range(3)]
    new = [made(ago(hours=hour + 1)) for hour in range(100)]
    keep = Keep(last=3, daily=3, weekly=0, monthly=0, min_verified=1)
    said = decisions([*old, *new], keep)
    assert not [line for line in said if line.startswith("goes")], "newcomers wait for their proof"
    newcomers_in_between = [made(ago(days=30, hours=hour)) for hour in range(100)]
    said = decisions([*old, *newcomers_in_between, made(ago(hours=1), "verified")], keep)
    assert said[-3:-1] == ["last 3, daily 2026-05-05", "last 3, daily 2026-05-04"]
    assert sum(line.startswith("goes") for line in said) == 97 + 1


def test_days_are_those_of_the_configured_time_zone() -> None:
    # 23:30 and 00:30 in Prague are one day in UTC.
    late, early = datetime(2026, 11, 18, 22, 30, tzinfo=UTC), datetime(2026, 11, 18, 23, 30, tzinfo=UTC)
    newest = made(ago(hours=1), "verified")
    keep = SMALL.model_copy(update={"daily": 3})
    assert decisions([made(late, "verified"), made(early, "verified"), newest], keep)[1:] == [
        "daily 2026-11-19", "daily 2026-11-18",
    ]  # fmt: skip


def test_a_week_and_a_year_are_those_of_iso_8601_and_the_calendar() -> None:
    keep = SMALL.model_copy(update={"weekly": 2, "yearly": 2})
    turn = made(datetime(2026, 1, 1, 12, tzinfo=UTC), "verified")
    before = made(datetime(2025, 12, 31, 12, tzinfo=UTC), "verified")
    found = decide([before, turn], "local", keep, zone=UTC, now=NOW, recovery_point=None, held=NOTHING_ELSE)
    assert [each.reasons[1:] for each in found] == [
        ("weekly 2026-W01", "yearly 2026", "newest verified", "min_verified 1"), (),
    ]  # fmt: skip
    assert found[1].reasons == ("yearly 2025",)


def test_the_verified_one_of_a_day_stays_and_with_it_a_newer_one_only_where_the_last_ones_are_counted() -> None:
    day = [made(ago(days=2, hours=hour), *(("verified",) if hour == 3 else ())) for hour in range(5)]
    said = decisions([made(ago(hours=1), "verified"), *day], SMALL.model_copy(update={"daily": 5}))
    assert [line.startswith("daily") for line in said[1:]] == [False, False, False, True, False]


def test_a_bad_one_takes_no_place_and_stays_for_a_week() -> None:
    points = [made(ago(hours=1), "verified"), made(ago(days=2), "bad"), made(ago(days=11), "bad"), made(ago(days=12))]
    assert decisions(points, SMALL.model_copy(update={"last": 2})) == [
        "last 2, newest verified, min_verified 1",
        "evidence until 2026-11-26",
        "goes: found bad more than 7 days ago",
        "last 2",
    ]


def test_a_copy_that_was_proved_bad_elsewhere_is_not_bad_here() -> None:
    point = made(ago(days=30), "bad", stores=("nas", "local"), blames="copy")
    whole = [*(made(ago(hours=age), "verified", stores=("nas", "local")) for age in (1, 30)), point]
    assert standing(point, "nas") == "bad"
    assert standing(point, "local") == "unproved"
    assert standing(made(ago(days=30), "bad", stores=("nas", "local")), "local") == "bad", "the backup is to blame"
    assert decisions(whole, SMALL.model_copy(update={"last": 3}), store="local")[2] == "last 3"
    assert decisions(whole, SMALL.model_copy(update={"last": 3}), store="nas")[2].startswith("goes: found bad")


def test_what_the_store_locks_stays_and_says_until_when() -> None:
    points = [made(ago(hours=1), "verified"), *(made(ago(days=day), "verified") for day in (5, 6, 7))]
    for_ever = datetime.max.replace(tzinfo=UTC)
    said = decisions(points, SMALL, held=Held({points[1].id: NOW + timedelta(days=3), points[2].id: for_ever}, {}))
    assert said[1:] == ["locked until 2026-11-24 07:30", "locked without an end", "goes: no rule of keep needs it"]


def test_what_something_else_needs_stays_and_says_for_what() -> None:
    points = [made(ago(hours=1), "verified"), made(ago(days=5), "verified")]
    said = decisions(points, SMALL, held=Held({}, {points[1].id: "crm_uploads x is tied to it"}))
    assert said[1] == "crm_uploads x is tied to it"


def test_the_recovery_point_of_the_source_stays_although_this_copy_of_it_is_bad() -> None:
    point = made(ago(days=30), "bad", stores=("nas", "local"))
    found = decide(
        [*(made(ago(days=age), "verified", stores=("nas",)) for age in (40, 2, 1)), point], "nas", SMALL,
        zone=UTC, now=NOW, recovery_point=point.id, held=NOTHING_ELSE,
    )  # fmt: skip
    assert found[2].reasons == ("recovery point of the source",)


def test_one_from_the_future_stays_and_takes_no_place() -> None:
    points = [made(ago(days=-400), "verified"), made(ago(hours=1), "verified"), made(ago(days=1), "verified")]
    assert decisions(points, SMALL) == [
        "from the future: was the clock wrong?",
        "last 1, newest verified, min_verified 1",
        "goes: no rule of keep needs it",
    ]


def numbered(*points: RestorePoint) -> list[RestorePoint]:
    """Taken in this order, whatever their clocks said."""
    return [replace(point, number=number) for number, point in enumerate(points, start=1)]


def test_the_first_backup_by_a_clock_that_jumped_ahead_ends_no_time_of_grace() -> None:
    there = [made(ago(days=3, hours=1), "bad"), *(made(ago(days=age), "verified") for age in (2, 1))]
    first = numbered(*there, made(ago(days=-3650), "verified"))
    found = decide(first, "local", SMALL, zone=UTC, now=ago(days=-3650, hours=-1), recovery_point=None,
                   held=NOTHING_ELSE)  # fmt: skip
    assert found[-1].reasons == ("evidence until 2026-11-25",)


def test_one_that_a_wrong_clock_dated_counts_as_taken_after_the_one_before_it_once_others_have_shown_that() -> None:
    keep = SMALL.model_copy(update={"daily": 9})
    before, wrong = made(ago(days=4), "verified"), made(ago(days=-3650), "verified")
    after = [made(ago(days=age), "verified") for age in (3, 2)]
    assert decisions(numbered(before, wrong, after[0]), keep)[1] == "from the future: was the clock wrong?"
    assert decisions(numbered(before, wrong, *after), keep) == [
        "last 1, daily 2026-11-19, newest verified, min_verified 1", "daily 2026-11-18", "daily 2026-11-17",
        "goes: no rule of keep needs it",
    ]  # fmt: skip


def test_a_clock_that_was_set_back_makes_its_backup_no_old_one() -> None:
    points = numbered(*(made(ago(days=age), "verified") for age in (9, 8, 7, 6 * 365, 5)))
    said = decisions(points, SMALL.model_copy(update={"daily": 3}))
    assert said == ["last 1, daily 2026-11-16, newest verified, min_verified 1", "daily 2026-11-14",
                    "goes: no rule of keep needs it", "daily 2026-11-13", "goes: no rule of keep needs it"]  # fmt: skip


def test_one_taken_for_safety_takes_no_place_and_stays_for_a_month() -> None:
    def safety(**age: float) -> RestorePoint:
        point = made(ago(**age), "verified")
        return replace(point, manifest=point.manifest.model_copy(update={"safety": True}))

    regular = made(ago(hours=3), "verified")
    keep = SMALL.model_copy(update={"daily": 3})
    assert decisions([safety(hours=1), regular, made(ago(hours=30), "verified"), safety(days=32)], keep) == [
        "what was there before a replacement, until 2026-12-21",
        "last 1, daily 2026-11-21, newest verified, min_verified 1",
        "daily 2026-11-20",
        "goes: no rule of keep needs it",
    ]
    assert decisions([safety(days=32), made(ago(days=2)), made(ago(days=1))], keep)[2:] == [
        "nothing else is verified in this store"
    ]
