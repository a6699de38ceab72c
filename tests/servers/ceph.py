"""A Ceph object gateway of our own: the one S3 server at hand that enforces object lock.

One monitor, one BlueStore OSD on a sparse file, one gateway, all on loopback, below one directory, by
the Debian packages `ceph-mon ceph-osd radosgw ceph-common`; it needs neither root nor a manager daemon.
Everything dies with the process that started it.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ops_pipelines.process import Limits, Running, running

_LONG = Limits(stall=timedelta(hours=4), total=timedelta(hours=4), grace=timedelta(seconds=3))
_CONF = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
osd pool default pg num = 4
mon allow pool size one = true
mon warn on pool no redundancy = false
osd pool default pg autoscale mode = off
mon data avail warn = 1
mon data avail crit = 1
run dir = {root}/run
log file = {root}/log/$name.log
admin socket = {root}/run/$name.asok
pid file = {root}/run/$name.pid
keyring = {root}/keyring
mon data = {root}/mon
osd data = {root}/osd
rgw data = {root}/rgw
osd objectstore = bluestore
bluestore block size = {block_bytes}
bluestore block create = true
osd memory target = 1073741824
rgw frontends = beast endpoint=127.0.0.1:{rgw}
rgw crypt require ssl = false
osd class dir = {classes}
"""


@dataclass(frozen=True)
class Ceph:
    """A running gateway: its address and a user's keys."""

    endpoint: str
    access_key: str
    secret_key: str
    gateway: Running

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Alive, and silent: connections are accepted by the kernel and never answered."""
        os.kill(self.gateway.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.gateway.pid, signal.SIGCONT)


@contextmanager
def start_ceph(root: Path, *, block_gib: int = 3) -> Iterator[Ceph]:
    """A gateway for the length of the block.

    Args:
        root: an empty directory; its path must be short enough for a socket (about 80 characters).
        block_gib: size of the sparse file that holds the data.
    """
    for name in ("mon", "osd", "rgw", "run", "log"):
        (root / name).mkdir(mode=0o700)
    ports = _free_ports(3)
    fsid, conf, keyring, monmap = str(uuid.uuid4()), root / "ceph.conf", root / "keyring", root / "monmap"
    conf.write_text(
        _CONF.format(
            fsid=fsid,
            root=root,
            block_bytes=block_gib << 30,
            mon_v2=ports[0],
            mon_v1=ports[1],
            rgw=ports[2],
            classes=_classes(),
        ),
        encoding="utf-8",
    )
    _new_key(keyring, "mon.", "--create-keyring", mon="allow *")
    _new_key(keyring, "client.admin", mon="allow *", osd="allow *", mgr="allow *")
    _new_key(keyring, "client.rgw", mon="allow rwx", osd="allow rwx")
    address = f"[v2:127.0.0.1:{ports[0]},v1:127.0.0.1:{ports[1]}]"
    _run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, monmap)
    ours = ("-c", conf)
    _run("ceph-mon", *ours, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
    with ExitStack() as stack:
        _daemon(stack, "ceph-mon", *ours, "-f", "-i", "a")
        osd = _new_osd(root, ours)
        _daemon(stack, "ceph-osd", *ours, "-f", "-i", osd)
        gateway = _daemon(stack, "radosgw", *ours, "-f", "-n", "client.rgw", "--keyring", keyring)
        _wait_for(ports[2], gateway, root / "log")
        access, secret = "ops" + secrets.token_hex(6), secrets.token_hex(16)
        _run(
            "radosgw-admin", *ours, "user", "create", "--uid=ops", "--display-name=ops",
            f"--access-key={access}", f"--secret={secret}",
        )  # fmt: skip
        yield Ceph(f"http://127.0.0.1:{ports[2]}", access, secret, gateway)


def _classes() -> Path:
    """Where the gateway's code for the OSD lies: Debian 13's Ceph looks for it below its working directory."""
    return next(Path("/usr/lib").glob("*/rados-classes"), Path("/usr/lib/rados-classes"))


def _new_key(keyring: Path, name: str, *options: str, **capabilities: str) -> None:
    caps = [word for service, cap in capabilities.items() for word in ("--cap", service, cap)]
    _run("ceph-authtool", keyring, *options, "--gen-key", "-n", name, *caps)


def _new_osd(root: Path, ours: tuple[str, Path]) -> str:
    """Register an OSD and make its file system; returns its number."""
    key, identity = _run("ceph-authtool", "--gen-print-key").strip(), str(uuid.uuid4())
    (root / "osd.json").write_text(json.dumps({"cephx_secret": key}), encoding="utf-8")
    number = _run("ceph", *ours, "osd", "new", identity, "-i", root / "osd.json").strip()
    _run(
        "ceph-authtool", root / "keyring", "-n", f"osd.{number}", "--add-key", key,
        "--cap", "mon", "allow profile osd", "--cap", "osd", "allow *",
    )  # fmt: skip
    _run("ceph-osd", *ours, "-i", number, "--mkfs", "--osd-uuid", identity)
    return number


def _daemon(stack: ExitStack, *argv: str | Path) -> Running:
    return stack.enter_context(running(argv, limits=_LONG, stdout=subprocess.DEVNULL))


def _run(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, f"{argv[0]}: {done.stderr}"
    return done.stdout


def _wait_for(port: int, gateway: Running, logs: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if gateway.exited() or time.monotonic() > deadline:
            tails = [path.read_text(errors="replace")[-2000:] for path in sorted(logs.glob("*.log"))]
            raise AssertionError("\n".join([gateway.stderr_tail(), *tails]))
        time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
