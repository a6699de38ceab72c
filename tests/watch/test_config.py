"""`alerts:` in `ops.yaml`: what may be written there, and what is refused with its line."""

from tests.unit.conftest import Load, Mistakes
from tests.unit.conftest import load as load  # noqa: PLC0414
from tests.unit.conftest import mistakes as mistakes  # noqa: PLC0414

SOURCES = "sources: {crm: {kind: postgres, url: x}}\n"


def test_channels_are_secrets_and_the_route_is_their_order(load: Load) -> None:
    config = load(
        "alerts:\n  channels: {slack: {env: A}, mail: {env: B}}\n  routes: {critical: [mail]}\n"
        f"  repeat_after: 2h\n  dagster_url: http://127.0.0.1:3000\n{SOURCES}"
    )
    assert config.alerts.route_of("error") == ("slack", "mail")
    assert config.alerts.route_of("critical") == ("mail",)
    assert config.alerts.repeat_after.total_seconds() == 7200


def test_a_route_to_nowhere_is_refused_where_it_stands(mistakes: Mistakes) -> None:
    (mistake,) = mistakes(f"alerts:\n  channels: {{slack: {{env: A}}}}\n  route: [slack, mial]\n{SOURCES}")
    assert (mistake.line, mistake.field) == (3, "alerts.route")
    assert "no channel is called 'mial' (channels: slack)" in mistake.expected
    (mistake,) = mistakes(f"alerts:\n  channels: {{slack: {{env: A}}}}\n  routes: {{fatal: [slack]}}\n{SOURCES}")
    assert mistake.line == 3
    assert "critical" in mistake.expected


def test_the_old_variable_makes_a_channel_only_where_nothing_is_written(load: Load) -> None:
    assert list(load(SOURCES, ALERT_SLACK_WEBHOOK="https://hooks.slack.com/x").alerts.channels) == ["slack"]
    assert load(SOURCES).alerts.channels == {}
    assert load(f"alerts: {{}}\n{SOURCES}", ALERT_SLACK_WEBHOOK="https://hooks.slack.com/x").alerts.channels == {}
