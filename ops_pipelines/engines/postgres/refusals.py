"""What a server refused of a dump: read from what the clients said, and judged by what it costs.

A statement is known by its entry in the archive's table of contents and by the SQLSTATE, not by the server's sentence,
which may be in any language. Rows and definitions that are lost make a backup bad. Privileges, rows of materialized
views and constraints that the source itself violates are told as findings: the backup is as good as its source was.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ops_pipelines.engines.base import Contents, Finding, RestoreFailed
from ops_pipelines.engines.postgres.extensions import package_of
from ops_pipelines.engines.postgres.selection import Entry, names_of
from ops_pipelines.errors import Inconclusive

# Not the backup's fault: the machine that restores lacks something, or the server went away.
NOT_THE_BACKUP = (
    "could not open extension control file", "extension .* is not available", "could not access file",
    "must be loaded via", "No space left on device", "could not extend file", "out of memory", "out of shared memory",
    "Input/output error", "Read-only file system", "Disk quota exceeded", "Too many open files",
    "server closed the connection unexpectedly", "could not connect to server", "connection to server .* failed",
    "the database system is shutting down", "terminating connection", "collation .* for encoding .* does not exist",
    "could not create locale", "ICU is not supported", "unsupported LZ4|unsupported XML feature", "deadlock detected",
)  # fmt: skip
TABLESPACES = 'invalid value for parameter "default_tablespace"'
# Nothing is lost by it: a newer client sets this for its session.
HARMLESS = ('unrecognized configuration parameter "transaction_timeout"',)
# On a server that is not ours roles, rights and tablespaces may be missing.
ELSEWHERE = ("role .* does not exist", "must be (member|owner|superuser|able)", "permission denied to", TABLESPACES)

Cost = Literal["nothing", "privileges", "views", "source", "extension", "definition", "data"]

_PRIVILEGES = ("ACL", "DEFAULT ACL")
_ABOUT_OTHERS = (*_PRIVILEGES, "MATERIALIZED VIEW DATA")
_DATA = ("TABLE DATA", "TABLE", "SEQUENCE", "SEQUENCE SET", "BLOB", "BLOBS", "BLOB METADATA", "LARGE OBJECT", "SCHEMA")
_CHECKED = ("FK CONSTRAINT", "CHECK CONSTRAINT", "CONSTRAINT", "INDEX")
_GIVES = re.compile(r"(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES)\s|ALTER .* OWNER TO [^;]*;\s*$", re.DOTALL)
_NO_RIGHT = "42501"  # SQLSTATE: insufficient privilege
_VIOLATED = "23"  # SQLSTATE class: integrity constraint violation
_CHECK = "23514"  # SQLSTATE: check violation
_BEFORE_CHECKS = (
    "; the rows are in the backup, and a check of their own table refuses them: a backup in format custom or directory"
    " brings them back where ops makes the database itself (--to a new name); else drop the check in the source"
)
_ENTRY = re.compile(r"pg_restore: from TOC entry (\d+);")
_ERROR, _COMMAND = "pg_restore: error: ", "Command was: "
_HEADER = re.compile(rb"-- (?:Data for )?Name: (.*); Type: (.*); Schema: (.*); Owner: (.*)\n")
_COPY = re.compile(rb"COPY .* FROM stdin;\n")
_PSQL = re.compile(r"psql:.*?:(\d+): (?!WARNING|NOTICE|INFO|LOG|DEBUG)[^:]+: +([0-9A-Z]{5}): (.*)")
_NO_ERRORS = ("00", "01", "02")
_NAMED = 3


@dataclass(frozen=True)
class Refusal:
    """One statement that the server refused.

    Attributes:
        why: the server's sentence.
        entry: what of the dump it belongs to; None when it cannot be told.
        command: the statement, where the client says it.
        state: the SQLSTATE, where the client says it.
    """

    why: str
    entry: Entry | None = None
    command: str = ""
    state: str = ""


@dataclass(frozen=True)
class Judgement:
    """What the refusals of a restore without loss of data amount to; see `Restored`."""

    warnings: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    excused: Mapping[str, Sequence[str]] = field(default_factory=dict)


def from_pg_restore(said: str, toc: Mapping[int, Entry]) -> list[Refusal]:
    """The refusals in what `pg_restore --verbose` said on standard error.

    Of several sessions what is said may be mixed: then an entry may be another's.
    """
    blocks: list[tuple[Entry | None, list[str]]] = []
    entry: Entry | None = None
    within = False
    for line in said.splitlines():
        if line.startswith("pg_restore: "):
            within = line.startswith(_ERROR)
            if found := _ENTRY.match(line):
                entry = toc.get(int(found[1]))
            elif within:
                blocks.append((entry, [line.removeprefix(_ERROR)]))
        elif within:
            blocks[-1][1].append(line)
    return [_refusal(entry, lines) for entry, lines in blocks]


def _refusal(entry: Entry | None, lines: Sequence[str]) -> Refusal:
    at = next((at for at, line in enumerate(lines) if line.startswith(_COMMAND)), len(lines))
    return Refusal(why=lines[0], entry=entry, command="\n".join(lines[at:]).removeprefix(_COMMAND).strip())


def from_psql(said: str, script: Path | None = None) -> list[Refusal]:
    """The refusals in what psql said with `VERBOSITY=verbose`.

    Args:
        script: the plain dump that psql ran, whose comments name what each statement belongs to.
    """
    found = [match for line in said.splitlines() if (match := _PSQL.match(line)) and match[2][:2] not in _NO_ERRORS]
    lines = [int(match[1]) for match in found]
    entries = _entries_at(script, lines) if script is not None and found else {}
    return [Refusal(match[3], entries.get(int(match[1])), state=match[2]) for match in found]


def _entries_at(script: Path, lines: Iterable[int]) -> dict[int, Entry]:
    """What the comment before each line of a plain dump says that the line belongs to."""
    wanted, found = set(lines), dict[int, Entry]()
    entry, in_rows = None, False
    with script.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            if in_rows:
                in_rows = line != b"\\.\n"
            elif header := _HEADER.match(line):
                name, kind, schema, owner = (part.decode(errors="replace") for part in header.groups())
                entry = Entry(number, kind, f"{schema} {name} {owner}", ())
            else:
                in_rows = _COPY.match(line) is not None
            if number in wanted and entry is not None:
                found[number] = entry
    return found


def is_harmless(why: str, *, ours: bool) -> bool:
    """Whether nothing at all is lost by a refusal; a scratch server has its files where it wants."""
    return matches((*HARMLESS, TABLESPACES) if ours else HARMLESS, why)


def is_explained(why: str, *, ours: bool) -> bool:
    """Whether one session alone would be refused the same, so that nothing is to be gained by it."""
    return is_harmless(why, ours=ours) or (not ours and matches(ELSEWHERE, why))


def matches(patterns: Iterable[str], text: str) -> bool:
    """Whether any of the patterns is in the text."""
    return any(re.search(pattern, text) for pattern in patterns)


def judge(
    refusals: Sequence[Refusal],
    toc: Mapping[int, Entry],
    held: Contents,
    *,
    ours: bool,
    major: int,
    again: Callable[[str], str],
) -> Judgement:
    """What the refusals cost.

    Args:
        ours: the server is a scratch server, which has every role.
        major: the server's version, to name packages.
        again: runs a statement once more and returns its SQLSTATE; empty when it is not refused any more.
    Raises:
        Inconclusive: this machine lacks something.
        RestoreFailed: rows or, on a server of ours, definitions are lost.
    """
    by_cost: dict[Cost, list[Refusal]] = {}
    spared: set[int] = set()
    own = _own_data(toc)
    for refusal in refusals:
        cost = _cost(refusal, spared, own, ours=ours, again=again)
        by_cost.setdefault(cost, []).append(refusal)
        if cost == "source" and refusal.entry is not None:
            spared.add(refusal.entry.number)
    lost = by_cost.get("data", [])
    if ours:
        lost = [each for each in refusals if any(each in by_cost.get(cost, []) for cost in _LOST_TO_US)]
    if lost:
        raise _failed(lost, major)
    elsewhere = [each for each in by_cost.get("definition", []) if _is_elsewhere(each, again)]
    undefined = [each for each in by_cost.get("definition", []) if each not in elsewhere]
    findings = [
        *_finding("source", by_cost.get("source", ()), _VIOLATES),
        *_finding(
            "materialized views", by_cost.get("views", ()), "left without rows, they could not be refreshed here"
        ),
        *_finding("privileges", by_cost.get("privileges", ()), "the server refused"),
        *_finding(
            "extensions", by_cost.get("extension", ()), "not as in the source, the server refused", attention=False
        ),
        *_finding("definitions", undefined, "the server refused", attention=False),
    ]
    return Judgement([each.why for each in elsewhere], findings, _excused(by_cost, toc, held))


def _is_elsewhere(refusal: Refusal, again: Callable[[str], str]) -> bool:
    """Whether the target explains it: a role or a right is missing there."""
    return matches(ELSEWHERE, refusal.why) or _NO_RIGHT in (refusal.state, refusal.command and again(refusal.command))


_VIOLATES = "the source's own rows violate, so restored without"
_LOST_TO_US: Sequence[Cost] = ("data", "definition", "extension")


def _cost(refusal: Refusal, spared: set[int], own: set[str], *, ours: bool, again: Callable[[str], str]) -> Cost:
    entry = refusal.entry
    if is_harmless(refusal.why, ours=ours):
        return "nothing"
    if matches(ELSEWHERE, refusal.why):
        return "definition"  # of a scratch server's roles none may be missing, and elsewhere the comparison tells
    if entry is None:
        return "data"
    if entry.kind in _PRIVILEGES or _GIVES.match(refusal.command):
        return "privileges"
    if entry.kind == "MATERIALIZED VIEW DATA":
        return "views"
    if entry.kind in _CHECKED:
        state = refusal.state or again(refusal.command)
        if not state:
            return "nothing"
        if state.startswith(_VIOLATED) or spared & set(entry.needs):
            return "source"
    if entry.kind == "EXTENSION" or (entry.kind == "TABLE DATA" and own and entry.text not in own):
        return "extension"
    return "data" if entry.kind in _DATA else "definition"


def _own_data(toc: Mapping[int, Entry]) -> set[str]:
    """Tables that the dump defines; the others whose rows it has belong to extensions."""
    return {entry.text for entry in toc.values() if entry.kind == "TABLE"}


def _failed(lost: Sequence[Refusal], major: int) -> Inconclusive | RestoreFailed:
    more = f" … and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    why = "; ".join(dict.fromkeys(each.why for each in lost[:_NAMED])) + more
    missing = [each.entry.text.split()[1] for each in lost if each.entry is not None and each.entry.kind == "EXTENSION"]
    if missing:
        packages = " ".join(package_of(name, major) for name in missing)
        return Inconclusive(
            f"the restore could not finish here without {', '.join(missing)} (Debian: {packages})",
            why=why,
            safe="the backup is not marked bad",
            next=f"install what is missing on this machine (Debian: apt-get install {packages}), then: ops verify",
        )
    if matches(NOT_THE_BACKUP, "\n".join(each.why for each in lost)):
        return Inconclusive("the restore could not finish here", why=why, safe="the backup is not marked bad")
    kept_out = any(each.state == _CHECK or "violates check constraint" in each.why for each in lost)
    return RestoreFailed(f"the server refused parts of the backup: {why}{_BEFORE_CHECKS if kept_out else ''}")


def _finding(name: str, refused: Sequence[Refusal], what: str, *, attention: bool = True) -> Iterator[Finding]:
    if refused:
        named = "; ".join(dict.fromkeys(f"{_named(each)} ({each.why})" for each in refused[:_NAMED]))
        more = f" … and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        yield Finding(name, False, f"{what}: {named}{more}", attention=attention)


def _named(refusal: Refusal) -> str:
    return f"{refusal.entry.kind.lower()} {refusal.entry.text}" if refusal.entry is not None else "a statement"


def _excused(
    by_cost: Mapping[Cost, Sequence[Refusal]], toc: Mapping[int, Entry], held: Contents
) -> dict[str, Sequence[str]]:
    labels: Mapping[Cost, Sequence[str]] = {
        "source": (),
        "views": ("populated",),
        "privileges": ("owner", "privileges"),
    }
    excused: dict[str, Sequence[str]] = {}
    for cost, which in labels.items():
        for refusal in by_cost.get(cost, ()):
            if refusal.entry is not None:
                about = [refusal.entry]
                if refusal.entry.kind in _ABOUT_OTHERS:
                    about += [toc[need] for need in refusal.entry.needs if need in toc]
                excused |= dict.fromkeys(names_of(about, held), which)
    return excused
