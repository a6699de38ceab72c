"""The chart in `deploy/helm`, rendered without a cluster: Kubernetes would accept it, and it keeps what it promises."""

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import grpc
import helm_python as helm
import kubernetes_validate
import pytest
import yaml
from dagster import DagsterRun, build_schedule_context
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ListRepositoriesResponse
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job
from dagster_shared.serdes import deserialize_value
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kubernetes.client import ApiClient

from ops_pipelines.config.load import load_config
from ops_pipelines.naming import SOURCE_TAG
from ops_pipelines.orchestration.build import build_definitions
from tests.deploy.parts import BIN, DEPLOY, PROJECT, free_port, until

CHART = DEPLOY / "helm/ops-pipelines"
FOR_DAGSTER = DEPLOY / "helm/values-dagster.yaml"
VERSIONS = ("1.33", "1.37")
RELEASE = "ops-pipelines/release"
RECIPIENT = "age173pm4ccqx255m3vurlvu672nx0g0jtpm7r2dre6l3p9keuv4lg7stns5wu"
Document = dict[str, Any]

FULL: dict[str, Any] = {
    "image": {"repository": "registry.example.org/ops_pipelines", "tag": "0.1.0", "pullSecrets": ["registry"]},
    "sandbox": True,
    "config": {
        "defaults": {
            "verify": {"isolation": "sandbox"},
            "encrypt": {"age": [RECIPIENT], "identity": {"env": "AGE_KEY"}},
            "copies": ["offsite"],
        },
        "stores": {"offsite": {"kind": "s3", "bucket": "acme", "offsite": True, "credentials": {"env": "OFFSITE"}}},
        "sources": {"crm": {"kind": "postgres", "url": {"env": "CRM_DATABASE_URL"}}},
    },
    "secrets": {"code": ["ops-pipelines", "offsite"], "page": ["ops-page"]},
    "page": {
        "ingress": {
            "enabled": True, "className": "nginx", "annotations": {"a": "b"},
            "host": "backup.example.org", "tlsSecret": "backup-tls",
        }
    },
    "volume": {"storageClass": "local-path", "size": "1Ti"},
    "nodeSelector": {"kubernetes.io/hostname": "storage-1"},
    "tolerations": [{"key": "backup", "operator": "Exists", "effect": "NoSchedule"}],
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/backup"}},
    "networkPolicy": {
        "toPage": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 5432, "protocol": "TCP"}]}],
    },
}  # fmt: skip
ALL_VALUES: Mapping[str, dict[str, Any]] = {"default": {}, "full": FULL}


def rendered(values: dict[str, Any]) -> list[Document]:
    """What `helm install ops` would send to the cluster."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(values, name="ops", namespace="backup")
    texts = [text for path, text in files.items() if not path.endswith(".txt")]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


@pytest.fixture(params=ALL_VALUES)
def documents(request: pytest.FixtureRequest) -> list[Document]:
    """The chart with the default and with all values."""
    return rendered(ALL_VALUES[request.param])


def job_of_a_run(documents: list[Document], tags: Mapping[str, str] | None = None) -> Document:
    """The job that K8sRunLauncher makes for a run with these tags, from what the code location tells it."""
    code = container(documents, "code")
    (told,) = (word.partition("=")[2] for word in code["args"] if word.startswith("--container-context="))
    run = DagsterRun(job_name="backup", tags=dict(tags or {}))
    by_tags = K8sContainerContext.create_for_run(run, None, include_run_tags=True)
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(
            job_image=code["image"],
            dagster_home="/opt/dagster/dagster_home",
            instance_config_map="dagster-instance",
            postgres_password_secret="dagster-postgresql-secret",
        ),
        args=["dagster", "api", "execute_run"],
        job_name="run",
        component="run_worker",
        user_defined_k8s_config=K8sContainerContext.create_from_config(json.loads(told)).merge(by_tags).run_k8s_config,
    )
    made = ApiClient().sanitize_for_serialization(job)
    assert isinstance(made, dict)
    return made


def container(documents: list[Document], name: str) -> Document:
    """The container of that name."""
    (found,) = (each for _, pod in pods(documents) for each in pod["containers"] if each["name"] == name)
    assert isinstance(found, dict)
    return found


def pods(documents: list[Document]) -> Iterator[tuple[Document, Document]]:
    """Metadata and specification of the pods that they lead to."""
    for document in documents:
        spec = document.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield template["metadata"], template["spec"]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_would_accept_each_document(documents: list[Document], version: str) -> None:
    for document in [*documents, job_of_a_run(documents)]:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("values", ALL_VALUES.values(), ids=ALL_VALUES)
def test_helm_finds_nothing_but_that_there_is_no_icon(values: dict[str, Any]) -> None:
    report = helm.lint(CHART, values, strict=True)
    assert report["errors"] == []
    assert [message["error"] for message in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize(
    "values",
    [
        {"imge": {}},
        {"image": {"tag": ""}},
        {"config": {"sources": None}},
        {"config": {"ledger": "sqlite:////var/lib/ops_pipelines/base/ledger.sqlite"}},
        {"config": {"base": "/tmp/base"}},
        {"config": {"sources": {"crm": {"kind": "postgres", "url": "postgresql://ops:hunter2@db/crm"}}}},
        {"secrets": {"code": [{"name": "ops", "value": "hunter2"}]}},
        {"code": {"resources": {"limits": None}}},
        {"code": {"port": 80}},
        {"page": {"ingress": {"enabled": True, "host": "backup.example.org"}}},
        {"watcher": {"schedule": "hourly"}},
        {"sandbox": "yes"},
    ],
    ids=str,
)
def test_values_that_cannot_be_meant_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmError, match="values don't meet the specifications of the schema"):
        rendered(values)


def test_ops_reads_the_file_that_it_will_find(documents: list[Document], tmp_path: Path) -> None:
    (config,) = (document for document in documents if document["kind"] == "ConfigMap")
    path = tmp_path / "ops.yaml"
    path.write_text(config["data"]["ops.yaml"], encoding="utf-8")
    assert load_config(path, environ={}).base == Path("/var/lib/ops_pipelines/base")


def test_no_secret_is_in_it_and_the_page_has_none_of_a_source(documents: list[Document]) -> None:
    assert "Secret" not in {document["kind"] for document in documents}
    for _, pod in [*pods(documents), *pods([job_of_a_run(documents)])]:
        for each_container in pod["containers"]:
            values = {each["name"]: each["value"] for each in each_container.get("env", []) if "value" in each}
            assert not [name for name in values if re.search("PASSWORD|SECRET|TOKEN|KEY|URL", name)]
    page = container(documents, "page")
    assert not [each for each in page["env"] if "valueFrom" in each]
    assert {each["secretRef"]["name"] for each in page["envFrom"]} <= {"ops-pipelines-page", "ops-page"}
    assert {each["name"] for each in page["volumeMounts"]} == {"config", "tmp"}


def test_each_pod_has_no_rights_that_it_does_not_need(documents: list[Document]) -> None:
    found = [*pods(documents), *pods([job_of_a_run(documents)])]
    assert len(found) == 4
    for _, pod in found:
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert not [volume for volume in pod["volumes"] if "hostPath" in volume]
        for each in pod["containers"]:
            context = each["securityContext"]
            assert context["readOnlyRootFilesystem"] and context["runAsNonRoot"]
            assert context["allowPrivilegeEscalation"] is False and context["privileged"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert each["resources"]["limits"]["memory"] and each["resources"]["requests"]["memory"]


def test_only_what_proves_may_make_a_sandbox_and_only_when_asked() -> None:
    for values in ALL_VALUES.values():
        documents = rendered(values)
        for _, pod in [*pods(documents), *pods([job_of_a_run(documents)])]:
            (only,) = pod["containers"]
            open_ = bool(values.get("sandbox")) and only["name"] in {"code", "dagster"}
            assert pod["securityContext"]["seccompProfile"]["type"] == ("Unconfined" if open_ else "RuntimeDefault")
            assert pod.get("hostUsers", True) is not open_
            assert only["securityContext"].get("procMount", "Default") == ("Unmasked" if open_ else "Default")


def test_every_pod_is_closed_but_for_two_ports(documents: list[Document]) -> None:
    policies = [document["spec"] for document in documents if document["kind"] == "NetworkPolicy"]
    (closed,) = (policy for policy in policies if policy["ingress"] == [])
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    for metadata, _ in [*pods(documents), *pods([job_of_a_run(documents)])]:
        assert closed["podSelector"]["matchLabels"].items() <= metadata["labels"].items()
    opened = {
        policy["podSelector"]["matchLabels"]["app.kubernetes.io/component"]: policy["ingress"]
        for policy in policies
        if policy is not closed
    }
    assert {name: [port["port"] for rule in rules for port in rule["ports"]] for name, rules in opened.items()} == {
        "code": ["grpc"],
        "page": ["http"],
    }
    assert all(rule["from"] for rules in opened.values() for rule in rules)


def test_services_lead_to_pods_and_dagster_to_the_code_location(documents: list[Document]) -> None:
    services = {each["metadata"]["name"]: each["spec"] for each in documents if each["kind"] == "Service"}
    labels = [metadata["labels"] for metadata, _ in pods(documents)]
    for service in services.values():
        assert sum(service["selector"].items() <= each.items() for each in labels) == 1
    (server,) = yaml.safe_load(FOR_DAGSTER.read_text("utf-8"))["dagsterWebserver"]["workspace"]["servers"]
    assert services[server["host"]]["ports"][0]["port"] == server["port"]


def test_a_run_has_what_the_code_location_has(documents: list[Document]) -> None:
    (code,) = (pod for _, pod in pods(documents) if pod["containers"][0]["name"] == "code")
    ((metadata, run),) = pods([job_of_a_run(documents)])
    assert metadata["labels"][RELEASE] == "ops"
    for key in (
        "securityContext",
        "serviceAccountName",
        "nodeSelector",
        "tolerations",
        "hostUsers",
        "imagePullSecrets",
    ):
        assert (run.get(key) or None) == (code.get(key) or None), key
    ours, theirs = code["containers"][0], run["containers"][0]
    for key in ("image", "imagePullPolicy", "envFrom", "securityContext"):
        assert theirs.get(key) == ours.get(key), key
    assert {each["name"] for each in ours["env"]} <= {each["name"] for each in theirs["env"]}
    instance = {"/opt/dagster/dagster_home/dagster.yaml"}  # a run is told of it by the launcher
    places = {each["mountPath"] for each in theirs["volumeMounts"]}
    assert places == {each["mountPath"] for each in ours["volumeMounts"]} - instance
    assert "hostname" not in run, "two pods of one name would take each other's processes for dead"


def test_a_source_has_its_own_pods_and_only_what_it_says_of_them_differs(tmp_path: Path) -> None:
    pod = {
        "node_selector": {"disk": "large"},
        "resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "8Gi"}},
    }
    sources = {name: {"kind": "sqlite", "paths": [f"{name}.sqlite"]} for name in ("large", "small")}
    (tmp_path / "ops.yaml").write_text(
        yaml.safe_dump({"sources": {**sources, "large": {**sources["large"], "pod": pod}}}), encoding="utf-8"
    )
    repository = build_definitions(load_config(tmp_path / "ops.yaml")).get_repository_def()
    (schedule,) = (each for each in repository.schedule_defs if each.name.startswith("backup_"))
    context = build_schedule_context(scheduled_execution_time=datetime.now(timezone.utc), repository_def=repository)
    requests = {each.tags[SOURCE_TAG]: each.tags for each in schedule.evaluate_tick(context).run_requests or []}
    documents = rendered(FULL)
    jobs = {name: job_of_a_run(documents, tags) for name, tags in requests.items()}
    for job in jobs.values():
        kubernetes_validate.validate(job, VERSIONS[0], strict=True)
    assert jobs["small"] == job_of_a_run(documents)
    made = jobs["large"]["spec"]["template"]["spec"]
    assert made["nodeSelector"] == {**FULL["nodeSelector"], "disk": "large"}
    assert made["containers"][0].pop("resources") == {
        "requests": {"cpu": "500m", "memory": "2Gi"},
        "limits": {"memory": "8Gi"},
    }
    usual = jobs["small"]["spec"]["template"]["spec"]
    del made["nodeSelector"], usual["nodeSelector"], usual["containers"][0]["resources"]
    assert made == usual


@pytest.fixture
def installation(tmp_path: Path) -> Mapping[str, str]:
    """The environment of a pod with one source that nobody has backed up yet."""
    with closing(sqlite3.connect(tmp_path / "app.sqlite")) as database, database:
        database.execute("create table notes (text)")
    config = {"base": "base", "sources": {"app": {"kind": "sqlite", "paths": ["app.sqlite"]}}}
    (tmp_path / "ops.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "dagster").mkdir()
    return {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "OPS_CONFIG": str(tmp_path / "ops.yaml"),
        "DAGSTER_HOME": str(tmp_path / "dagster"),
    }


def test_the_watcher_fails_until_something_is_proved(installation: Mapping[str, str]) -> None:
    words = container(rendered({}), "watcher")["args"]
    first = subprocess.run(words, env=installation, capture_output=True, text=True, check=False)
    assert first.returncode == 1 and "never backed up" in first.stdout + first.stderr
    subprocess.run(["ops", "backup", "app"], env=installation, capture_output=True, check=True)
    then = subprocess.run(words, env=installation, capture_output=True, text=True, check=False)
    assert then.returncode == 0, then.stdout + then.stderr


def test_the_code_location_answers_its_probe_and_tells_what_runs_are_made_of(installation: Mapping[str, str]) -> None:
    port = free_port()
    code = container(rendered({"code": {"port": port}}), "code")
    with subprocess.Popen(code["args"], env=installation) as server:
        try:
            until(lambda: serving(port, code["readinessProbe"]["grpc"]["service"]), "the code location does not answer")
            told = DagsterGrpcClient(port=port, host="127.0.0.1").list_repositories()
        finally:
            server.terminate()
    found = deserialize_value(told, ListRepositoriesResponse)
    assert found.container_image == code["image"]
    assert found.container_context["k8s"]["service_account_name"] == "ops-ops-pipelines"


def serving(port: int, service: str) -> bool | None:
    """Whether a gRPC probe of Kubernetes is content; None when not."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, suppress(grpc.RpcError):
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        return answer.status == health_pb2.HealthCheckResponse.SERVING or None
    return None


def test_dagster_and_its_chart_are_of_one_version() -> None:
    (locked,) = re.findall(r"^dagster==(\S+)", (PROJECT / "requirements-deploy.txt").read_text("utf-8"), re.MULTILINE)
    for path in (FOR_DAGSTER, PROJECT / "docs/how-to/many-machines.md"):
        assert re.findall(r"dagster/dagster --version (\S+)", path.read_text("utf-8")) == [locked], path
