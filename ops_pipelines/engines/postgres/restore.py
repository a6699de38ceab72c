"""Load the parts of a restore point into a PostgreSQL database, with psql and pg_restore."""

import re
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops_pipelines import process
from ops_pipelines.engines.base import PartReader, Restored, RestoreFailed
from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.errors import Inconclusive
from ops_pipelines.process import CommandFailed, CommandTimedOut, Limits
from ops_pipelines.streams import Progress

# A globals script that names a tablespace would make directories on this machine.
_TABLESPACE = re.compile(r"^(CREATE|ALTER|COMMENT ON|GRANT .* ON) TABLESPACE ", re.MULTILINE)
# Not the backup's fault: the machine that restores lacks something, or the server went away.
_NOT_THE_BACKUP = (
    "could not open extension control file", "extension .* is not available", "could not access file",
    "must be loaded via", "No space left on device", "could not extend file", "out of memory", "out of shared memory",
    "server closed the connection unexpectedly", "could not connect to server", "connection to server .* failed",
    "the database system is shutting down", "terminating connection", "collation .* for encoding .* does not exist",
    "could not create locale", "ICU is not supported", "unsupported LZ4|unsupported XML feature",
)  # fmt: skip


def load(
    parts: PartReader,
    form: str,
    target: Server,
    programs: Programs,
    *,
    work: Path,
    jobs: int,
    limits: Limits,
    globals_too: bool,
    progress: Progress,
) -> Restored:
    """Restore roles, data and settings, in this order; see `Engine.restore`.

    Args:
        form: the dump's format, `custom`, `directory` or `sql`.
        work: a private directory for the decrypted dump, which is removed by the caller.
    """
    seconds: dict[str, float] = {}
    warnings: list[str] = []
    if globals_too:
        script = _without_tablespaces(parts.data("globals").decode())
        warnings += _psql_errors(_psql(programs, target.at(dbname="postgres"), script.encode(), limits))
    with _timed(seconds, "decrypt"):
        dump = parts.save("dump", work, progress)
    with _timed(seconds, "load"):
        if form == "sql":
            _load_sql(dump, target, programs, limits)
        else:
            _load_archive(dump, form, target, programs, jobs, limits)
    dump.unlink()
    settings = parts.data("database")
    warnings += _psql_errors(_psql(programs, target, settings, limits, f"--set=db={target.database}"))
    return Restored(seconds=seconds, warnings=warnings)


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[phase] = round(time.monotonic() - started, 3)


def _load_archive(dump: Path, form: str, target: Server, programs: Programs, jobs: int, limits: Limits) -> None:
    archive = dump
    if form == "directory":
        with tarfile.open(dump) as packed:
            for member in packed:
                if not re.fullmatch(r"dump(/[\w.]+)?", member.name) or not (member.isfile() or member.isdir()):
                    raise RestoreFailed(f"dump.tar holds an unexpected entry {member.name!r}")
            packed.extractall(dump.parent)
        archive = dump.parent / "dump"
    argv = [str(programs.path("pg_restore")), f"--jobs={jobs}", "--no-password", "--no-tablespaces", "--exit-on-error"]
    with _translated("pg_restore"):
        process.run([*argv, f"--dbname={target.argument()}", archive], env=target.environment(), limits=limits)


def _load_sql(dump: Path, target: Server, programs: Programs, limits: Limits) -> None:
    argv: list[str | Path] = [
        programs.path("psql"),
        "--no-psqlrc",
        "--quiet",
        "--no-password",
        "--set=ON_ERROR_STOP=1",
        f"--file={dump}",
    ]
    with _translated("psql"):
        process.run([*argv, f"--dbname={target.argument()}"], env=target.environment(), limits=limits)


@contextmanager
def _translated(program: str) -> Iterator[None]:
    """Whose fault is it? The machine's is inconclusive; anything else is the backup's."""
    try:
        yield
    except CommandTimedOut as error:
        raise Inconclusive(error.what, why=error.why, safe="the backup is not condemned") from None
    except CommandFailed as error:
        died = error.status is not None and error.status < 0
        if died or any(re.search(pattern, error.why) for pattern in _NOT_THE_BACKUP):
            raise Inconclusive(
                f"{program} could not finish here", why=error.why, safe="the backup is not condemned"
            ) from None
        raise RestoreFailed(f"{program} refused the backup: {error.why or error.what}") from None


def _psql(programs: Programs, target: Server, script: bytes, limits: Limits, *options: str) -> process.Completed:
    argv: list[str | Path] = [
        programs.path("psql"),
        "--no-psqlrc",
        "--quiet",
        "--no-password",
        *options,
        f"--dbname={target.argument()}",
    ]
    with _translated("psql"):
        return process.run([*argv, "--file=-"], env=target.environment(), stdin=script, limits=limits)


def _psql_errors(completed: process.Completed) -> list[str]:
    """What psql complained about; a role that is there already is what we wanted."""
    complaints = (line for line in completed.stderr.splitlines() if "ERROR:" in line)
    return [line.split("ERROR:", 1)[1].strip() for line in complaints if "already exists" not in line]


def _without_tablespaces(script: str) -> str:
    return "\n".join(line for line in script.splitlines() if not _TABLESPACE.match(line)) + "\n"
