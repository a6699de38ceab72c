"""Which Dagster instance is ours: the one the UI shows, found without any environment variable."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

from ops_pipelines import lease
from ops_pipelines.errors import OpsError
from ops_pipelines.home import find_home
from ops_pipelines.text import shell


@contextmanager
def dagster_instance(near: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of `$DAGSTER_HOME`, or of the `dagster.yaml` nearest to the working directory or `near`.

    Relative paths in that file are relative to it, so the block runs with its directory as the current one.

    Args:
        near: the directory of `ops.yaml`.
    Raises:
        OpsError: there is none, or its storage cannot be used.
    """
    home = _home(near)
    before = Path.cwd()
    os.chdir(home)
    try:
        with _opened(home) as instance:
            yield instance
    except (SQLAlchemyError, OSError) as error:
        if isinstance(error, OSError) and not Path(error.filename or "").is_relative_to(home):
            raise
        cause = error.__cause__ or error
        raise OpsError(
            f"Dagster's storage in {home} cannot be used",
            why=str(cause).splitlines()[0],
            safe="every backup is untouched; what had been done when it failed is in ops list",
            next=f"look at its disk, then run this again: df -h {shell(str(home))}",
        ) from None
    finally:
        os.chdir(before)


def _opened(home: Path) -> dg.DagsterInstance:
    """The instance of this folder. Raises OpsError, SQLAlchemyError, OSError.

    Dagster makes the tables of its SQLite files when they are first opened, and holds no lock meanwhile: two who come
    first at once would leave files that nobody can open again.
    """
    try:
        with lease.in_turn(home):
            return dg.DagsterInstance.from_config(str(home))
    except CommandError as error:
        raise OpsError(
            f"Dagster's storage in {home} cannot be used",
            why=str(error).splitlines()[0],
            safe="every backup is untouched, and so is the ledger; that storage holds the history of runs",
            next=f"move aside what storage: names in {shell(str(home / 'dagster.yaml'))}, then run this again: Dagster "
            "makes it anew",
        ) from None


def _home(near: Path) -> Path:
    if (found := find_home(near)) is not None:
        return found
    raise OpsError(
        "no dagster.yaml was found",
        why=f"looked in {Path.cwd()} and {near}, and above both",
        safe="nothing was started",
        next="ops up writes one beside ops.yaml; or export DAGSTER_HOME",
    )
