"""How long until somebody knows? From a killed dump, a broken restore and a stopped daemon to the message.

    python -m benchmarks.alerts --times 4 --json figures.json

Everything is real and has the waiting times of a default installation: Dagster's daemon with its sensors, `ops serve`,
Prometheus and Alertmanager on the files of `deploy/monitoring` with nothing but addresses changed. The receivers are
the tests': Slack's webhook contract, an SMTP server with TLS and a login, Sentry's check-ins, a heartbeat host. A run
takes about half an hour, nearly all of it waiting.

* *killed dump*: `ops backup` is killed with -9 as soon as its `pg_dump` runs. Seconds count from the kill.
* *broken restore*: a bit of the off-site copy is flipped and `ops verify` finds it. Seconds count from its verdict.
* *stopped daemon*: the daemon is killed with -9. `ops serve` runs on, and `ops alerts run` is started each minute, as
  cron would.

The first two are repeated at random distances from the daemon's ticks, once with a Slack that works and once with one
that was revoked, so that mail is sent in its place. How many alerts kills lose is counted elsewhere:

    OPS_TEST_ALERT_KILLS=200 python -m pytest tests/faults/test_alert_lost.py -k any_moment -s --timeout 0
"""

import argparse
import json
import os
import random
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psutil
import pyrage

from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.workspace import Workspace
from tests.end_to_end.test_monitoring import DEPLOYED, PROJECT, adapted, free, prometheus_and_alertmanager, running
from tests.faults.conftest import child_named
from tests.sample import crm_server, execute, flip_byte
from tests.watch.monitors import HeartbeatCheck, SentryMonitors
from tests.watch.outside import Listener, listener
from tests.watch.receivers import Answer, Mailbox, Webhook, certificate, mailbox, webhook

OPS = str(Path(sys.executable).with_name("ops"))
PATIENCE_S = 900
LARGE = "create table big as select i, md5(i::text) || md5((i * 7)::text) as body from generate_series(1, 300000) i"


def main() -> None:
    """Build it, break it, wait, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=4, help="of each breakage, for each of Slack and mail")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with ExitStack() as stack:
        site = stack.enter_context(built(given.times))
        load_before = os.getloadavg()
        with daemon(site.folder):
            break_all(site, "slack", given.times, told_by_prometheus=True)
            site.ours.always = Answer(404, "no_service")
            break_all(site, "mail", given.times, told_by_prometheus=False)
            site.ours.always = Answer()
        stopped(site)
        with daemon(site.folder):
            begun = time.time()
            site.heard_of("stopped daemon: over", begun, {"Slack": ("OK this machine", "daemon is silent")})
    figures = {"load": [round(each, 1) for each in (*load_before, *os.getloadavg())], "seconds": site.seconds}
    for what, receivers in site.seconds.items():
        for receiver, taken in receivers.items():
            print(f"| {what} | {receiver} | {statistics.median(taken):.0f} | {min(taken):.0f}–{max(taken):.0f} |")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


@dataclass
class Site:
    """What runs, and what was measured.

    Attributes:
        ours: the webhook that ops_pipelines posts to; `theirs` is Alertmanager's.
        post: the mailbox that ops_pipelines writes to; `pager` is Alertmanager's.
        arrived: every message: when, at which receiver, its text.
        seconds: by what happened and who received it.
    """

    folder: Path
    workspace: Workspace
    server: Server
    ours: Webhook
    theirs: Webhook
    post: Mailbox
    pager: Mailbox
    outside: Listener
    arrived: list[tuple[float, str, str]] = field(default_factory=list)
    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def listen(self, over: threading.Event) -> None:
        """Note every message as it arrives."""
        receivers: dict[str, Callable[[], list[str]]] = {
            "Slack": lambda: self.ours.texts,
            "mail": lambda: self.post.subjects,
            "Alertmanager, Slack": lambda: [str(body.get("attachments")) for body in list(self.theirs.bodies)],
            "Alertmanager, mail": lambda: self.pager.subjects,
            "Sentry": lambda: [f"{slug} {status}" for slug, status in self.outside.check_ins()],
            "heartbeat": lambda: [path for path, _body in list(self.outside.beats)],
        }
        known = dict.fromkeys(receivers, 0)
        while not over.wait(0.05):
            for name, read in receivers.items():
                new = read()[known[name] :]
                self.arrived += [(time.time(), name, text) for text in new]
                known[name] += len(new)

    def heard_of(self, what: str, begun: float, expected: dict[str, tuple[str, ...]]) -> None:
        """Wait until each receiver has a message with these words, later than `begun`; add the seconds it took.

        Raises:
            SystemExit: one of them never got it.
        """
        deadline, taken = time.time() + PATIENCE_S, self.seconds.setdefault(what, {})
        for receiver, words in expected.items():
            while True:
                found = [
                    at for at, name, text in list(self.arrived)
                    if name == receiver and at >= begun and all(word in text for word in words)
                ]  # fmt: skip
                if found:
                    break
                if time.time() > deadline:
                    raise SystemExit(f"{what}: {receiver} never heard {words}; arrived: {self.arrived[-40:]}")
                time.sleep(0.1)
            taken.setdefault(receiver, []).append(round(found[0] - begun, 1))
        print(what, {receiver: taken[receiver][-1] for receiver in expected}, flush=True)


def names(channel: str, times: int) -> list[tuple[str, str]]:
    """The sources that are broken while a channel is the one that works: killed dumps, broken restores."""
    return [(f"killed_{channel}_{number}", f"broken_{channel}_{number}") for number in range(times)]


def break_all(site: Site, channel: str, times: int, *, told_by_prometheus: bool) -> None:
    """Kill dumps and break restores; then wait until each receiver has heard of each."""
    chance, begun = random.Random(11), {}
    for killed, broken in names(channel, times):
        time.sleep(chance.uniform(0, 30))  # another distance from the daemon's tick is part of the experiment
        begun[killed] = killed_dump(site, killed)
        time.sleep(chance.uniform(0, 30))
        begun[broken] = broken_restore(site, broken)
    theirs = ("Alertmanager, Slack",) if told_by_prometheus else ()
    receiver = {"slack": "Slack", "mail": "mail"}[channel]
    for killed, broken in names(channel, times):
        expected = {receiver: (killed, "dump failed"), "Sentry": (f"{killed}-backup error",)}
        expected |= {"heartbeat": (f"/{killed}/backup/fail",)}
        expected |= dict.fromkeys(theirs, (killed, "OpsBackupFailed"))
        site.heard_of("killed dump", begun[killed], expected)
        expected = {receiver: (broken, "verify failed"), "Sentry": (f"{broken}-verify error",)}
        expected |= {"heartbeat": (f"/{broken}/verify/fail",)}
        expected |= dict.fromkeys(theirs, (broken, "OpsVerifyFailed"))
        site.heard_of("broken restore", begun[broken], expected)


def killed_dump(site: Site, source: str) -> float:
    """Kill a backup while its dump runs; when that was."""
    with subprocess.Popen(
        [OPS, "backup", source, "--no-verify"], cwd=site.folder, env=environment(site.folder),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        while child_named("pg_dump", process.pid) is None:
            if process.poll() is not None:
                raise SystemExit(f"the backup of {source} ended before it was killed")
            time.sleep(0.005)
        process.kill()
        return time.time()


def broken_restore(site: Site, source: str) -> float:
    """Flip a bit of the off-site copy and verify it; when the verdict was there."""
    (part,) = (site.folder / "nas" / source).glob("*/dump.pgc.zst.age")
    flip_byte(part)
    done = typed(site.folder, "verify", source)
    if done.returncode == 0:
        raise SystemExit(f"the damaged copy of {source} was found good")
    (row,) = site.workspace.ledger.recent(source=source, kind="verify", limit=1)
    assert row.finished_at is not None
    return row.finished_at.timestamp()


def stopped(site: Site) -> None:
    """Wait until everybody has noticed that the daemon is gone. It was killed when its block ended."""
    begun, over = time.time(), threading.Event()

    def cron() -> None:
        while not over.wait(60 - time.time() % 60):
            typed(site.folder, "alerts", "run")

    def monitors() -> None:
        sentry = SentryMonitors(site.outside)
        check = HeartbeatCheck(site.outside, "/daemon", timedelta(minutes=5), timedelta(minutes=5))
        missing = {"Sentry": True, "heartbeat": True}
        while missing and not over.wait(0.1):
            now = datetime.now(timezone.utc)
            noticed = {"Sentry": sentry.status("ops-daemon", now) == "missed", "heartbeat": not check.is_up(now)}
            for name in [name for name in missing if noticed[name]]:
                site.arrived.append((time.time(), name, "the daemon is missed"))
                del missing[name]

    threads = [threading.Thread(target=cron), threading.Thread(target=monitors)]
    for thread in threads:
        thread.start()
    try:
        expected = {"Sentry": ("missed",), "heartbeat": ("missed",), "Slack": ("CRITICAL", "daemon is silent")}
        theirs = dict.fromkeys(("Alertmanager, Slack", "Alertmanager, mail"), ("OpsDaemonSilent",))
        site.heard_of("stopped daemon", begun, expected | theirs)
    finally:
        over.set()
        for thread in threads:
            thread.join()


@contextmanager
def built(times: int) -> Iterator[Site]:
    """Receivers, a database, its backups under many names, `ops serve`, Prometheus and Alertmanager."""
    with ExitStack() as stack:
        # A socket's path must be short.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ops-bench-")))
        ours, theirs = stack.enter_context(webhook()), stack.enter_context(webhook())
        password, pem = secrets.token_urlsafe(12), certificate(folder)
        post = stack.enter_context(mailbox(tls=pem, user="ops", password=password))
        pager, outside = stack.enter_context(mailbox()), stack.enter_context(listener())
        server = stack.enter_context(crm_server(folder / "pg"))
        execute(server, LARGE)
        mail = f"smtp://ops:{password}@127.0.0.1:{post.port}/?from=ops@example.com&to=you@example.com&ca={pem}"
        hidden = {"hook": ours.url, "mail": mail, "dsn": outside.dsn, "token": secrets.token_urlsafe(12)}
        written = [name for channel in ("slack", "mail") for pair in names(channel, times) for name in pair]
        write(folder, server, outside, hidden, written)
        if (done := typed(folder, "backup")).returncode:
            raise SystemExit(done.stdout + done.stderr)
        argv = [OPS, "serve", "--port", "0", "--config", folder / "ops.yaml"]
        address = stack.enter_context(running(argv, r"http://([^ /\"]+)/"))
        shutil.copytree(DEPLOYED, folder / "etc")
        (folder / "etc" / "ops.token").write_text(hidden["token"], encoding="utf-8")
        alertmanager = free()
        adapted(
            folder / "etc", ops=address, slack=theirs.url, mail=f"127.0.0.1:{pager.port}", alertmanager=alertmanager
        )
        stack.enter_context(prometheus_and_alertmanager(folder / "etc", alertmanager))
        workspace = Workspace(load_config(folder / "ops.yaml", environ={}))
        site, over = Site(folder, workspace, server, ours, theirs, post, pager, outside), threading.Event()
        listening = threading.Thread(target=site.listen, args=(over,))
        listening.start()
        stack.callback(listening.join)
        stack.callback(over.set)
        yield site


def write(folder: Path, server: Server, outside: Listener, hidden: dict[str, str], sources: list[str]) -> None:
    """What an installation has: `ops.yaml`, `dagster.yaml`, secrets."""
    identity = pyrage.x25519.Identity.generate()
    for name, secret in {**hidden, "age.key": str(identity), "url": server.url()}.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(secret, encoding="utf-8")
    beats = {phase: outside.url(f"/{{source}}/{phase}") for phase in ("backup", "verify")}
    document: dict[str, Any] = {
        "base": "base",
        "stores": {"nas": {"kind": "directory", "path": "nas", "medium": "nas", "offsite": True}},
        "defaults": {
            "encrypt": {"age": [str(identity.to_public())], "identity": {"file": "age.key"}}, "copies": ["nas"],
            "heartbeats": beats,
        },
        "sources": {name: {"kind": "postgres", "url": {"file": "url"}} for name in sources},
        "alerts": {"channels": {"slack": {"file": "hook"}, "mail": {"file": "mail"}}},
        "sentry": {"dsn": {"file": "dsn"}},
        "heartbeats": {"daemon": outside.url("/daemon")},
        "web": {"token": {"file": "token"}},
    }  # fmt: skip
    (folder / "ops.yaml").write_text(json.dumps(document, indent=1), encoding="utf-8")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(PROJECT / name, folder / name)


@contextmanager
def daemon(folder: Path) -> Iterator[None]:
    """Dagster's daemon, killed at the end of the block with everything it started."""
    argv = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", "workspace.yaml"]
    with (folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(argv, cwd=folder, env=environment(folder), stdout=log, stderr=log)
    try:
        yield
    finally:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for each in family:
            each.kill()
        process.wait()


def typed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the user's."""
    return subprocess.run(
        [OPS, *words], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )


def environment(folder: Path) -> dict[str, str]:
    """Nothing but what is needed."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "DAGSTER_HOME": str(folder), "OPS_CONFIG": "ops.yaml"}


if __name__ == "__main__":
    main()
