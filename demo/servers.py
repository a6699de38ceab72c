"""The demo's world: four applications' servers that outlive this command, their samples, and an ops.yaml.

    python -m demo.servers start|stop|status

Everything is below `var/demo` and made once: a second start only starts what is not running, also after a reboot. The
servers listen on loopback, on ports that were free when they were chosen, and let in nobody without the passwords in
`*.url`. Backups are not made here; that is what `ops` is for.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyrage

from demo.remembered import write_private
from ops_pipelines import lease
from ops_pipelines.config.load import load_config
from ops_pipelines.errors import OpsError

HERE = Path(__file__).resolve().parent
DEFAULT_DIRECTORY = HERE.parent / "var" / "demo"
_READY_WITHIN_S, _STOPPED_WITHIN_S = 300, 60


def start(directory: Path) -> None:
    """Make whatever is missing and start whatever is not running."""
    started = time.monotonic()
    if _world(directory) is None:
        _say("MariaDB, MongoDB protocol, PostgreSQL, PostgreSQL with TLS, S3: starting, with their samples …")
        _launch(directory)
    _passphrase(directory / "kit.passphrase")
    _ops_yaml(directory, _age_key(directory))
    _say(f"ready after {time.monotonic() - started:.1f} s")


def stop(directory: Path) -> None:
    """Stop every server; their data stay."""
    process = _world(directory)
    if process is None:
        _say("nothing is running")
        return
    os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + _STOPPED_WITHIN_S
    while _world(directory) is not None:
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)  # its servers end with it
        time.sleep(0.05)
    (directory / "ready").unlink(missing_ok=True)
    _say("stopped")


def status(directory: Path) -> bool:
    """Say whether the servers answer."""
    running = _world(directory) is not None and (directory / "ready").exists()
    _say(f"the servers {'answer; their addresses are in ' + str(directory / '*.url') if running else 'do not run'}")
    return running


def _launch(directory: Path) -> None:
    """The world as a process of its own, in no terminal's way."""
    log = directory / "world.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo.world", directory],
            cwd=HERE.parent, stdin=subprocess.DEVNULL, stdout=written, stderr=written, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + _READY_WITHIN_S
    while not (directory / "ready").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
            raise OpsError("the demo's servers do not start", why=tail, next=f"read {log}")
        time.sleep(0.1)


def _world(directory: Path) -> int | None:
    """The process that keeps the servers, if it is alive."""
    told_of = f"demo.world\0{directory}\0".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes().endswith(told_of):
                return int(process.name)
        except OSError:
            continue  # it ended meanwhile
    return None


def _age_key(directory: Path) -> str:
    """The demo's age identity, made once; returns its recipient."""
    path = directory / "age.key"
    if not path.exists():
        identity = pyrage.x25519.Identity.generate()
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        write_private(path, f"# created: {now}\n# public key: {identity.to_public()}\n{identity}\n")
    secret = path.read_text(encoding="utf-8").splitlines()[-1]
    return str(pyrage.x25519.Identity.from_str(secret).to_public())


def _passphrase(path: Path) -> None:
    """What the recovery kit is sealed with; in earnest it is kept anywhere but here."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24) + "\n")


def _ops_yaml(directory: Path, recipient: str) -> None:
    """The template filled in; one that somebody has edited stays as it is, apart from a port that had to move."""
    path, endpoint = directory / "ops.yaml", (directory / "s3" / "endpoint").read_text(encoding="utf-8")
    if not path.exists():
        template = (HERE / "ops.yaml").read_text(encoding="utf-8")
        write_private(path, template.replace("{recipient}", recipient))
    text = path.read_text(encoding="utf-8")
    lines = [
        line.split("endpoint:")[0] + f"endpoint: {endpoint}" if line.strip().startswith("endpoint:") else line
        for line in text.splitlines()
    ]
    if (moved := "\n".join(lines) + "\n") != text:
        write_private(path, moved)
    load_config(path)


def _say(line: str) -> None:
    print(f"demo: {line}", flush=True)


def main() -> int:
    """Run one of the three verbs; returns the exit status."""
    parser = argparse.ArgumentParser(description="The demo's servers.", epilog="example: python -m demo.servers start")
    parser.add_argument("verb", choices=["start", "stop", "status"])
    parser.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY, help="where it lives (var/demo)")
    arguments = parser.parse_args()
    os.umask(0o077)
    directory = arguments.directory.resolve()
    try:
        if arguments.verb == "status":
            return 0 if status(directory) else 1
        directory.mkdir(parents=True, exist_ok=True)
        with lease.exclusive(directory / ".lock", holder=arguments.verb, wait=timedelta(minutes=5), what="the demo"):
            (start if arguments.verb == "start" else stop)(directory)
    except OpsError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
