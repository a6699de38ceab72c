"""Brokers of our own, from Debian: RabbitMQ and Redis, which can be stopped, killed and started again."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


@dataclass
class Broker:
    """A broker that listens on one address, with what it keeps in a directory."""

    scheme: str
    host: str
    port: int
    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    hello: bytes
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """What `execution.broker` says."""
        return f"{self.scheme}://{'guest:guest@' if self.scheme == 'amqp' else ''}{self.host}:{self.port}//"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = (self.directory / "log").open("ab")
        self._process = subprocess.Popen(
            self.argv, env={**os.environ, **self.environment}, cwd=self.directory, stdout=log, stderr=log
        )
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, (self.directory / "log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it as its machine's shutdown would; what it was to keep is on the disk."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=5) as opened:
                opened.sendall(self.hello)
                return bool(opened.recv(4))
        except OSError:
            return False


def free_port(host: str) -> int:
    """A port of an address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def rabbitmq(directory: Path, host: str) -> Iterator[Broker]:
    """RabbitMQ with a register of node names of its own, so that nothing of it stays."""
    epmd = shutil.which("epmd")
    if not _RABBITMQ.exists() or epmd is None:
        pytest.skip("rabbitmq-server is not installed")
    port, names = free_port(host), free_port("127.0.0.1")
    (directory / "rabbitmq.conf").write_text(f"listeners.tcp.1 = {host}:{port}\nloopback_users = none\n", "ascii")
    environment = {
        "HOME": str(directory), "RABBITMQ_NODENAME": f"ops{secrets.token_hex(4)}@localhost",
        "RABBITMQ_MNESIA_BASE": str(directory / "kept"), "RABBITMQ_LOG_BASE": str(directory / "logs"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"), "ERL_EPMD_PORT": str(names),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "none"),
        "RABBITMQ_DIST_PORT": str(free_port("127.0.0.1")), "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }  # fmt: skip
    broker = Broker("amqp", host, port, [str(_RABBITMQ)], environment, directory, b"AMQP\x00\x00\x09\x01")
    with subprocess.Popen([epmd, "-port", str(names), "-address", "127.0.0.1"]) as register:
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()
            register.kill()


@contextmanager
def redis(directory: Path, host: str) -> Iterator[Broker]:
    """Redis that writes every change to its disk."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = free_port(host)
    argv = [program, "--bind", host, "--port", str(port), "--protected-mode", "no", "--appendonly", "yes",
            "--appendfsync", "always", "--dir", str(directory)]  # fmt: skip
    broker = Broker("redis", host, port, argv, {}, directory, b"PING\r\n")
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
