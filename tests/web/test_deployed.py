"""`deploy/`: what Prometheus, Alertmanager, Grafana, Filebeat, Logstash and logrotate are given is what we say."""

import asyncio
import json
import logging
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.responses import PlainTextResponse

from ops_pipelines import logs
from ops_pipelines.engines.figures import Figures
from ops_pipelines.probes.measured import Measured, keep
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.metrics import exposition
from ops_pipelines.watch.snapshots import look
from ops_pipelines.web.request_log import RequestLog
from tests.web.conftest import MakeHouse
from tests.web.test_logs import lines, log  # noqa: F401 - a fixture
from tests.web.test_metrics import figures

DEPLOY = Path(__file__).parents[2] / "deploy"
MONITORING = DEPLOY / "monitoring"
RULES = ("ops", "apps")
DASHBOARDS = ("backups.json", "services.json", "work.json")


def typed(*words: str | Path, cwd: Path = MONITORING) -> str:
    """Run a command that must succeed; what it printed."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts(name: str) -> list[dict[str, Any]]:
    """The alert rules of a file."""
    document = yaml.safe_load((MONITORING / "rules" / f"{name}.yml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"] if "alert" in rule]


def dashboard_expressions() -> list[str]:
    """Every query of every dashboard, for all sources."""

    def found(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from [node["expr"]] if "expr" in node else []
            node = list(node.values())
        if isinstance(node, list):
            for each in node:
                yield from found(each)

    texts = [(MONITORING / "grafana" / name).read_text(encoding="utf-8") for name in DASHBOARDS]
    return [
        expr.replace("$source", ".+").replace("$target", ".+") for text in texts for expr in found(json.loads(text))
    ]


def test_prometheus_and_alertmanager_accept_their_configuration(tmp_path: Path) -> None:
    typed("cp", "-r", f"{MONITORING}/.", tmp_path)
    (tmp_path / "ops.token").write_text("a token", encoding="utf-8")
    typed("promtool", "check", "config", "prometheus.yml", cwd=tmp_path)
    typed("amtool", "check-config", "alertmanager.yml", cwd=tmp_path)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_fires_when_it_must_and_not_before(name: str) -> None:
    tests = MONITORING / "rules" / f"{name}_test.yml"
    typed("promtool", "test", "rules", tests)
    document = yaml.safe_load(tests.read_text(encoding="utf-8"))
    for rule in alerts(name):
        mine = [
            [f'alertname="{rule["alert"]}"' in str(check.get("exp_samples")) for check in test["promql_expr_test"]]
            for test in document["tests"]
            if "promql_expr_test" in test
        ]
        proved = [fires for fires in mine if any(fires)]
        assert proved, f"no test sees {rule['alert']} fire"
        assert any(False in fires for fires in proved), f"no test sees {rule['alert']} wait"


@pytest.mark.parametrize("name", RULES)
def test_every_alert_says_what_is_wrong_and_what_to_type(name: str) -> None:
    for rule in alerts(name):
        assert rule["labels"]["severity"] in ("warn", "error", "critical"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description", "next"}, rule["alert"]


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("error", "slack"), ("warn", "mail")])
def test_the_worse_it_is_the_louder_it_is_told(severity: str, receiver: str) -> None:
    argv = ("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", f"severity={severity}")
    assert typed(*argv).strip() == receiver


def test_what_is_inhibited_are_alerts_that_exist() -> None:
    names = {rule["alert"] for name in RULES for rule in alerts(name)}
    document = yaml.safe_load((MONITORING / "alertmanager.yml").read_text(encoding="utf-8"))
    told = " ".join(str(rule) for rule in document["inhibit_rules"])
    named = set(re.findall(r"\b(?:Ops|App)[A-Z]\w+", told))
    assert len(named) > 10
    assert named <= names


def test_every_metric_and_label_of_rules_and_dashboards_is_on_our_page(make_house: MakeHouse, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("http://127.0.0.1:1/", encoding="utf-8")
    house = make_house("crm", "forge", alerts={"channels": {"slack": {"file": "hook"}}})
    house.holds("crm", "verified")
    house.holds("forge", "bad")
    look(house.workspace, watching=True)
    watch_once(house.workspace)
    at = house.workspace.clock.now()
    # A moment and a text where they are wanted, 1 elsewhere.
    odd: dict[str, Any] = {"certificate_ends_at": at, "password_ends_at": at, "replica_stopped": "no"}
    probed = Figures.model_validate({**dict.fromkeys(Figures.model_fields, 1), **odd})
    with house.workspace.ledger.session() as session:
        keep(session, [Measured(target="crm", kind="postgres", at=at, latency_s=1.0, figures=probed)])
    with house.workspace.ledger.activity("copy", source="crm"):
        samples = figures(exposition(house.workspace))
    page: dict[str, set[str]] = {}
    for name, labels in samples:
        page.setdefault(name, set()).update(label for label, _value in labels)
    expressions = [*(rule["expr"] for rule in alerts("ops")), *dashboard_expressions()]
    recorded = yaml.safe_load((MONITORING / "rules" / "apps.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    asked = {found for each in expressions for found in re.findall(r"\b\w+:\w+:\w+", each)}
    assert asked == {rule["record"] for rule in recorded}, "what rules/apps.yml records is shown, and nothing else"
    probed_names = {name for name in page if name.startswith("ops_probe_")}
    assert probed_names <= set(re.findall(r"\bops_\w+", " ".join(dashboard_expressions()))), "every figure has a panel"
    used = [found for each in expressions for found in re.findall(r"\b(ops_\w+)(?:\{([^}]*)\})?", each)]
    assert len({name for name, _matchers in used}) > 25
    for name, matchers in used:
        assert name in page, f"{name} is not on the page"
        named = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"", matchers))
        assert named <= page[name] | {"job", "instance"}, f"{name} has no such label: {named - page[name]}"


def test_every_query_of_the_dashboards_can_be_parsed(tmp_path: Path) -> None:
    found = dashboard_expressions()
    assert len(found) > 25
    rules = [{"record": f"q{number}", "expr": expr} for number, expr in enumerate(found)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    typed("promtool", "check", "rules", tmp_path / "rules.yml")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the SDK needs Python 3.11")
def test_the_committed_dashboards_are_what_the_code_makes() -> None:
    made = runpy.run_path(str(MONITORING / "dashboards.py"))["rendered"]()
    assert made == {name: (MONITORING / "grafana" / name).read_text(encoding="utf-8") for name in DASHBOARDS}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the SDK needs Python 3.11")
@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafanas_own_models_read_the_dashboards_and_lose_nothing(name: str) -> None:
    from grafana_foundation_sdk.cog import plugins  # noqa: PLC0415
    from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: PLC0415
    from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: PLC0415

    def lost(given: Any, kept: Any) -> Iterator[str]:
        if isinstance(given, dict) and isinstance(kept, dict):
            yield from (key for key in given if key not in kept)
            for key in given.keys() & kept.keys():
                yield from lost(given[key], kept[key])
        elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
            for each, other in zip(given, kept, strict=True):
                yield from lost(each, other)
        elif given != kept:
            yield f"{given} became {kept}"

    plugins.register_default_plugins()
    given = json.loads((MONITORING / "grafana" / name).read_text(encoding="utf-8"))
    assert list(lost(given, json.loads(JSONEncoder().encode(Dashboard.from_json(given))))) == []
    assert len(given["panels"]) > 10


async def _nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def _to_nobody(_message: Any) -> None:
    """Whoever asked is not here."""


def test_logstash_names_fields_that_our_log_has(make_house: MakeHouse, log: Path) -> None:  # noqa: F811
    house = make_house()
    with pytest.raises(OSError), house.workspace.ledger.activity("copy", source="crm", store="nas", run_id="r1"):
        raise OSError("no space left")
    house.holds("crm", "bad")
    answered = RequestLog(PlainTextResponse("well"))
    asyncio.run(answered({"type": "http", "method": "GET", "path": "/", "headers": []}, _nothing, _to_nobody))
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("dagster").exception("it broke")
    ours = {key for each in lines(log) for key in each}
    pipeline = (DEPLOY / "logs" / "logstash.conf").read_text(encoding="utf-8")
    assert set(re.findall(r"\[ops\]\[(\w+)\]", pipeline)) <= ours
    said = re.search(r"# (ops\..*) keep their names", pipeline)
    assert said
    assert set(re.findall(r"ops\.(\w+)", said[1])) <= ours
    recipe = (DEPLOY.parent / "docs" / "how-to" / "logs-and-front-end.md").read_text(encoding="utf-8")
    assert {*re.findall(r"`[^`]*?\bops\.(\w+)", recipe)} - {"yaml", "log"} <= ours, "Kibana's views"
    bare = re.sub(r'"[^"]*"|#.*', "", pipeline)
    assert bare.count("{") == bare.count("}") > 5


def test_filebeat_puts_our_fields_where_logstash_looks() -> None:
    document = yaml.safe_load((DEPLOY / "logs" / "filebeat.yml").read_text(encoding="utf-8"))
    (source,) = document["filebeat.inputs"]
    assert source["parsers"][0]["ndjson"]["target"] == "ops"
    assert source["fields"] == {"service.name": "ops_pipelines"}


def test_vector_reads_the_same_log_and_hands_it_on() -> None:
    document = yaml.safe_load((DEPLOY / "logs" / "vector.yaml").read_text(encoding="utf-8"))
    filebeat = yaml.safe_load((DEPLOY / "logs" / "filebeat.yml").read_text(encoding="utf-8"))
    assert {*filebeat["filebeat.inputs"][0]["paths"]} < {*document["sources"]["ops_log"]["include"]}
    made = {"ops_log"}
    for name, step in [*document["transforms"].items(), *document["sinks"].items()]:
        assert {*step["inputs"]} <= made, name
        made.add(name)
    sink = document["sinks"]["hosted"]
    assert (sink["uri"], sink["auth"]["token"]) == ("${LOGS_URL}", "${LOGS_TOKEN}")


def test_a_log_that_logrotate_moves_loses_no_line(log: Path, tmp_path: Path) -> None:  # noqa: F811
    logs.event("before")
    text = (DEPLOY / "logs" / "logrotate").read_text(encoding="utf-8")
    # The users of a real machine are not here.
    text = text.replace("/var/lib/ops_pipelines/ops.log", str(log)).replace("    su ops ops\n", "")
    rules = tmp_path / "rules"
    rules.write_text(text.replace("create 0600 ops ops", "create 0600"), encoding="utf-8")
    rules.chmod(0o600)
    typed("/usr/sbin/logrotate", "--force", "--state", tmp_path / "state", rules)
    logs.event("after")
    files = sorted(log.parent.glob("ops.log*"))
    assert [[each["event"] for each in lines(file)] for file in files] == [["after"], ["before"]]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
