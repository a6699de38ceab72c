"""The parts of `deploy/compose.yaml`, started here without a container engine: the same commands, the same environment.

Only addresses and paths differ, by one table. A part can be killed and started again, as `restart:` would.
"""

import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import grpc
import psutil
import yaml

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
BIN = Path(sys.executable).parent
PARTS = ("code-server", "daemon", "viewer", "operator", "status", "proxy")
T = TypeVar("T")


def compose() -> dict[str, Any]:
    """The compose file, anchors resolved."""
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


def until(done: Callable[[], T | None], what: str, seconds: float = 120) -> T:
    """Ask until there is an answer; returns it."""
    deadline = time.monotonic() + seconds
    while (found := done()) is None:
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


class House:
    """A directory that stands for the machine, and the parts that run on it.

    Args:
        directory: short, because sockets lie in it.
        swaps: what stands in for names, ports and paths of the compose file.
    """

    def __init__(self, directory: Path, swaps: Mapping[str, str]) -> None:
        self.directory, self._swaps = directory, dict(swaps)
        longest_first = sorted(swaps, key=len, reverse=True)
        self._old = re.compile("|".join(map(re.escape, longest_first)))
        self.services: dict[str, Any] = compose()["services"]
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def here(self, text: str) -> str:
        """A word of the compose file, as it is on this machine."""
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
        return self._old.sub(lambda found: self._swaps[found[0]], text)

    def command(self, part: str, *words: str) -> list[str]:
        """The command of a part, or another in its place, behind the image's entry point."""
        argv = [self.here(word) for word in words or self.services[part]["command"]]
        program = BIN / argv[0]
        own = [str(program) if program.exists() else str(shutil.which(argv[0]) or argv[0]), *argv[1:]]
        return own if part == "proxy" else [str(DEPLOY / "entrypoint.sh"), *own]

    def environment(self, part: str) -> dict[str, str]:
        """What a container of the part would have."""
        given = {name: self.here(value) for name, value in self.services[part]["environment"].items()}
        own = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.directory), "PYTHONUNBUFFERED": "1"}
        return {**own, "XDG_DATA_HOME": str(self.directory), "XDG_CONFIG_HOME": str(self.directory), **given}

    def run(self, part: str, *words: str) -> str:
        """`docker compose run PART WORDS`; the command must succeed. Returns what it printed."""
        done = subprocess.run(
            self.command(part, *words), env=self.environment(part), cwd=self.directory, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *parts: str) -> None:
        """Start parts; their health is another matter."""
        for part in parts:
            with (self.directory / f"{part}.log").open("ab") as log:
                self._running[part] = subprocess.Popen(
                    self.command(part), env=self.environment(part), cwd=self.directory, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip

    def kill(self, part: str) -> None:
        """SIGKILL to everything of a part at once, as when its container is killed or its unit runs out of memory."""
        process = self._running.pop(part)
        for each in (*psutil.Process(process.pid).children(recursive=True), process):
            each.send_signal(signal.SIGKILL)
        process.wait()

    def end(self, part: str) -> None:
        """SIGTERM to a part, as a stop of its container or unit; returns when it has ended."""
        process = self._running.pop(part)
        process.terminate()
        process.wait(timeout=60)

    def healthy(self, part: str) -> None:
        """Wait until the part's own health check is content; the proxy's asks whether it listens."""
        test: Sequence[str] = self.services[part]["healthcheck"]["test"][1:]
        healthcheck = runpy.run_path(str(DEPLOY / "healthcheck.py"))["main"]

        def content() -> bool | None:
            assert self._running[part].poll() is None, self.log(part)
            program, *rest = map(self.here, test)
            with suppress(OSError, grpc.RpcError):
                if program == "healthcheck":
                    return healthcheck(rest[0]) or None
                _option, host, port = rest  # nc -z, which not every machine has
                socket.create_connection((host, int(port)), timeout=1).close()
                return True
            return None

        until(content, f"{part} is not healthy\n{self.log(part)}")

    def log(self, part: str) -> str:
        """The end of what a part printed."""
        return (self.directory / f"{part}.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def processes(self, part: str) -> list[psutil.Process]:
        """The processes of a part."""
        main = psutil.Process(self._running[part].pid)
        return [main, *main.children(recursive=True)]

    def stop(self) -> None:
        """Kill what runs."""
        for part in list(self._running):
            self.kill(part)
