"""The process that keeps the demo's servers alive, until it is told to stop. `demo.servers` starts it.

    python -m demo.world DIRECTORY

Every server is its child and ends with it, however it ends. When all of them answer, the URLs are in their files and
`ready` says so.
"""

import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from demo import bucket, mariadb, mongodb, postgres, uploads
from demo.remembered import Remembered, write_private
from ops_pipelines.errors import OpsError


def run(directory: Path) -> None:
    """Start everything, say that it is ready, and wait for a signal."""
    remembered = Remembered(directory / "remembered.json")
    (directory / "ready").unlink(missing_ok=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    uploads.make(directory / "uploads")
    with ExitStack() as servers:
        started = {
            "forge": servers.enter_context(postgres.forge(_below(directory, "forge"), remembered)),
            "hotel": servers.enter_context(postgres.hotel(_below(directory, "hotel"), remembered)),
            "crm": servers.enter_context(
                mariadb.crm(_below(directory, "crm"), remembered, uploads.paths(directory / "uploads"))
            ),
            "serviskol": servers.enter_context(mongodb.serviskol(_below(directory, "serviskol"), remembered)),
        }
        endpoint = servers.enter_context(bucket.bucket(_below(directory, "s3"), remembered))
        for name, url in started.items():
            write_private(directory / f"{name}.url", url + "\n")
        write_private(directory / "s3" / "endpoint", endpoint)
        write_private(directory / "restic.key", remembered.password("restic"))
        write_private(directory / "ready", str(os.getpid()))
        stop.wait()
    (directory / "ready").unlink(missing_ok=True)


def _below(directory: Path, name: str) -> Path:
    below = directory / name
    below.mkdir(mode=0o700, exist_ok=True)
    return below


if __name__ == "__main__":
    os.umask(0o077)
    try:
        run(Path(sys.argv[1]))
    except OpsError as error:
        sys.exit(f"demo: {error}")
