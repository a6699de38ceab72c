"""MongoDB's own mongodump and mongorestore: found, fed with a password that nobody else can read, run."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops_pipelines import process
from ops_pipelines.engines.mongodb.connection import Server
from ops_pipelines.errors import ToolMissing
from ops_pipelines.process import Limits


def find(name: str, bin_dirs: Sequence[Path]) -> Path | None:
    """Where a program is; None when it is not installed.

    Args:
        bin_dirs: directories to look into before PATH.
    """
    directories = os.pathsep.join([*map(str, bin_dirs), os.environ.get("PATH", "")])
    found = shutil.which(name, path=directories)
    return Path(found) if found else None


def require(name: str, bin_dirs: Sequence[Path]) -> Path:
    """Where a program is. Raises ToolMissing."""
    if (found := find(name, bin_dirs)) is None:
        raise ToolMissing(
            f"{name} is not installed",
            why=f"it is neither on PATH nor in bin_dirs ({', '.join(map(str, bin_dirs)) or 'empty'})",
            safe="nothing was changed; existing backups are untouched",
            next="install the MongoDB Database Tools, or leave out `tool: mongodump`: the built-in dumper needs none",
        )
    return found


def mongodump(program: Path, server: Server, folder: Path, *, jobs: int, limits: Limits) -> None:
    """Dump the server's database into `folder`, in one directory of its name.

    Raises:
        CommandFailed, CommandTimedOut: it did not succeed, or wrote nothing for the stall limit.
    """
    with _config_file(server.url(), folder.parent) as config_file:
        argv: list[str | Path] = [
            program,
            f"--config={config_file}",
            f"--out={folder}",
            f"--numParallelCollections={jobs}",
        ]
        process.run(argv, limits=limits, alive=lambda: _size_of(folder))


def mongorestore(program: Path, server: Server, folder: Path, *, database: str, jobs: int, limits: Limits) -> None:
    """Load the database of a dump's folder into the server's database.

    Args:
        folder: the dump, with a directory for each database.
        database: which of them; it may have another name than the server's.
    Raises:
        CommandFailed, CommandTimedOut.
    """
    with _config_file(server.url(database=False), folder.parent) as config_file:
        argv: list[str | Path] = [
            program, f"--config={config_file}", f"--nsInclude={database}.*", f"--nsFrom={database}.*",
            f"--nsTo={server.database}.*", f"--numParallelCollections={jobs}", "--stopOnError",
            "--bypassDocumentValidation", folder,
        ]  # fmt: skip
        # It says nothing while it builds indexes: the total limit is the only one that can be held to.
        process.run(argv, limits=Limits(stall=limits.total, total=limits.total))


@contextmanager
def _config_file(url: str, directory: Path) -> Iterator[Path]:
    """A file with the URL, which holds the password, readable by us only and gone after the block."""
    path = directory / "mongo-tools.yaml"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("uri: '{}'\n".format(url.replace("'", "''")))
    try:
        yield path
    finally:
        path.unlink()


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
