"""Part of a PostgreSQL archive: some tables with everything that belongs to them and what they stand on.

`pg_restore --table` leaves out indexes, constraints, triggers, sequences, privileges, types. The archive's own table of
contents knows what depends on what: from it we make the list that `pg_restore --use-list` restores.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.selection import nothing_matches

_IDENTIFIER = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')
_RELATIONS = ("TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE")
# They belong to what they depend on, and are nothing without all of it.
_ATTACHED = (
    "TABLE DATA", "MATERIALIZED VIEW DATA", "INDEX", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "TRIGGER",
    "RULE", "POLICY", "ROW SECURITY", "DEFAULT", "SEQUENCE OWNED BY", "SEQUENCE SET", "STATISTICS", "STATISTICS DATA",
    "COMMENT", "ACL", "SECURITY LABEL", "TABLE ATTACH", "INDEX ATTACH", "SEQUENCE",
)  # fmt: skip
_NEEDED_WHOLE = (*_RELATIONS, "INDEX", "CONSTRAINT")
# What an entry is called in the fingerprint.
_KINDS = {
    "TABLE": "relation", "VIEW": "relation", "MATERIALIZED VIEW": "relation", "FOREIGN TABLE": "relation",
    "SEQUENCE": "sequence", "CONSTRAINT": "constraint", "CHECK CONSTRAINT": "constraint",
    "FK CONSTRAINT": "constraint", "INDEX": "index", "TRIGGER": "trigger", "RULE": "rule", "POLICY": "policy",
    "STATISTICS": "statistics", "TYPE": "type", "DOMAIN": "type", "SCHEMA": "schema",
}  # fmt: skip
_DESCRIPTIONS = sorted(
    {*_KINDS, *_ATTACHED, "DEFAULT ACL", "EVENT TRIGGER", "EXTENSION", "FUNCTION", "PROCEDURE", "AGGREGATE", "BLOB",
     "BLOBS", "BLOB METADATA", "LARGE OBJECT"},
    key=len, reverse=True,
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One line of a table of contents: schema, name and owner are one text, since any may have spaces in it."""

    number: int
    kind: str
    text: str
    needs: Sequence[int]


@dataclass(frozen=True)
class Selection:
    """What of an archive is restored.

    Attributes:
        numbers: entries in the archive's order.
        names: the same in the fingerprint's terms.
        also: relations that were not asked for and are needed.
        left_out: what belongs to the selection and cannot come without something outside it.
    """

    numbers: Sequence[int]
    names: frozenset[str]
    also: Sequence[str]
    left_out: Sequence[str]


def pick(held: Contents, only: Sequence[str]) -> list[str]:
    """The recorded relations that `table`, `schema.table` and `schema.*` mean. Raises SourceError."""
    if held.level == "off":
        return list(only)
    relations = [name.removeprefix("relation ") for name in held.objects if name.startswith("relation ")]
    picked: dict[str, None] = {}
    for wanted in only:
        found = [name for name in relations if _means(wanted, name)]
        if not found:
            raise nothing_matches(wanted, relations, "tables")
        picked.update(dict.fromkeys(found))
    return list(picked)


def _means(wanted: str, name: str) -> bool:
    schema, relation = split(name)
    if wanted.endswith(".*"):
        return wanted[:-2] in (schema, name.removesuffix(f".{_last(name)}"))
    return wanted in (name, f"{schema}.{relation}", relation, _last(name))


def _last(name: str) -> str:
    return [match[0] for match in _IDENTIFIER.finditer(name)][-1]


def split(name: str) -> list[str]:
    """The identifiers of a quoted, dotted name."""
    return [match[1].replace('""', '"') if match[1] is not None else match[2] for match in _IDENTIFIER.finditer(name)]


def read_toc(listing: str) -> list[Entry]:
    """The entries of `pg_restore --list --verbose`."""
    entries: list[Entry] = []
    for line in listing.splitlines():
        if match := re.match(r"(\d+); \d+ \d+ (.*)", line):
            kind, text = _described(match[2])
            entries.append(Entry(int(match[1]), kind, text, ()))
        elif line.startswith(";\tdepends on:") and entries:
            last = entries[-1]
            entries[-1] = Entry(last.number, last.kind, last.text, [int(word) for word in line.split(":")[1].split()])
    return entries


def _described(rest: str) -> tuple[str, str]:
    for kind in _DESCRIPTIONS:
        if rest.startswith(f"{kind} "):
            return kind, rest[len(kind) + 1 :]
    words = re.match(r"((?:[A-Z]+ )+)(.*)", rest)
    return (words[1].strip(), words[2]) if words else (rest, "")


def select(entries: Sequence[Entry], wanted: Sequence[str], held: Contents) -> Selection:
    """Everything that belongs to the wanted relations, and what that cannot do without.

    Args:
        wanted: quoted names, as `pick` gives them.
        held: the fingerprint, to name what was selected.
    Raises:
        SourceError: a wanted relation is not in the archive.
    """
    by_number = {entry.number: entry for entry in entries}
    known = _Names(held, wanted)
    relations = {name: entry for entry in entries if entry.kind in _RELATIONS and (name := known.of(entry)) is not None}
    missing = [name for name in wanted if f"relation {name}" not in relations]
    if missing:
        raise nothing_matches(missing[0], (name.removeprefix("relation ") for name in relations), "tables")
    seeds = {relations[f"relation {name}"].number for name in wanted}
    chosen = _with_partitions(seeds, entries)
    seeds = set(chosen)
    while True:
        grown = chosen | _stands_on(chosen, by_number) | _belongs_to(chosen, entries, by_number)
        if grown == chosen:
            break
        chosen = grown
    names = {name for number in chosen if (name := known.of(by_number[number])) is not None}
    tables = {name.removeprefix("relation ") for name in names if name.startswith("relation ")}
    columns = {key for key in held.objects if key.startswith("column ") and _owner(key) in tables}
    sequences = {name.removeprefix("sequence ") for name in names if name.startswith("sequence ")}
    also = sorted(entry.text for number in chosen - seeds if (entry := by_number[number]).kind in _RELATIONS)
    left = sorted(
        f"{entry.kind.lower()} {entry.text}"
        for entry in entries
        if entry.number not in chosen and entry.kind in ("FK CONSTRAINT", "TRIGGER") and set(entry.needs) & seeds
    )
    return Selection(
        [entry.number for entry in entries if entry.number in chosen],
        frozenset(names | columns | tables | sequences),
        also,
        left,
    )


def _owner(column: str) -> str:
    """The relation of `column schema.relation.column`."""
    name = column.removeprefix("column ")
    return name[: -len(_last(name)) - 1]


def _with_partitions(seeds: set[int], entries: Sequence[Entry]) -> set[int]:
    """A partitioned table is its partitions."""
    chosen = set(seeds)
    while True:
        more = {
            entry.needs[0]
            for entry in entries
            if entry.kind == "TABLE ATTACH" and len(entry.needs) > 1 and entry.needs[1] in chosen
        }
        if more <= chosen:
            return chosen
        chosen |= more


def _stands_on(chosen: Iterable[int], by_number: Mapping[int, Entry]) -> set[int]:
    return {need for number in chosen for need in by_number[number].needs if need in by_number}


def _belongs_to(chosen: set[int], entries: Sequence[Entry], by_number: Mapping[int, Entry]) -> set[int]:
    found = set()
    for entry in entries:
        if entry.kind in _ATTACHED and set(entry.needs) & chosen:
            whole = {need for need in entry.needs if need in by_number and by_number[need].kind in _NEEDED_WHOLE}
            # A sequence of its own belongs to a schema only: that is not enough.
            if whole <= chosen and (whole or entry.kind != "SEQUENCE"):
                found.add(entry.number)
    return found


def names_of(entries: Iterable[Entry], held: Contents) -> list[str]:
    """What entries are called in the fingerprint: a constraint with its index, every function of a name."""
    known = _Names(held, ())
    named: list[str] = []
    for entry in entries:
        if found := known.of(entry):
            named.append(found)
        if entry.kind == "CONSTRAINT":
            named += [name for name in [known.of(Entry(0, "INDEX", _without_table(entry.text), ()))] if name]
        if entry.kind in ("FUNCTION", "PROCEDURE", "AGGREGATE"):
            called = entry.text.split("(", 1)[0]
            named += [key for key in held.objects if key.startswith("function ") and _called(key) == called]
    return named


def _without_table(text: str) -> str:
    """`schema table name owner` as an index of that name is listed: `schema name owner`."""
    schema, _table, *rest = text.split(" ")
    return " ".join([schema, *rest])


def _called(key: str) -> str:
    """A function's schema and name as the table of contents writes them."""
    return " ".join(split(key.removeprefix("function ").split("(", 1)[0]))


class _Names:
    """Finds the fingerprint's name of an entry: the longest that its text begins with."""

    def __init__(self, held: Contents, wanted: Sequence[str]) -> None:
        self._by_text: dict[str, dict[str, str]] = {}
        for key in (*held.objects, *(f"relation {name}" for name in wanted)):
            kind, _, name = key.partition(" ")
            if kind in _KINDS.values():
                # A schema has none itself, which the table of contents writes as a dash.
                text = f"- {' '.join(split(name))}" if kind == "schema" else " ".join(split(name))
                self._by_text.setdefault(kind, {})[text] = key

    def of(self, entry: Entry) -> str | None:
        known = self._by_text.get(_KINDS.get(entry.kind, ""), {})
        words = entry.text.split(" ")
        for count in range(len(words), 0, -1):
            if found := known.get(" ".join(words[:count])):
                return found
        return None
