"""Load the parts of a restore point into a MySQL or MariaDB database, with the command-line client."""

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ops_pipelines import process
from ops_pipelines.engines.base import Finding, PartReader, Restored, RestoreFailed
from ops_pipelines.engines.mysql import lanes, script
from ops_pipelines.engines.mysql.clients import Program
from ops_pipelines.engines.mysql.connection import QueryFailed, Server, Session, options_for_programs, session
from ops_pipelines.engines.mysql.selection import extract, names_of, without_rows
from ops_pipelines.errors import Inconclusive
from ops_pipelines.process import CommandFailed, CommandTimedOut, Limits
from ops_pipelines.streams import Progress

_COMPLAINT = re.compile(r"^ERROR (\d+) \((\w+)\)(?: at line (\d+))?[^:\n]*: (.*)$", re.MULTILINE)
# Not the backup's fault: the machine that restores lacks something, or the server went away.
_NOT_THE_BACKUP = {
    3, 5, 28, 1021, 1026, 1037, 1038, 1040, 1041, 1053, 1114, 1126, 1129, 1135, 1153, 1203, 1205, 1206, 1286, 1289,
    1317, 1524, 1598, 1785, 1836, 1927, 1969, 2000, 2002, 2003, 2005, 2006, 2008, 2013, 2026, 2055, 4031,
}  # fmt: skip
# The same as the system says it, whatever the code: no space, quota, I/O error, no memory, no more files, read-only.
_SYSTEM = re.compile(r"(?:[Ee]rr(?:no|code): ?|Got error )(?:5|12|23|24|28|30|122)\b")
# A server that is newer than the dump's lacks these; a compiled-in limit, not the backup's data.
_LACKS_HERE = {1115, 1193, 1231, 1273, 1298}
# On a server that is not ours rights may be missing. The comparison names what that changed.
_ELSEWHERE = {1044, 1142, 1227, 1370, 1410, 1419, 1449, 4057}
# Accounts that are there already, plug-ins that are not, and grants on tables of other databases.
_ACCOUNTS = {1141, 1146, 1305, 1396, 1524, 1049, 1133, 1045, 1819}
# A view or a trigger of a table that was not selected.
_NOT_SELECTED = {1146, 1356}


_NOT_OURS = "accounts were not loaded: verify.server is not ours to make accounts on"
_CHECKS_OFF = ("foreign_key_checks = 0", "unique_checks = 0")
# MariaDB: rows of the source that its own CHECKs refuse, and the setting under which the source took them.
_VIOLATED, _ROWS_AS_THEY_ARE = 4025, "check_constraint_checks = 0"
_NAMED = 5
_LIMIT = timedelta(minutes=1)


@dataclass(frozen=True)
class Complaint:
    """One statement that the server refused."""

    code: int
    line: int
    text: str

    def __str__(self) -> str:
        return f"error {self.code} at line {self.line}: {self.text}"


def load(
    parts: PartReader,
    source_database: str,
    target: Server,
    program: Program,
    *,
    work: Path,
    limits: Limits,
    jobs: int,
    ours: bool,
    lent: bool,
    disabled_events: set[str],
    progress: Progress,
    only: Sequence[str] = (),
) -> Restored:
    """Restore the data and, on a server of our own, the accounts; see `Engine.restore`.

    Args:
        source_database: the database's name in the dump.
        work: a private directory for the decrypted dump.
        jobs: sessions that load side by side, on a scratch server.
        ours: the server is a scratch server, on which everything must succeed.
        lent: it is somebody's server: events are loaded disabled, and no accounts are made there.
        disabled_events: gets the names of events that were enabled in the dump and are not here.
        only: nothing but these tables, views and sequences.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "decrypt"):
        dump = parts.save("dump", work, progress)
    try:
        with _timed(seconds, "load"):
            if only:
                dump = extract(dump, only)
            if target.database != source_database:
                dump = script.moved(dump, target.database, source_database)
            if lent or script.sets_gtids(dump):
                dump, disabled = script.within_database(dump, events=not lent)
                disabled_events |= disabled
            complaints = _fill(program, target, dump, limits, progress, sessions=jobs if ours and not lent else 1)
            violated = [each for each in complaints if each.code == _VIOLATED]
            if violated:
                # The script drops what it makes: run once more it makes the same, with every row.
                complaints = _feed(program, target, dump, limits, progress, more=[_ROWS_AS_THEY_ARE])
    finally:
        dump.unlink(missing_ok=True)
    lacking_others = [each for each in complaints if only and each.code in _NOT_SELECTED]
    warnings = _judged([each for each in complaints if each not in lacking_others], ours=ours)
    warnings += [f"left out, because it needs what was not selected: {each}" for each in lacking_others]
    if ours and parts.has("globals"):
        warnings += [_NOT_OURS] if lent else _load_accounts(parts, target, program, work, limits)
    names = names_of(only) if only else None
    return Restored(seconds=seconds, warnings=warnings, names=names, findings=_findings(violated))


def _findings(violated: Sequence[Complaint]) -> list[Finding]:
    if not violated:
        return []
    named = "; ".join(dict.fromkeys(each.text for each in violated[:_NAMED]))
    more = f" … and {len(violated) - _NAMED} more" if len(violated) > _NAMED else ""
    why = "the source's own rows violate its CHECKs, and were loaded all the same"
    by_hand = f"by hand, before the dump: SET SESSION {_ROWS_AS_THEY_ARE}"
    return [Finding("checks", False, f"{why}: {named}{more}; {by_hand}", attention=True)]


def load_definitions(
    parts: PartReader, source_database: str, target: Server, program: Program, *, work: Path, limits: Limits
) -> None:
    """Load the dump without its rows into a database on a scratch server, as far as that goes.

    Args:
        source_database: the database's name in the dump.
        work: a private directory for the decrypted dump.
    """
    dump = without_rows(parts.save("dump", work))
    try:
        if target.database != source_database:
            dump = script.moved(dump, target.database, source_database)
        dump, _disabled = script.within_database(dump, events=False)
        _feed(program, target, dump, limits, lambda *_: None)
    finally:
        dump.unlink(missing_ok=True)


def _load_accounts(parts: PartReader, target: Server, program: Program, work: Path, limits: Limits) -> list[str]:
    text = parts.save("globals", work)
    try:
        complaints = _feed(program, target, text, limits, lambda *_: None)
    finally:
        text.unlink(missing_ok=True)
    serious = [each for each in complaints if each.code not in _ACCOUNTS]
    if serious:
        # What the server quotes of these statements may hold a password's hash.
        lines = ", ".join(f"{each.code} at line {each.line}" for each in serious[:5])
        raise RestoreFailed(f"the server refused accounts of the backup: error {lines}")
    lacking = [each for each in complaints if each.code == 1524]
    return [f"{len(lacking)} accounts use an authentication plug-in this server lacks"] if lacking else []


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[phase] = round(time.monotonic() - started, 3)


def _fill(
    program: Program, target: Server, dump: Path, limits: Limits, progress: Progress, *, sessions: int
) -> list[Complaint]:
    """Run the dump; returns what the server complains about when one session runs it from its start to its end.

    Several are quicker. Where anything is refused them, that says nothing: the script drops what it makes, and one
    session runs all of it once more.
    """
    pieces = lanes.cut(dump, sessions)
    if pieces is not None:
        for scripts in ([pieces.before], pieces.rows, [pieces.after]):
            if _run(program, target, scripts, limits, progress):
                break
        else:
            return []
    return _feed(program, target, dump, limits, progress)


def _feed(
    program: Program, target: Server, text: Path, limits: Limits, progress: Progress, *, more: Sequence[str] = ()
) -> list[Complaint]:
    """Run a script to its end; returns what the server complained about.

    Args:
        more: settings for its session, beside those of every load.
    """
    return _run(program, target, [lanes.whole(text)], limits, progress, more=more)


def _run(
    program: Program,
    target: Server,
    scripts: Sequence[lanes.Script],
    limits: Limits,
    progress: Progress,
    *,
    more: Sequence[str] = (),
) -> list[Complaint]:
    """Run scripts side by side, each in a session of its own; see `_feed`."""
    size = sum(each.size_bytes for each in scripts)
    with ExitStack() as stack:
        options = stack.enter_context(options_for_programs(target, program.product))
        argv = [*_client(program, options, [*_key_rules_off(target), *more]), f"--database={target.database}"]
        fed = [stack.enter_context(each.fed()) for each in scripts]

        def done() -> int:
            taken = sum(position() for _source, position in fed)
            progress("load", taken, size)
            return taken

        try:
            commands = [
                stack.enter_context(process.running(argv, limits=limits, stdin=source, stdout=subprocess.DEVNULL))
                for source, _position in fed
            ]
            completed = [command.finish(accept=(0, 1), alive=done) for command in commands]
        except CommandTimedOut as error:
            raise _inconclusive(error.what, error.why) from None
        except CommandFailed as error:
            raise _inconclusive(f"{program.path.name} could not finish here", f"{error.what}: {error.why}") from None
    return [complaint for each in completed for complaint in _complaints(program, each)]


def _client(program: Program, options: str, settings: Sequence[str]) -> list[str | Path]:
    return [
        program.path, options, "--force", "--batch",
        "--default-character-set=utf8mb4",
        # Line ends within routines stay as they are, and nothing but DELIMITER is a command of the client.
        "--binary-mode",
        # MySQL's would print the statement, with what is in it.
        *(["--skip-print-query-on-error"] if program.has("print-query-on-error") else []),
        # MariaDB's promise of the same, and that it opens no file of this machine.
        *(["--sandbox"] if program.has("sandbox") else []),
        "--max-allowed-packet=1G",
        f"--init-command=set session {', '.join([*_CHECKS_OFF, *settings])}",
    ]  # fmt: skip


def _complaints(program: Program, completed: process.Completed) -> list[Complaint]:
    found = [Complaint(int(code), int(line or 0), text) for code, _, line, text in _COMPLAINT.findall(completed.stderr)]
    if completed.status and not found:
        raise RestoreFailed(f"{program.path.name} refused the backup: {completed.stderr[-500:]}")
    return found


def _key_rules_off(target: Server) -> list[str]:
    """What keeps a server from inventing primary keys, or from demanding them, while a dump is loaded."""
    with session(target, limit=_LIMIT) as opened:
        return [f"{name} = 0" for name in key_rules(opened) if may_set(opened, name)]


def key_rules(opened: Session) -> list[str]:
    """The settings of this server by which a table without a primary key is refused, or gets one."""
    found = opened.variables("sql_require_primary_key", "sql_generate_invisible_primary_key")
    return sorted(name for name, value in found.items() if value == "ON")


def may_set(opened: Session, name: str) -> bool:
    """Whether the account may switch a setting off in its own session."""
    try:
        opened.rows(f"set session {name} = 0")
    except QueryFailed:
        return False
    return True


def _judged(complaints: Sequence[Complaint], *, ours: bool) -> list[str]:
    """Sort complaints: those a strange server explains are returned.

    Raises:
        Inconclusive, RestoreFailed: there are others.
    """
    tolerated = set() if ours else _ELSEWHERE
    serious = [each for each in complaints if each.code not in tolerated]
    if serious:
        more = f" … and {len(serious) - 3} more" if len(serious) > 3 else ""
        why = "; ".join(map(str, serious[:3])) + more
        if any(each.code in _NOT_THE_BACKUP | _LACKS_HERE or _SYSTEM.search(each.text) for each in serious):
            raise _inconclusive("the restore could not finish here", why)
        raise RestoreFailed(f"the server refused parts of the backup: {why}")
    return [str(each) for each in complaints]


def _inconclusive(what: str, why: str) -> Inconclusive:
    return Inconclusive(what, why=why, safe="the backup is not marked bad", next="correct the cause, then: ops verify")
