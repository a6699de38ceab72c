"""Part of a dump: the sections of some tables, views and sequences, as the dump client marks them."""

import re
from collections.abc import Sequence
from pathlib import Path

from ops_pipelines.engines.base import RestoreFailed
from ops_pipelines.engines.selection import nothing_matches

SECTION = re.compile(
    rb"-- (Table structure for table|Dumping data for table|Temporary (?:table|view) structure for view|"
    rb"Sequence structure for|Final view structure for view|Dumping events for database|Dumping routines for database)"
    rb" (?:table |sequence )?(.*?)\s*\n"
)
"""A comment of three lines opens each section; this is the second. A line break inside data is always escaped."""
# A dump client puts these around the rows of each table.
_KEYS_OFF, _KEYS_ON = (
    re.compile(rb"/\*!40000 ALTER TABLE `.*` %s KEYS \*/;" % each) for each in (b"DISABLE", b"ENABLE")
)
_OF_DATABASE = (b"Dumping events for database", b"Dumping routines for database")


def extract(dump: Path, only: Sequence[str]) -> Path:
    """The dump's head and the sections of these names, in a file of its own; the whole dump is removed.

    Raises:
        RestoreFailed: the dump is not in sections.
        SourceError: one of the names has none.
    """
    picked = dump.with_name("selected.sql")
    wanted, found, known = {name.encode() for name in only}, set[bytes](), set[bytes]()
    kept = True
    with dump.open("rb") as read, picked.open("xb") as written:
        for line in read:
            if section := SECTION.fullmatch(line):
                name = _bare(section[2])
                if section[1] in _OF_DATABASE:
                    kept = False
                else:
                    known.add(name)
                    kept = name in wanted
                    found |= {name} & wanted
            if kept:
                written.write(line)
    dump.unlink()
    if not known:
        raise RestoreFailed("the dump has no marked sections, so that no table can be taken out of it")
    if missing := sorted(wanted - found):
        raise nothing_matches(missing[0].decode(), (name.decode(errors="replace") for name in known), "tables")
    return picked


def without_rows(dump: Path) -> Path:
    """The dump without what fills its tables, in a file of its own; the whole dump is removed."""
    bare = dump.with_name("definitions.sql")
    kept = True
    with dump.open("rb") as read, bare.open("xb") as written:
        for line in read:
            if _KEYS_OFF.match(line):
                kept = False
            if kept:
                written.write(line)
            if _KEYS_ON.match(line):
                kept = True
    dump.unlink()
    return bare


def _bare(name: bytes) -> bytes:
    """A name without the quotes around it."""
    return name[1:-1].replace(b"``", b"`") if name.startswith(b"`") else name.strip(b"'")


def names_of(only: Sequence[str]) -> frozenset[str]:
    """What these are called in `Contents`, whatever they are."""
    return frozenset(only) | {f"{kind} {name}" for kind in ("table", "view", "sequence") for name in only}
