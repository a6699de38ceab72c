"""Load the parts of a restore point into a PostgreSQL database, with psql and pg_restore.

A restore gives what a serial one gives. Several sessions are quicker, but what they load at once may depend on an order
that the archive does not tell (rows that violate a constraint which is not valid, tables of an extension with keys
between them): what they cannot do is begun again, in an empty database, by one session alone.
"""

import io
import re
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from ops_pipelines import process
from ops_pipelines.engines.base import Contents, PartReader, Restored, RestoreFailed
from ops_pipelines.engines.postgres import checks, offsets, refusals
from ops_pipelines.engines.postgres.clients import Programs
from ops_pipelines.engines.postgres.connection import NOT_FOUND, Server
from ops_pipelines.engines.postgres.refusals import Refusal
from ops_pipelines.engines.postgres.selection import Entry, Selection, read_toc, select
from ops_pipelines.errors import Inconclusive
from ops_pipelines.process import CommandFailed, CommandTimedOut, Limits
from ops_pipelines.streams import Progress

_LISTING = Limits(stall=timedelta(minutes=10), total=timedelta(minutes=10))
_SAID_BYTES = 64 * 1024 * 1024  # a verbose pg_restore names every object of the archive
_RESTRICTED = re.compile(r"^psql:.*?:(\d+): error: backslash commands are restricted", re.MULTILINE)
# A globals script that names a tablespace would make directories on this machine.
_TABLESPACE = re.compile(rb"^(CREATE|ALTER|COMMENT ON|(GRANT|REVOKE) .* ON) TABLESPACE ")


@dataclass(frozen=True)
class Loader:
    """How parts are loaded into one target.

    Attributes:
        target: the database, empty.
        jobs: sessions that load side by side.
        ours: the server is a scratch server: it gets every role, and has its files where it wants.
        empty: makes the target anew; None where it is not ours to drop, which makes one session load it.
    """

    target: Server
    programs: Programs
    jobs: int
    limits: Limits
    ours: bool
    empty: Callable[[], None] | None


def load(
    loader: Loader,
    parts: PartReader,
    form: str,
    *,
    work: Path,
    globals_too: bool,
    progress: Progress,
    only: Sequence[str] = (),
) -> Restored:
    """Restore roles, data and settings, in this order, and event triggers last; see `Engine.restore`.

    Args:
        form: the dump's format, `custom`, `directory` or `sql`.
        work: a private directory for the decrypted dump, which is removed by the caller.
    """
    seconds: dict[str, float] = {}
    warnings: list[str] = []
    if globals_too:
        found = _psql(loader, _adapted(parts.data("globals"), loader.target))
        warnings += [each.why for each in found if "already exists" not in each.why]  # a role that is there is wanted
    with _timed(seconds, "decrypt"):
        dump = parts.save("dump", work, progress)
        if form == "custom" and loader.jobs > 1:
            offsets.fill_in(dump)
    held = Contents.model_validate_json(parts.data("contents"))
    settings = parts.data("database")
    with _timed(seconds, "load"):
        progress("load", 0, None)
        if form == "sql":
            toc: Mapping[int, Entry] = {}
            refused, selection, put_back = _psql(loader, dump), None, checks.PutBack()
            complaints = _psql(loader, settings, f"--set=db={loader.target.database}")
        else:
            archive = _Archive(_unpacked(dump) if form == "directory" else dump, loader, work)
            toc, selection = archive.toc, select(archive.entries, only, held) if only else None
            refused, put_back = archive.load(selection)
            complaints = _psql(loader, settings, f"--set=db={loader.target.database}")
            # Nothing that is done after them may fire them: not our settings, and no REFRESH.
            refused += archive.load_event_triggers(selection)
        found_out = refusals.judge(
            refused,
            toc,
            held,
            ours=loader.ours,
            major=loader.programs.major,
            again=lambda sql: _again(loader, sql, warnings),
        )
    dump.unlink()
    warnings += [*found_out.warnings, *(each.why for each in complaints)]
    restored = Restored(
        seconds,
        warnings,
        findings=[*found_out.findings, *put_back.findings],
        excused={**found_out.excused, **put_back.excused},
    )
    if selection is None:
        return restored
    return replace(restored, warnings=[*warnings, *_selection_warnings(selection)], names=selection.names)


def load_definitions(loader: Loader, parts: PartReader, form: str, *, work: Path) -> None:
    """Load everything but rows into a scratch server. What it refuses is missing there, and nobody is blamed for it.

    Raises RestoreFailed, CorruptCopy, Inconclusive as `load` does.
    """
    _psql(loader, _adapted(parts.data("globals"), loader.target))
    dump = parts.save("dump", work)
    if form == "sql":
        _psql(loader, dump)  # a script has no table of contents to leave rows out by
    else:
        _Archive(_unpacked(dump) if form == "directory" else dump, loader, work).load_definitions()
    dump.unlink()
    _psql(loader, parts.data("database"), f"--set=db={loader.target.database}")


def as_script(parts: PartReader, form: str, programs: Programs, limits: Limits, *, work: Path) -> Path:
    """The dump as one SQL script, in `work`; see `Scripted.script`."""
    dump = parts.save("dump", work)
    if form == "sql":
        return dump
    script = work / "script.sql"
    archive = _unpacked(dump) if form == "directory" else dump
    process.run([programs.path("pg_restore"), f"--file={script}", archive], limits=limits)
    dump.unlink()
    return script


class _Archive:
    """An archive that pg_restore reads, and its table of contents."""

    def __init__(self, path: Path, loader: Loader, work: Path) -> None:
        self._path, self._loader, self._work = path, loader, work
        with _translated("pg_restore"):
            listed = process.run([self._program, "--list", "--verbose", path], limits=_LISTING).stdout
        self.entries = read_toc(listed.decode(errors="replace"))
        self.toc = {entry.number: entry for entry in self.entries}
        self._last = [entry.number for entry in self.entries if _is_event_trigger(entry)]

    @property
    def _program(self) -> Path:
        return self._loader.programs.path("pg_restore")

    def load(self, selection: Selection | None) -> tuple[list[Refusal], checks.PutBack]:
        """Everything but event triggers, in sessions side by side where that can be begun again."""
        numbers = [entry.number for entry in self.entries] if selection is None else selection.numbers
        wanted = [number for number in numbers if number not in self._last]
        options = self._options("most", wanted) if selection is not None or self._last else []
        loader = self._loader
        if loader.jobs > 1 and loader.empty is not None:
            refused = self._run(f"--jobs={loader.jobs}", *options)
            if all(refusals.is_explained(each.why, ours=loader.ours) for each in refused):
                return refused, checks.PutBack()
            loader.empty()
        refused = self._run(*options)
        if loader.empty is not None and checks.of_refused(loader.target, refused):
            loader.empty()
            return self._load_before_checks(refused, options)
        return refused, checks.PutBack()

    def _load_before_checks(
        self, refused: Sequence[Refusal], options: Sequence[str]
    ) -> tuple[list[Refusal], checks.PutBack]:
        """In one session, the rows before the checks that refuse them."""
        target = self._loader.target
        again = self._run("--section=pre-data", *options)
        in_the_way = checks.of_refused(target, refused)
        checks.take_away(target, in_the_way)
        again += self._run("--section=data", *options)
        put_back = checks.put_back(target, in_the_way)
        return [*again, *self._run("--section=post-data", *options)], put_back

    def load_event_triggers(self, selection: Selection | None) -> list[Refusal]:
        """What `load` has left for the end."""
        if not self._last or selection is not None:
            return []
        return self._run(*self._options("last", self._last))

    def load_definitions(self) -> None:
        """Everything but rows and event triggers, in one session."""
        wanted = [entry.number for entry in self.entries if entry.number not in self._last]
        self._run("--schema-only", *(self._options("most", wanted) if self._last else []))

    def _options(self, name: str, numbers: Sequence[int]) -> list[str]:
        path = self._work / f"{name}.list"
        path.write_text("".join(f"{number};\n" for number in numbers), encoding="ascii")
        return [f"--use-list={path}"]

    def _run(self, *options: str) -> list[Refusal]:
        """Every refusal. pg_restore goes on after an error, so that all of them are known."""
        target = self._loader.target
        argv: list[str | Path] = [self._program, "--verbose", "--no-password", *options]
        argv += ["--no-tablespaces"] if self._loader.ours else []
        with _translated("pg_restore"):
            completed = process.run(
                [*argv, f"--dbname={target.argument()}", self._path],
                env=target.environment(), limits=self._loader.limits, accept=(0, 1), stderr_bytes=_SAID_BYTES,
            )  # fmt: skip
        refused = refusals.from_pg_restore(completed.stderr, self.toc)
        if completed.status and not refused:
            return [Refusal("\n".join(completed.stderr.splitlines()[-3:]) or "pg_restore exited with status 1")]
        return refused


def _is_event_trigger(entry: Entry) -> bool:
    about = entry.text.removeprefix("- ")
    return entry.kind == "EVENT TRIGGER" or (
        entry.kind in ("COMMENT", "SECURITY LABEL") and about.startswith("EVENT TRIGGER ")
    )


def _selection_warnings(selection: Selection) -> Iterator[str]:
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
    try:
        with tarfile.open(dump, "r:") as packed:
            for member in packed:
                if not re.fullmatch(r"dump(/[\w.]+)?", member.name) or not (member.isfile() or member.isdir()):
                    raise RestoreFailed(f"dump.tar holds an unexpected entry {member.name!r}")
            packed.extractall(dump.parent)
    except tarfile.TarError as error:
        raise RestoreFailed(f"dump.tar is no whole archive: {error}") from None
    return dump.parent / "dump"


@contextmanager
def _translated(program: str) -> Iterator[None]:
    """Whose fault is it? The machine's is inconclusive; anything else is the backup's."""
    try:
        yield
    except CommandTimedOut as error:
        raise Inconclusive(error.what, why=error.why, safe="the backup is not marked bad") from None
    except CommandFailed as error:
        died = error.status is not None and error.status < 0
        if died or refusals.matches(refusals.NOT_THE_BACKUP, error.why):
            raise Inconclusive(
                f"{program} could not finish here", why=error.why, safe="the backup is not marked bad"
            ) from None
        raise RestoreFailed(f"{program} refused the backup: {error.why or error.what}") from None


def _psql(loader: Loader, script: bytes | Path, *options: str) -> list[Refusal]:
    """Run a script to its end; returns every error it met.

    psql obeys no command of its own in it: what restricts it comes first, with a key that nobody knows. A psql from
    before August 2025 does not know how.

    Raises:
        RestoreFailed: there are such commands in it, beside pg_dump's own.
    """
    target = loader.target
    argv: list[str | Path] = [loader.programs.path("psql"), "--no-psqlrc", "--quiet", "--no-password"]
    argv += ["--set=VERBOSITY=verbose", *options, rf"--command=\restrict {secrets.token_hex(16)}"]
    fed = None if isinstance(script, Path) else script
    file = script if isinstance(script, Path) else "-"
    with _translated("psql"):
        completed = process.run(
            [*argv, f"--dbname={target.argument()}", f"--file={file}"],
            env=target.environment(), stdin=fed, limits=loader.limits, stderr_bytes=_SAID_BYTES,
        )  # fmt: skip
    _refuse_commands(completed.stderr, script)
    return refusals.from_psql(completed.stderr, script if isinstance(script, Path) else None)


def _refuse_commands(said: str, script: bytes | Path) -> None:
    """Nothing but what pg_dump itself writes may be a command for psql. Raises RestoreFailed."""
    numbers = {int(number) for number in _RESTRICTED.findall(said)}
    if not numbers:
        return
    with script.open("rb") if isinstance(script, Path) else io.BytesIO(script) as lines:
        foul = [at for at, line in enumerate(lines, 1) if at in numbers and not line.startswith(b"\\restrict ")]
    if foul:
        named = ", ".join(map(str, foul[:5]))
        raise RestoreFailed(f"the script has commands for psql, which were not run: line {named}")


def _again(loader: Loader, statement: str, warnings: list[str]) -> str:
    """The SQLSTATE of a statement that is tried once more; empty when it is not refused any more.

    A function that names others without their schemas fails under the empty search_path that every dump restores with.
    Then the database's own is tried, and a warning says so: whoever restores by hand has to do the same.
    """
    found = _psql(loader, b"set search_path = '';\n" + statement.encode() + b"\n")
    if found and found[0].state in NOT_FOUND and not _psql(loader, statement.encode() + b"\n"):
        warnings.append(
            f"pg_restore cannot do this under its empty search_path ({found[0].why}), "
            f"so it was done with the database's own: {statement}"
        )
        return ""
    return found[0].state if found else ""


def _adapted(script: bytes, target: Server) -> bytes:
    """The globals without what would change this machine, or the role we are logged in as."""
    user = re.escape(str(target.parameters["user"]).replace('"', '""').encode())
    ours = re.compile(rb'(CREATE|ALTER) ROLE ("?)' + user + rb"\2[ ;]")
    kept = (line for line in script.splitlines() if not _TABLESPACE.match(line) and not ours.match(line))
    return b"\n".join(kept) + b"\n"
