"""Load the parts of a restore point into a PostgreSQL database, with psql and pg_restore."""

import re
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from ops_pipelines import process
from ops_pipelines.engines.base import Contents, PartReader, Restored, RestoreFailed
from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.engines.postgres.selection import Selection, read_toc, select
from ops_pipelines.errors import Inconclusive
from ops_pipelines.process import CommandFailed, CommandTimedOut, Limits
from ops_pipelines.streams import Progress

_LISTING = Limits(stall=timedelta(minutes=10), total=timedelta(minutes=10))
# A globals script that names a tablespace would make directories on this machine.
_TABLESPACE = re.compile(rb"^(CREATE|ALTER|COMMENT ON|(GRANT|REVOKE) .* ON) TABLESPACE ")
# Not the backup's fault: the machine that restores lacks something, or the server went away.
_NOT_THE_BACKUP = (
    "could not open extension control file", "extension .* is not available", "could not access file",
    "must be loaded via", "No space left on device", "could not extend file", "out of memory", "out of shared memory",
    "server closed the connection unexpectedly", "could not connect to server", "connection to server .* failed",
    "the database system is shutting down", "terminating connection", "collation .* for encoding .* does not exist",
    "could not create locale", "ICU is not supported", "unsupported LZ4|unsupported XML feature",
)  # fmt: skip
_TABLESPACES = 'invalid value for parameter "default_tablespace"'
# Nothing is lost by these: what a newer client sets for its session, and where a scratch server has its files.
_HARMLESS = ('unrecognized configuration parameter "transaction_timeout"',)
# On a server that is not ours roles, rights and tablespaces may be missing. The comparison names what that changed.
_ELSEWHERE = ("role .* does not exist", "must be (member|owner|superuser|able)", "permission denied to", _TABLESPACES)


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
    only: Sequence[str] = (),
) -> Restored:
    """Restore roles, data and settings, in this order; see `Engine.restore`.

    Args:
        form: the dump's format, `custom`, `directory` or `sql`.
        work: a private directory for the decrypted dump, which is removed by the caller.
    """
    seconds: dict[str, float] = {}
    warnings: list[str] = []
    if globals_too:
        complaints = _psql(programs, target, _adapted(parts.data("globals"), target), limits)
        warnings += [each for each in complaints if "already exists" not in each]  # a role that is there is wanted
    with _timed(seconds, "decrypt"):
        dump = parts.save("dump", work, progress)
    selection = None
    with _timed(seconds, "load"):
        progress("load", 0, None)
        if form == "sql":
            complaints = _psql(programs, target, dump, limits)
        else:
            archive = _unpacked(dump) if form == "directory" else dump
            listed: list[str] = []
            if only:
                selection = _selected(archive, programs, only, Contents.model_validate_json(parts.data("contents")))
                listed = [f"--use-list={_use_list(work, selection)}"]
            complaints = _load_archive(archive, target, programs, jobs, limits, listed, ours=globals_too)
    dump.unlink()
    warnings += _judged(complaints, ours=globals_too)
    warnings += _psql(programs, target, parts.data("database"), limits, f"--set=db={target.database}")
    if selection is None:
        return Restored(seconds=seconds, warnings=warnings)
    return Restored(seconds=seconds, warnings=[*warnings, *_told(selection)], names=selection.names)


def _selected(archive: Path, programs: Programs, only: Sequence[str], held: Contents) -> Selection:
    with _translated("pg_restore"):
        printed = process.run([programs.path("pg_restore"), "--list", "--verbose", archive], limits=_LISTING).stdout
    return select(read_toc(printed.decode(errors="replace")), only, held)


def _use_list(work: Path, selection: Selection) -> Path:
    path = work / "selected.list"
    path.write_text("".join(f"{number};\n" for number in selection.numbers), encoding="ascii")
    return path


def _told(selection: Selection) -> Iterator[str]:
    if selection.also:
        yield f"restored as well, because the selection needs it: {', '.join(selection.also)}"
    if selection.left_out:
        yield f"left out, because it points to what was not selected: {', '.join(selection.left_out)}"


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[phase] = round(time.monotonic() - started, 3)


def _unpacked(dump: Path) -> Path:
    """The directory archive inside a tar."""
    with tarfile.open(dump) as packed:
        for member in packed:
            if not re.fullmatch(r"dump(/[\w.]+)?", member.name) or not (member.isfile() or member.isdir()):
                raise RestoreFailed(f"dump.tar holds an unexpected entry {member.name!r}")
        packed.extractall(dump.parent)
    return dump.parent / "dump"


def _load_archive(
    archive: Path,
    target: Server,
    programs: Programs,
    jobs: int,
    limits: Limits,
    options: Sequence[str],
    *,
    ours: bool,
) -> list[str]:
    """Everything pg_restore complained about. It goes on after an error, so that all of them are known."""
    argv = [
        str(programs.path("pg_restore")),
        f"--jobs={jobs}",
        "--no-password",
        *(["--no-tablespaces"] if ours else []),
        *options,
    ]
    with _translated("pg_restore"):
        completed = process.run(
            [*argv, f"--dbname={target.argument()}", archive], env=target.environment(), limits=limits, accept=(0, 1)
        )
    complaints = [line for line in completed.stderr.splitlines() if line.startswith("pg_restore: error:")]
    if completed.status and not complaints:
        complaints = [completed.stderr]
    return [line.removeprefix("pg_restore: error: ") for line in complaints]


def _judged(complaints: Sequence[str], *, ours: bool) -> list[str]:
    """Sort complaints: harmless ones are dropped, those a strange server explains are returned.

    Args:
        ours: the server is a scratch server, which has every role.
    Raises:
        Inconclusive, RestoreFailed: there are others.
    """
    harmless = (*_HARMLESS, _TABLESPACES) if ours else _HARMLESS
    telling = [each for each in dict.fromkeys(complaints) if not _any(harmless, each)]
    serious = telling if ours else [each for each in telling if not _any(_ELSEWHERE, each)]
    if serious:
        more = f" … and {len(serious) - 3} more" if len(serious) > 3 else ""
        why = "; ".join(serious[:3]) + more
        if _any(_NOT_THE_BACKUP, "\n".join(serious)):
            raise Inconclusive("the restore could not finish here", why=why, safe="the backup is not condemned")
        raise RestoreFailed(f"the server refused parts of the backup: {why}")
    return telling


def _any(patterns: Sequence[str], text: str) -> bool:
    return any(re.search(pattern, text) for pattern in patterns)


@contextmanager
def _translated(program: str) -> Iterator[None]:
    """Whose fault is it? The machine's is inconclusive; anything else is the backup's."""
    try:
        yield
    except CommandTimedOut as error:
        raise Inconclusive(error.what, why=error.why, safe="the backup is not condemned") from None
    except CommandFailed as error:
        died = error.status is not None and error.status < 0
        if died or _any(_NOT_THE_BACKUP, error.why):
            raise Inconclusive(
                f"{program} could not finish here", why=error.why, safe="the backup is not condemned"
            ) from None
        raise RestoreFailed(f"{program} refused the backup: {error.why or error.what}") from None


def _psql(programs: Programs, target: Server, script: bytes | Path, limits: Limits, *options: str) -> list[str]:
    """Run a script to its end; returns every error it met."""
    argv = [str(programs.path("psql")), "--no-psqlrc", "--quiet", "--no-password", *options]
    fed = None if isinstance(script, Path) else script
    file = script if isinstance(script, Path) else "-"
    with _translated("psql"):
        completed = process.run(
            [*argv, f"--dbname={target.argument()}", f"--file={file}"],
            env=target.environment(), stdin=fed, limits=limits,
        )  # fmt: skip
    complaints = (line for line in completed.stderr.splitlines() if "ERROR:" in line)
    return [line.split("ERROR:", 1)[1].strip() for line in complaints]


def _adapted(script: bytes, target: Server) -> bytes:
    """The globals without what would change this machine, or the role we are logged in as."""
    user = re.escape(str(target.parameters["user"]).replace('"', '""').encode())
    ours = re.compile(rb'(CREATE|ALTER) ROLE ("?)' + user + rb"\2[ ;]")
    kept = (line for line in script.splitlines() if not _TABLESPACE.match(line) and not ours.match(line))
    return b"\n".join(kept) + b"\n"
