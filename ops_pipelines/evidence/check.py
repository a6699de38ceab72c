"""Check a bundle by what lies in it: signatures, digests, nothing missing, nothing more, numbers without a hole."""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from ops_pipelines.evidence import dsse, index
from ops_pipelines.evidence.facts import PREDICATES, WELL
from ops_pipelines.evidence.index import Index, Listed, listed
from ops_pipelines.vault.signing.minisign import PublicKey

_LARGEST = 1 << 28


class Problem(NamedTuple):
    """Something that is not as it was written: in which file, and what."""

    file: str
    what: str


@dataclass
class Checked:
    """What a check found.

    Attributes:
        index: what the bundle says of itself, once its signature was right.
        documents: the statements whose signature was right, by file.
        key: who signed.
        notes: what a human should know beside the problems.
    """

    index: Index | None = None
    key: PublicKey | None = None
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_bundle(folder: Path, keys: Collection[PublicKey]) -> Checked:
    """Check a folder by itself.

    Args:
        keys: whose signatures are accepted. They must not come from the folder: whoever changed it would have put
            a key of his own there.
    """
    checked = Checked()
    try:
        document, checked.key = dsse.unseal(_content(folder / index.NAME), keys)
        if document.get("predicateType") != PREDICATES["index"]:
            raise ValueError("it is the statement of something else")
        checked.index = Index.model_validate(document.get("predicate"))
    except (dsse.BadEnvelope, OSError, ValueError) as error:
        checked.problems.append(Problem(index.NAME, _words(error)))
        return checked
    checked.problems += _of_files(folder, checked.index, checked, checked.key)
    checked.problems += _of_contents(checked.index)
    return checked


def _of_files(folder: Path, contents: Index, checked: Checked, key: PublicKey) -> Iterator[Problem]:
    """Every file is there, is what the index says, and no other is."""
    entries: Mapping[str, Listed] = {each.file: each for each in contents.statements}
    digests = {**contents.files, **{each.file: each.sha256 for each in contents.statements}}
    for name, sha256 in digests.items():
        try:
            content = _content(folder / name)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            yield Problem(name, f"it is missing{_told(entries.get(name))}" if missing else _words(error))
            continue
        if hashlib.sha256(content).hexdigest() != sha256:
            yield Problem(name, f"it was changed after it was signed{_told(entries.get(name))}")
        elif name in entries:
            yield from _of_statement(content, entries[name], checked, key)
    for name in sorted(_names(folder) - digests.keys() - {index.NAME}):
        yield Problem(name, "it does not belong to the bundle: the index does not list it")


def _of_statement(content: bytes, entry: Listed, checked: Checked, key: PublicKey) -> Iterator[Problem]:
    """A statement is signed, and says what the index says of it."""
    try:
        document, _ = dsse.unseal(content, [key])
        if listed(entry.file, entry.sha256, document) != entry:
            yield Problem(entry.file, "the index says something else of it")
        checked.documents[entry.file] = document
    except (dsse.BadEnvelope, ValueError) as error:
        yield Problem(entry.file, _words(error))


def _of_contents(contents: Index) -> Iterator[Problem]:
    """The index agrees with itself: times in the period, counts, numbers."""
    counts: dict[str, dict[str, int]] = {}
    for each in contents.statements:
        of_kind = counts.setdefault(each.kind, {})
        of_kind[each.outcome] = of_kind.get(each.outcome, 0) + 1
        begins = each.kind == "alert" or contents.period.begin <= each.at
        if not begins or each.at >= contents.period.end:
            yield Problem(each.file, f"it is of {each.at:%Y-%m-%d %H:%M} UTC, outside of the period")
    if counts != {kind: dict(outcomes) for kind, outcomes in contents.counts.items()}:
        yield Problem(index.NAME, "its counts are not those of its statements")
    turns = [each.turn for each in contents.statements if each.turn is not None]
    for first, last in contents.numbering.unaccounted(turns):
        which = f"number {first}" if first == last else f"numbers {first} to {last}"
        yield Problem(index.NAME, f"an attempt was left out: {which}")


def _told(entry: Listed | None) -> str:
    """Which attempt a file is about, for a human: a failure that was left out is named as one."""
    if entry is None:
        return ""
    bad = "" if entry.outcome in WELL else f", which ended {entry.outcome}"
    return f" ({entry.kind} of {entry.source or 'this machine'}, {entry.at:%Y-%m-%d %H:%M} UTC{bad})"


def _content(path: Path) -> bytes:
    """A file's bytes; no link is followed. Raises OSError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
        return opened.read(_LARGEST)


def _names(folder: Path) -> set[str]:
    """Every file below a folder by its path within, and every folder that is none of a bundle's."""
    found = set()
    for at, folders, files in os.walk(folder):
        where = Path(at).relative_to(folder)
        found |= {str(where / name) for name in files}
        found |= {str(where / name) for name in folders if (Path(at) / name).is_symlink()}
    return found


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "it is no index as this version writes them"
    if isinstance(error, FileNotFoundError):
        return "it is missing"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
