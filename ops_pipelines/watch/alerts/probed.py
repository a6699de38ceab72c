"""Rules about what the probes found: servers and services that are down, slow, crowded, behind. They ask the ledger.

What was found longer ago than `web.stale_after` says nothing about now: its incidents stay as they are.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta, timezone

from ops_pipelines.chronology import within
from ops_pipelines.config.alerts import Severity
from ops_pipelines.config.models import Config
from ops_pipelines.config.probes import Probes
from ops_pipelines.engines.registry import KINDS
from ops_pipelines.language.said import counted, said
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.probes.measured import Measured, kept
from ops_pipelines.watch.alerts.conditions import Condition

RULES: Mapping[str, str] = {
    "server_down": "the server of a source, or a service, does not answer as it should",
    "server_slow": "it takes longer than `probes.slow_after` to answer, or queries run longer than `probes.slow_query`",
    "server_crowded": "more than `probes.connections` of the allowed connections are taken",
    "replica_behind": "a replica is further behind than `probes.lag`; error when it has stopped",
    "certificate_ends": "its TLS certificate expires within `probes.certificate`",
    "credential_ends": "the login password, or what `probes.expires` names, expires within `probes.certificate`",
}
_LOOK: Mapping[str, str] = {
    **{each.name: each.log_hint for each in KINDS.values() if each.log_hint},
    "redis": "systemctl status 'redis*'; journalctl -n 50 -u 'redis*'",
    "http": "look at the log of the web server",
    "tls": "look at the log of the service that listens there",
}


def probed(config: Config, ledger: Ledger, now: datetime) -> tuple[list[Condition], frozenset[str]]:
    """What is wrong with servers and services, and of which nothing is known now. Raises LedgerError."""
    probes = config.probes
    if probes is None:
        return [], frozenset()
    with ledger.session() as session:
        found = list(kept(session))
    fresh = [each for each in found if within(each.at, now, config.web.stale_after)]
    unknown = frozenset((*config.sources, *probes.services)) - {each.target for each in fresh}
    return [
        *(condition for each in fresh for condition in _judged(each, probes, now)),
        *_declared(probes, now),
    ], unknown


def _declared(probes: Probes, now: datetime) -> Iterator[Condition]:
    """What only a human knows the end of. Its day is still a good one."""
    for name, day in probes.expires.items():
        ends = datetime.combine(day, time.max, timezone.utc)
        if ends - now < probes.certificate:
            yield Condition(
                "credential_ends", "warn" if now < ends else "error", name, "probe", _ending(said("it"), ends, now),
                said("it expires on {day}", day=day),
                f"renew it, then write the new date to probes.expires.{name} in ops.yaml",
            )  # fmt: skip


def _judged(found: Measured, probes: Probes, now: datetime) -> Iterator[Condition]:
    def condition(rule: str, severity: Severity, title: str, cause: str) -> Condition:
        here = f"ops doctor {found.target}; " if found.is_source else ""
        return Condition(rule, severity, found.target, "probe", title, cause, f"{here}on its host: {_LOOK[found.kind]}")

    if not found.is_up or found.latency_s is None:
        yield condition("server_down", "critical", said("{what} does not answer", what=found.kind), found.cause)
        return
    figures = found.figures
    if found.latency_s > probes.slow_after.total_seconds():
        yield condition(
            "server_slow",
            "warn",
            said("{what} is slow", what=found.kind),
            said("it took {span} to answer", span=timedelta(seconds=found.latency_s)),
        )
    elif figures.slow_queries:
        longer = counted(
            "{count} query runs for longer than {span}",
            "{count} queries run for longer than {span}",
            figures.slow_queries,
            span=probes.slow_query,
        )
        yield condition("server_slow", "warn", said("slow queries"), longer)
    used, allowed = figures.connections, figures.connections_allowed
    if used is not None and allowed and used > probes.connections * allowed:
        yield condition(
            "server_crowded",
            "error",
            said("too many connections"),
            said("{some} of {all} are taken", some=used, all=allowed),
        )
    if figures.replica_stopped:
        yield condition("replica_behind", "error", said("a replica has stopped"), figures.replica_stopped)
    elif figures.lag_s is not None and figures.lag_s > probes.lag.total_seconds():
        yield condition(
            "replica_behind",
            "warn",
            said("a replica is behind"),
            said("by {span}", span=timedelta(seconds=figures.lag_s)),
        )
    yield from _ends(found, probes, now)


def _ends(found: Measured, probes: Probes, now: datetime) -> Iterator[Condition]:
    figures = found.figures
    for rule, what, ends, advice in (
        ("certificate_ends", said("its certificate"), figures.certificate_ends_at, "renew it, and reload the server"),
        (
            "credential_ends",
            said("our password"),
            figures.password_ends_at,
            "ask for a new one, and put it where url: points",
        ),
    ):
        if ends is not None and ends - now < probes.certificate:
            cause = said("it is valid until {at}", at=ends)
            yield Condition(rule, "error", found.target, "probe", _ending(what, ends, now), cause, advice)


def _ending(what: str, ends: datetime, now: datetime) -> str:
    if ends > now:
        return said("{what} expires in {span}", what=what, span=ends - now)
    return said("{what} has expired", what=what)
