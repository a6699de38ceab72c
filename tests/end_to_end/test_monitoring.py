"""Prometheus, Alertmanager and `ops serve` as `deploy/monitoring` has them: a broken backup is told, and its mending.

The committed files are used as they are, but for addresses, secrets and waiting times. What Dagster's two sensors do at
every tick is done here by the test, once a second: `look` and `watch_once`.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.snapshots import look
from ops_pipelines.workspace import Workspace
from tests.conftest import MakeWorkspace
from tests.end_to_end.conftest import OPS, PROJECT
from tests.watch.receivers import Mailbox, Webhook, mailbox, webhook

DEPLOYED = PROJECT / "deploy" / "monitoring"
TOKEN = "canary-token-of-the-scrape"
PATIENCE_S = 120
EVENT = "[OPS] OpsBackupFailed phase=dump severity=error source=crm status=firing"


@dataclass
class Site:
    """Everything that runs.

    Attributes:
        ours: the webhook that ops_pipelines itself posts to.
        theirs: the one that Alertmanager posts to.
    """

    workspace: Workspace
    folder: Path
    ours: Webhook
    theirs: Webhook
    post: Mailbox
    seconds: dict[str, float] = field(default_factory=dict)

    def until(self, name: str, holds: Callable[[], bool]) -> None:
        """Watch as the daemon does until something holds; `seconds` says how long it took."""
        begun = time.monotonic()
        while not holds():
            assert time.monotonic() - begun < PATIENCE_S, f"{name}: {self.theirs.bodies} {self.ours.bodies}"
            look(self.workspace, watching=True)
            watch_once(self.workspace)
            time.sleep(0.2)
        self.seconds[name] = round(time.monotonic() - begun, 1)

    def told(self, *words: str) -> bool:
        """Whether Alertmanager posted a message that has these words."""
        return any(all(word in str(body["attachments"]) for word in words) for body in self.theirs.bodies)


@pytest.fixture
def site(tmp_path: Path, crm: Server, make_workspace: MakeWorkspace) -> Iterator[Site]:
    """Receivers, `ops serve`, Alertmanager and Prometheus on the committed configuration."""
    made = make_workspace(crm.url())
    folder = tmp_path / "etc"
    shutil.copytree(DEPLOYED, folder)
    with ExitStack() as stack:
        ours, theirs = stack.enter_context(webhook()), stack.enter_context(webhook())
        post = stack.enter_context(mailbox())
        config = made.path / "ops.yaml"
        document = yaml.safe_load(config.read_text(encoding="utf-8"))
        document["web"] = {"token": {"file": "token"}}
        document["alerts"] = {"channels": {"slack": {"file": "hook"}}}
        (made.path / "token").write_text(TOKEN, encoding="utf-8")
        (made.path / "hook").write_text(ours.url, encoding="utf-8")
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        ops = stack.enter_context(running([OPS, "serve", "--port", "0", "--config", config], r"http://([^ /\"]+)/"))
        (folder / "ops.token").write_text(TOKEN, encoding="utf-8")
        adapted(folder, ops=ops, slack=theirs.url, mail=f"127.0.0.1:{post.port}", alertmanager=(am := free()))
        hurried(folder)
        workspace = Workspace(load_config(config, environ={}))
        look(workspace, watching=True)  # a daemon that never looked is silent, too
        stack.enter_context(prometheus_and_alertmanager(folder, am))
        yield Site(workspace, made.path, ours, theirs, post)


def test_a_broken_backup_is_posted_by_both_and_so_is_its_mending(site: Site, crm: Server) -> None:
    assert ops(site, "backup", "crm") == 0
    (site.folder / "url").write_text(crm.at(dbname="nowhere").url(), encoding="utf-8")
    assert ops(site, "backup", "crm") != 0
    site.until("ours told", lambda: any("dump failed" in text for text in site.ours.texts))
    site.until("Alertmanager told", lambda: site.told("[OPS] ERROR OpsBackupFailed crm", "next: `ops status", EVENT))
    assert site.post.subjects == [], "what only follows from it is not told"
    assert not site.told("OpsDaemonSilent"), "the watcher was never silent"
    (site.folder / "url").write_text(crm.url(), encoding="utf-8")
    assert ops(site, "backup", "crm") == 0
    site.until("ours resolved", lambda: any("OK crm: dump failed" in text for text in site.ours.texts))
    site.until("Alertmanager resolved", lambda: site.told("[OPS] OK OpsBackupFailed", "until 2"))
    site.until("mail came", lambda: any("OpsBackupsFailOften" in text for text in site.post.subjects))
    assert all(subject.startswith("[OPS] ") for subject in site.post.subjects)
    print(site.seconds)


def ops(site: Site, *words: str) -> int:
    """Type a command."""
    argv = [OPS, *words, "--config", str(site.folder / "ops.yaml")]
    done = subprocess.run(argv, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done.returncode


def adapted(folder: Path, *, ops: str, slack: str, mail: str, alertmanager: str) -> None:
    """The committed files with the addresses of this test."""
    (folder / "slack.url").write_text(slack, encoding="utf-8")

    def prometheus(document: Any) -> None:
        document["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
        document["scrape_configs"] = document["scrape_configs"][:1]
        document["scrape_configs"][0] |= {"static_configs": [{"targets": [ops]}]}

    def routes(document: Any) -> None:
        document["global"] |= {"smtp_smarthost": mail, "smtp_require_tls": False}
        del document["global"]["smtp_auth_username"], document["global"]["smtp_auth_password_file"]
        for receiver in document["receivers"]:
            for each in receiver.get("slack_configs", []):
                each["api_url_file"] = str(folder / "slack.url")

    rewritten(folder / "prometheus.yml", prometheus)
    rewritten(folder / "alertmanager.yml", routes)


def hurried(folder: Path) -> None:
    """Seconds in place of minutes."""
    # The rate is told later than the failure, as in the committed file: its cause must be known by then.
    waits = {"OpsBackupFailed": {"for": "1s"}, "OpsBackupsFailOften": {"for": "10s"}}

    def prometheus(document: Any) -> None:
        document["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
        document["scrape_configs"][0] |= {"scrape_timeout": "1s"}

    def rules(document: Any) -> None:
        for group in document["groups"]:
            for rule in group["rules"]:
                rule.update(waits.get(rule["alert"], {}))

    def routes(document: Any) -> None:
        document["route"] |= {"group_wait": "1s", "group_interval": "1s"}

    rewritten(folder / "prometheus.yml", prometheus)
    rewritten(folder / "rules" / "ops.yml", rules)
    rewritten(folder / "alertmanager.yml", routes)


def rewritten(path: Path, change: Callable[[Any], None]) -> None:
    """A YAML file with a change."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


@contextmanager
def prometheus_and_alertmanager(folder: Path, alertmanager: str) -> Iterator[None]:
    """Both on the configuration in a folder, until the block ends.

    Args:
        alertmanager: the address it listens on.
    """
    listening = ["--web.listen-address"]
    alerts = ["prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yml'}"]
    alerts += [f"--storage.path={folder / 'alertmanager'}", *listening, alertmanager, "--cluster.listen-address="]
    rules = ["prometheus", f"--config.file={folder / 'prometheus.yml'}"]
    rules += [f"--storage.tsdb.path={folder / 'tsdb'}", *listening, free()]
    with running(alerts, r"Listening on()"), running(rules, r"Server is ready to receive()"):
        yield


@contextmanager
def running(argv: list[Any], ready: str) -> Iterator[str]:
    """A program until the block ends; yields what its ready line says in parentheses."""
    started = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]})
    assert started.stderr is not None
    try:
        said = []
        for line in started.stderr:
            said.append(line)
            if found := re.search(ready, line):
                break
        else:
            raise AssertionError("".join(said))
        # A pipe that nobody reads would stop it.
        Thread(target=started.stderr.read, daemon=True).start()
        yield found[1]
    finally:
        started.kill()
        started.wait()


def free() -> str:
    """A free address on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
