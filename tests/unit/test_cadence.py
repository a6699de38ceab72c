"""A cadence that cannot hold its RPO after one missed run is refused."""

from datetime import timedelta

import pytest

from ops_pipelines.config.cadence import cadence_warning, longest_interval
from tests.unit.conftest import Load, Mistakes

SOURCE = (
    "timezone: {zone}\nsources:\n  crm:\n    kind: postgres\n    url: {{env: X}}\n    every: {cron!r}\n    rpo: {rpo}\n"
)


def text(cron: str, rpo: str, zone: str = "UTC") -> str:
    return SOURCE.format(cron=cron, rpo=rpo, zone=zone)


def test_a_healthy_daily_dump_cannot_hold_an_rpo_of_one_day(mistakes: Mistakes) -> None:
    (mistake,) = mistakes(text("0 2 * * *", "24h"))
    assert mistake.line == 7
    assert "48.5h old, more than rpo 24h" in mistake.expected
    assert "accept_risk: true" in mistake.expected


def test_the_risk_can_be_accepted(load: Load) -> None:
    assert load(text("0 2 * * *", "24h") + "    accept_risk: true\n").sources["crm"].accept_risk


@pytest.mark.parametrize("cron", ["0 */6 * * *", "0 2,8,14,20 * * *", "0 * * * *"])
def test_every_six_hours_or_less_holds_an_rpo_of_one_day(load: Load, cron: str) -> None:
    load(text(cron, "24h", "Europe/Prague"))


@pytest.mark.parametrize(
    "cron",
    ["0 8-18 * * *", "*/15 * * * 1-5", "* * 1-5 * *", "*/5 3-5 * 6 *", "0 2 * * 0#1"],
    ids=["office-hours", "weekdays", "first-days", "one-month", "first-sunday"],
)
def test_the_longest_pause_of_an_irregular_schedule_counts(mistakes: Mistakes, cron: str) -> None:
    (mistake,) = mistakes(text(cron, "24h"))
    assert "between runs" in mistake.expected


@pytest.mark.parametrize(
    ("cron", "zone", "hours"),
    [
        ("0 2 * * *", "UTC", 24),
        ("0 12 * * *", "Europe/Prague", 25),
        ("0 */12 * * *", "Europe/Prague", 13),
        ("0 8-18 * * *", "UTC", 14),
        ("30 9 * * 1-5", "UTC", 72),
        ("* * 1-5 * *", "UTC", 26 * 24 + 1 / 60),
    ],
)
def test_the_longest_interval_is_found_daylight_saving_included(cron: str, zone: str, hours: float) -> None:
    assert longest_interval(cron, zone) == timedelta(hours=hours)


def test_a_day_that_has_no_two_o_clock_is_no_shorter_or_longer_than_it_is() -> None:
    assert timedelta(hours=24) <= longest_interval("30 2 * * *", "Europe/Prague") <= timedelta(hours=25)


@pytest.mark.parametrize(
    ("verify", "rpo", "said"),
    [
        ("{}", "24h", ""),
        ("{auto: false}", "24h", "rpo 24h is broken between verifications; set verify: {auto: true}, or rpo: 175h"),
        ("{auto: false}", "175h", "up to 175h old, within rpo 175h"),
        ("{auto: false, every: off}", "24h", "rpo 24h cannot hold without it"),
    ],
)
def test_what_seldom_proofs_mean_to_the_rpo_is_said(verify: str, rpo: str, said: str, load: Load) -> None:
    source = load(f"sources: {{app: {{kind: sqlite, paths: [app.db], rpo: {rpo}, verify: {verify}}}}}").sources["app"]
    told = cadence_warning(source, "UTC")
    assert said in told and bool(said) == bool(told)
