"""The age of the recovery point at every moment of a period, worked out from when each restore point stood."""

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from ops_pipelines.watch.kept import Event, Standing, rpo_kept, standings

BEGIN = datetime(2026, 11, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
RPO = 24 * HOUR


def at(hours: float) -> datetime:
    return BEGIN + hours * HOUR


def stood(made: float, since: float, until: float | None = None) -> Standing:
    return Standing(f"made-{made}", at(made), at(since), None if until is None else at(until))


def test_a_promise_is_kept_while_each_proof_comes_in_time() -> None:
    kept = rpo_kept([stood(day * 24 - 2, day * 24 - 1) for day in range(-1, 31)], BEGIN, at(30 * 24), RPO + HOUR)
    assert (kept.share, kept.breaches, kept.oldest) == (1.0, [], RPO + HOUR)


def test_a_breach_lasts_from_the_age_that_is_too_high_to_the_next_proof() -> None:
    kept = rpo_kept([stood(-1, 0), stood(30, 32)], BEGIN, at(40), RPO)
    [breach] = kept.breaches
    assert (breach.begin, breach.end, breach.last_good, breach.lasts) == (at(23), at(32), "made--1", False)
    assert breach.oldest == kept.oldest == 33 * HOUR
    assert kept.share == 1 - 9 / 40


def test_a_breach_that_goes_on_is_told_and_one_without_any_recovery_point_has_no_age() -> None:
    kept = rpo_kept([stood(2, 3)], BEGIN, at(30), RPO)
    assert [(each.begin, each.end, each.last_good, each.oldest, each.lasts) for each in kept.breaches] == [
        (at(0), at(3), None, None, False),
        (at(26), at(30), "made-2", 28 * HOUR, True),
    ]
    assert kept.oldest is None
    assert rpo_kept([], BEGIN, at(30), RPO).share == 0


def test_a_proof_of_what_is_too_old_itself_ends_no_breach() -> None:
    kept = rpo_kept([stood(-1, 0), stood(1, 30), stood(29, 31)], BEGIN, at(40), RPO)
    assert [(each.begin, each.end) for each in kept.breaches] == [(at(23), at(31))]


def test_what_was_found_bad_counts_no_longer_and_the_one_before_it_does() -> None:
    kept = rpo_kept([stood(-1, 0), stood(10, 11, until=20)], BEGIN, at(30), RPO)
    assert [(each.begin, each.end, each.last_good) for each in kept.breaches] == [(at(23), at(30), "made--1")]


def test_a_restore_point_stands_while_it_is_proved_and_has_a_sound_copy() -> None:
    events = [
        Event(at(0), "copied", "local"),
        Event(at(1), "copied", "nas"),
        Event(at(2), "good", "nas"),
        Event(at(3), "bad copy", "nas"),  # the local one is sound
        Event(at(4), "removed", "local"),
        Event(at(4.5), "copied", "nas"),  # healed, and not restored yet
        Event(at(5), "good", "nas"),
        Event(at(5.5), "copied", "usb"),
        Event(at(6), "bad", "nas"),
        Event(at(7), "copied", "local"),  # bad wherever it lies
        Event(at(8), "good", "nas"),
        Event(at(9), "removed", "nas"),
        Event(at(10), "all removed", ""),
    ]
    found = standings("a", at(0), events)
    assert [(each.since, each.until) for each in found] == [(at(2), at(4)), (at(5), at(6)), (at(8), at(10))]
    assert standings("a", at(0), events[:2]) == []
    assert standings("a", at(0), events[:3]) == [Standing("a", at(0), at(2))]


@st.composite
def some(draw: st.DrawFn) -> Standing:
    made = draw(st.integers(-100, 150))
    since = made + draw(st.integers(0, 30))
    return stood(made, since, draw(st.none() | st.integers(since, 200)))


@given(st.lists(some(), max_size=8), st.integers(1, 60))
def test_every_hour_is_in_a_breach_or_the_recovery_point_was_young_enough(found: list[Standing], rpo: int) -> None:
    kept = rpo_kept(found, BEGIN, at(100), rpo * HOUR)
    for hour in range(100):
        moment = at(hour + 0.5)
        standing = [each for each in found if each.since <= moment and (each.until is None or each.until > moment)]
        age = moment - max(each.made_at for each in standing) if standing else None
        broken = any(each.begin <= moment < each.end for each in kept.breaches)
        assert broken == (age is None or age > rpo * HOUR)
    assert 0 <= kept.share <= 1
    ends = [each.end for each in kept.breaches]
    assert all(end < later.begin for end, later in zip(ends, kept.breaches[1:], strict=False))
