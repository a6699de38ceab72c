"""The Grafana dashboards, as code: `python deploy/monitoring/dashboards.py` writes `grafana/*.json` anew.

The JSON is committed, and a test tells when it is not what this file makes. Import it, or let Grafana read the folder
(`grafana/provider.yml`). The data source is chosen in the dashboard. Needs grafana-foundation-sdk, a development
dependency on Python 3.11 or newer.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

FOLDER = Path(__file__).with_name("grafana")
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_GREEN, _YELLOW, _RED = "green", "yellow", "red"
_OURS = 'source=~"$source"'
_PROBED = 'target=~"$target"'
_DAY_S = 86_400
Steps = Sequence[tuple[float | None, str]]


def backups() -> dashboard.Dashboard:
    """Of every source: can it be brought back, to when, how quickly, from where."""
    made = _dashboard("Backups", "ops-backups", "Can every source be brought back, to when, and how quickly?")
    made.with_row(dashboard.Row("Can everything be brought back?"))
    made.with_panel(_stat("Sources within their RPO", f"sum(ops_source_healthy{{{_OURS}}})"))
    made.with_panel(
        _stat("Sources that are not", f"sum(1 - ops_source_healthy{{{_OURS}}})", steps=((None, _GREEN), (1, _RED)))
    )
    made.with_panel(
        _stat(
            "Proved by less than configured", f"sum(ops_proof_weaker{{{_OURS}}})", steps=((None, _GREEN), (1, _YELLOW))
        )
    )
    made.with_panel(
        _stat("Open incidents", "sum(ops_incidents_open) or vector(0)", steps=((None, _GREEN), (1, _YELLOW)))
    )
    made.with_panel(
        _stat(
            "Daemon last seen",
            "time() - max(ops_watch_heartbeat_timestamp_seconds)",
            unit="s",
            steps=((None, _GREEN), (300, _YELLOW), (600, _RED)),
        )
    )
    made.with_panel(
        _stat(
            "Oldest message nobody took",
            "time() - min(ops_outbox_oldest_timestamp_seconds) or vector(0)",
            unit="s",
            steps=((None, _GREEN), (300, _YELLOW), (900, _RED)),
        )
    )
    made.with_panel(
        _table(
            "Sources",
            {
                "state": f"ops_source_state{{{_OURS}}}",
                "recovery point": f"ops_rpo_actual_seconds{{{_OURS}}}",
                "rpo": f"ops_rpo_target_seconds{{{_OURS}}}",
                "restore": f"ops_rto_actual_seconds{{{_OURS}}}",
                "rto": f"ops_rto_target_seconds{{{_OURS}}}",
            },
        )
    )
    made.with_row(dashboard.Row("Recovery"))
    made.with_panel(
        _lines(
            "Age of the recovery point, as a share of the RPO",
            {"{{source}}": f"ops_rpo_actual_seconds{{{_OURS}}} / ops_rpo_target_seconds{{{_OURS}}}"},
            unit="percentunit",
            steps=((None, _GREEN), (0.75, _YELLOW), (1, _RED)),
        )
    )
    made.with_panel(
        _lines(
            "Restore, as a share of the RTO",
            {"{{source}}": f"ops_rto_actual_seconds{{{_OURS}}} / ops_rto_target_seconds{{{_OURS}}}"},
            unit="percentunit",
            steps=((None, _GREEN), (1, _RED)),
        )
    )
    made.with_panel(_lines("Restore duration", {"{{source}}": f"ops_restore_duration_seconds_last{{{_OURS}}}"}, "s"))
    made.with_panel(
        _states("State of each source", "{{source}} {{state}}", f"ops_source_state{{{_OURS}}}"),
    )
    # 3 all content, 2 a sample, 1 row counts, 0 nothing.
    made.with_panel(
        _lines(
            "Grade of the proof (3 all content, 2 a sample, 1 row counts, 0 nothing), and the configured one",
            {
                "{{source}}": f"ops_proof_grade{{{_OURS}}}",
                "{{source}} configured": f"ops_proof_grade_configured{{{_OURS}}}",
            },
        )
    )
    made.with_panel(
        _lines(
            "Not compared, though asked for",
            {"{{source}}": f"ops_proof_gaps{{{_OURS}}} > 0"},
        )
    )
    made.with_row(dashboard.Row("Copies"))
    made.with_panel(
        _lines("Copies", {"{{source}} in {{store}}": f"ops_copies{{{_OURS}}}"}),
    )
    made.with_panel(
        _lines("Damaged copies", {"{{source}} in {{store}}": f"ops_copies_damaged{{{_OURS}}} > 0"}),
    )
    made.with_panel(
        _lines(
            "Age of the newest copy",
            {"{{source}} in {{store}}": f"time() - ops_copy_newest_timestamp_seconds{{{_OURS}}} < 1e8"},
            unit="s",
        )
    )
    made.with_panel(_lines("Stored", {"{{store}}": f"sum by (store) (ops_copies_size_bytes{{{_OURS}}})"}, unit="bytes"))
    return made


def work() -> dashboard.Dashboard:
    """What is attempted, how long it takes, how it ends, and whether alerting itself works."""
    made = _dashboard("Backup work", "ops-work", "What is attempted, how it ends, and what it makes.")
    made.with_row(dashboard.Row("Attempts"))
    made.with_panel(
        _lines(
            "Ended in the last hour",
            {"{{kind}} {{outcome}}": f"sum by (kind, outcome) (increase(ops_attempts_total{{{_OURS}}}[1h]))"},
        )
    )
    made.with_panel(
        _lines(
            "Mean duration",
            {
                "{{kind}}": f"sum by (kind) (increase(ops_attempts_duration_seconds_total{{{_OURS}}}[1d])) "
                f"/ sum by (kind) (increase(ops_attempts_total{{{_OURS}}}[1d]))"
            },
            unit="s",
        )
    )
    made.with_panel(_lines("Under way", {"{{kind}} {{source}}": f"ops_attempts_running{{{_OURS}}}"}))
    made.with_panel(
        _lines(
            "Success in seven days",
            {
                "dump {{source}}": f"ops_backup_success_rate_7d{{{_OURS}}}",
                "verify {{source}}": f"ops_verify_success_rate_7d{{{_OURS}}}",
            },
            unit="percentunit",
            steps=((None, _RED), (0.95, _YELLOW), (0.99, _GREEN)),
        )
    )
    made.with_row(dashboard.Row("Backups"))
    made.with_panel(_lines("Size", {"{{source}}": f"ops_last_dump_size_bytes{{{_OURS}}}"}, unit="bytes"))
    made.with_panel(
        _lines(
            "Compression",
            {"{{source}}": f"ops_last_dump_uncompressed_bytes{{{_OURS}}} / ops_last_dump_size_bytes{{{_OURS}}}"},
        )
    )
    made.with_panel(_lines("Rows, documents, files", {"{{source}}": f"ops_last_dump_rows{{{_OURS}}}"}, unit="short"))
    made.with_panel(_lines("Dump duration", {"{{source}}": f"ops_last_dump_duration_seconds{{{_OURS}}}"}, unit="s"))
    made.with_panel(
        _states("Steps that are not well", "{{source}} {{phase}} {{store}}", f'ops_phase_state{{{_OURS}, state!="OK"}}')
    )
    made.with_row(dashboard.Row("Alerting"))
    made.with_panel(_lines("Open incidents", {"{{severity}} {{rule}}": "sum by (severity, rule) (ops_incidents_open)"}))
    made.with_panel(_lines("Messages that wait", {"waiting": "ops_outbox_messages"}))
    made.with_panel(
        _lines("Alert rules last ran", {"{{part}}": "time() - ops_alerts_evaluation_timestamp_seconds"}, unit="s")
    )
    made.with_panel(_lines("Scrape", {"{{instance}}": 'scrape_duration_seconds{job="ops"}'}, unit="s"))
    return made


def services() -> dashboard.Dashboard:
    """Of every probed server and service, by its kind: does it answer, how quickly, how full is it, what ends soon."""
    made = _dashboard("Servers and services", "ops-services", "What the probes found.", of="ops_probe_up", by="target")
    made.with_row(dashboard.Row("Does everything answer?"))
    made.with_panel(_stat("Answer", f"sum(ops_probe_up{{{_PROBED}}})"))
    made.with_panel(
        _stat("Do not answer", f"sum(1 - ops_probe_up{{{_PROBED}}})", steps=((None, _GREEN), (1, _RED))),
    )
    made.with_panel(
        _stat(
            "Last probe",
            f"time() - min(ops_probe_timestamp_seconds{{{_PROBED}}})",
            unit="s",
            steps=((None, _GREEN), (300, _YELLOW), (600, _RED)),
        )
    )
    made.with_panel(
        _stat(
            "Next certificate ends in",
            f"min(ops_probe_certificate_end_timestamp_seconds{{{_PROBED}}}) - time()",
            unit="s",
            steps=((None, _RED), (7 * _DAY_S, _YELLOW), (14 * _DAY_S, _GREEN)),
        )
    )
    made.with_panel(
        _stat(
            "Next password ends in",
            f"min(ops_probe_password_end_timestamp_seconds{{{_PROBED}}}) - time()",
            unit="s",
            steps=((None, _RED), (7 * _DAY_S, _YELLOW), (14 * _DAY_S, _GREEN)),
        )
    )
    made.with_panel(_states("Answers (1) or not (0)", "{{target}} {{kind}}", f"ops_probe_up{{{_PROBED}}}"))
    made.with_panel(_lines("Time to answer", {"{{target}} {{kind}}": f"ops_probe_latency_seconds{{{_PROBED}}}"}, "s"))
    for title, kind in (("PostgreSQL", "postgres"), ("MySQL and MariaDB", "mysql"), ("MongoDB", "mongodb")):
        _of_databases(made, title, f'{_PROBED}, kind="{kind}"')
    made.with_row(dashboard.Row("Redis"))
    for panel in _answering(f'{_PROBED}, kind="redis"'):
        made.with_panel(panel)
    made.with_row(dashboard.Row("Web applications (FastAPI and others), from outside"))
    web = f'{_PROBED}, kind="http"'
    for panel in _answering(web):
        made.with_panel(panel)
    made.with_panel(_lines("HTTP status", {"{{target}}": f"ops_probe_http_status{{{web}}}"}))
    made.with_panel(
        _lines(
            "Certificate ends in",
            {"{{target}} {{kind}}": f"ops_probe_certificate_end_timestamp_seconds{{{_PROBED}}} - time()"},
            unit="s",
        )
    )
    made.with_row(dashboard.Row("Web applications, by their own /metrics (rules/apps.yml)"))
    made.with_panel(_lines("Requests", {"{{app}}": "app:http_requests:rate5m"}, unit="reqps"))
    made.with_panel(_lines("Errors", {"{{app}} {{class}}": "app:http_errors:ratio5m"}, unit="percentunit"))
    made.with_panel(_lines("95 of 100 answers are quicker than", {"{{app}}": "app:http_latency_seconds:p95_5m"}, "s"))
    made.with_panel(_lines("Can be scraped", {"{{app}} {{instance}}": 'up{job="apps"}'}))
    return made


def _of_databases(made: dashboard.Dashboard, title: str, which: str) -> None:
    """A row about the servers of one kind."""
    made.with_row(dashboard.Row(title))
    for panel in _answering(which):
        made.with_panel(panel)
    made.with_panel(
        _lines(
            "Connections, as a share of those allowed",
            {"{{target}}": f"ops_probe_connections{{{which}}} / ops_probe_connections_allowed{{{which}}}"},
            unit="percentunit",
            steps=((None, _GREEN), (0.75, _YELLOW), (0.9, _RED)),
        )
    )
    made.with_panel(_lines("Slow queries of others", {"{{target}}": f"ops_probe_slow_queries{{{which}}}"}))
    made.with_panel(_lines("Size", {"{{target}}": f"ops_probe_database_size_bytes{{{which}}}"}, unit="bytes"))
    made.with_panel(
        _lines(
            "Replica behind by; stopped (1) or not (0)",
            {
                "{{target}}": f"ops_probe_replication_lag_seconds{{{which}}}",
                "{{target}} stopped": f"ops_probe_replication_stopped{{{which}}}",
            },
            unit="s",
        )
    )


def _answering(which: str) -> tuple[timeseries.Panel, timeseries.Panel]:
    """What every probe measures."""
    return (
        _lines("Answers", {"{{target}}": f"ops_probe_up{{{which}}}"}, steps=((None, _RED), (1, _GREEN))),
        _lines("Time to answer", {"{{target}}": f"ops_probe_latency_seconds{{{which}}}"}, unit="s"),
    )


def rendered() -> Mapping[str, str]:
    """Every dashboard's JSON, by file name."""
    made = {"backups.json": backups(), "services.json": services(), "work.json": work()}
    return {name: _encoded(each) for name, each in made.items()}


def _encoded(made: dashboard.Dashboard) -> str:
    built = json.loads(JSONEncoder().encode(made.build()))
    for panel in built["panels"]:
        # The SDK writes null where nothing was chosen; Grafana's schema wants an object, or nothing.
        if panel.get("options", {}) is None:
            del panel["options"]
    return json.dumps(built, sort_keys=True, indent=1) + "\n"


def _dashboard(
    title: str, uid: str, description: str, *, of: str = "ops_source_healthy", by: str = "source"
) -> dashboard.Dashboard:
    """An empty one, with a choice of what a label of a metric has."""
    choice = dashboard.QueryVariable(by).label(by.capitalize()).query(f"label_values({of}, {by})")
    choice = choice.datasource(_SOURCE).multi(True).include_all(True).all_value(".+")
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["ops_pipelines"])
        .timezone("browser")
        .time("now-7d", "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(choice.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED))
    )


def _query(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref).datasource(_SOURCE)


def _steps(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)


def _stat(title: str, expr: str, *, unit: str = "none", steps: Steps = ((None, _GREEN),)) -> stat.Panel:
    panel = stat.Panel().title(title).datasource(_SOURCE).unit(unit).thresholds(_steps(steps)).height(4).span(4)
    return panel.with_target(_query(expr).instant())


def _lines(title: str, queries: Mapping[str, str], unit: str = "none", steps: Steps = ()) -> timeseries.Panel:
    panel = timeseries.Panel().title(title).datasource(_SOURCE).unit(unit).min(0).height(8).span(12)
    if steps:
        panel.thresholds(_steps(steps))
    for ref, (legend, expr) in zip("ABCDE", queries.items(), strict=False):
        panel.with_target(_query(expr, legend, ref))
    return panel


def _states(title: str, legend: str, expr: str) -> statetimeline.Panel:
    panel = statetimeline.Panel().title(title).datasource(_SOURCE).height(8).span(12)
    return panel.with_target(_query(expr, legend))


def _table(title: str, columns: Mapping[str, str]) -> table.Panel:
    """A row for each source, a column for each query."""
    panel = table.Panel().title(title).datasource(_SOURCE).unit("s").height(9).span(24)
    names: dict[str, Any] = {}
    for ref, (name, expr) in zip("ABCDEFG", columns.items(), strict=False):
        panel.with_target(_query(f"sum by (source{', state' if name == 'state' else ''}) ({expr})", name, ref).instant()
                          .format("table"))  # fmt: skip
        names[f"Value #{ref}"] = name
    hidden = {"Time": True, "Value #A": True}
    return panel.transformations(
        [
            DataTransformerConfig(id_val="merge", options={}),
            DataTransformerConfig(id_val="organize", options={"excludeByName": hidden, "renameByName": names}),
        ]
    )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for _name, _text in rendered().items():
        (FOLDER / _name).write_text(_text, encoding="utf-8")
