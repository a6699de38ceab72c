"""The folder of our Dagster instance: found without any environment variable, and made where there is none.

`dagster.yaml` says where Dagster keeps its history, `workspace.yaml` what it loads. Neither is ever overwritten.
"""

import fcntl
import os
from importlib import resources
from pathlib import Path

from ops_pipelines import durable
from ops_pipelines.errors import OpsError
from ops_pipelines.text import shell

INSTANCE, WORKSPACE = "dagster.yaml", "workspace.yaml"


def template(name: str) -> bytes:
    """What one of the two files says when we write it."""
    return resources.files("ops_pipelines.setup").joinpath("templates", name).read_bytes()


def find_home(near: Path) -> Path | None:
    """The folder of `$DAGSTER_HOME`, else of the `dagster.yaml` nearest to the working directory, then to `near`."""
    if named := os.environ.get("DAGSTER_HOME"):
        return Path(named)
    for start in (Path.cwd(), near.absolute()):
        for directory in (start, *start.parents):
            if (directory / INSTANCE).is_file():
                return directory
    return None


def make(path: Path) -> bool:
    """Write one of the two files, unless it is there; returns whether it was written. Raises OpsError."""
    if path.exists():
        return False
    try:
        with durable.written_beside(path, template(path.name), mode=0o644) as unfinished:
            try:
                path.hardlink_to(unfinished)  # unlike a rename it fails where somebody else was quicker
            except FileExistsError:
                return False
        durable.flush(path.parent)
    except OSError as error:
        raise OpsError(
            f"{path} cannot be written",
            why=error.strerror or str(error),
            safe="nothing was started",
            next=f"let this user write in {shell(str(path.parent))}, or export DAGSTER_HOME with a folder that has one",
        ) from None
    return True


def hold(home: Path, *, wait: bool) -> bool:
    """Be the one whose daemon works on the instance of a folder, until this process ends; returns whether we are.

    The kernel lock is on `dagster.yaml` itself: nothing is written, and it is free when its holder has died.

    Args:
        wait: for another holder to end.
    """
    settings = home / INSTANCE
    if not settings.is_file():
        return True  # Dagster says so
    held = os.open(settings, os.O_RDONLY | os.O_CLOEXEC)  # until the process ends
    try:
        fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(held)
        return False
    return True
