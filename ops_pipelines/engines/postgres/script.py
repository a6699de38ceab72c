"""A plain dump of pg_dump as it may be fed to another database: nothing in it reaches back to the one it came from.

`pg_dump --create` drops and makes a database by name and connects to it, `--clean` drops objects that a new database
does not have. Both are left out while the script passes; everything else passes as it is.
"""

import re
from collections.abc import Iterator

from ops_pipelines.errors import SourceError
from ops_pipelines.streams import Reader

_CHUNK = 1024 * 1024
_LONGEST_HEADING = 64 * 1024
_LONGEST_PREAMBLE = 16 * 1024 * 1024
# What pg_dump writes above every entry, and below the last one.
_HEADING = re.compile(
    rb"\n--\n(?:(?:-- TOC entry [^\n]*\n(?:-- Dependencies:[^\n]*\n)?)?"
    rb"-- (?:Data for )?Name: (?P<name>[^\n]*); Type: (?P<kind>[A-Z ]+);|-- PostgreSQL database dump complete\n)"
)
_OF_DATABASE = (b"DATABASE", b"DATABASE PROPERTIES")
_BESIDE_DATABASE = (b"COMMENT", b"ACL", b"SECURITY LABEL")
_DROPS = re.compile(rb"^(?:DROP (?!SCHEMA )|ALTER [^\n]* DROP )[^\n]*(?:\n|\Z)", re.MULTILINE)
_DROP_SCHEMA = re.compile(rb"^DROP SCHEMA (?!IF EXISTS )", re.MULTILINE)
_CONNECT = re.compile(rb"\n\\c(?:onnect)?[ \t]")


class OneDatabase:
    """A reader that passes a plain dump on without what belongs to the database around the tables.

    Args:
        name: the dump's file name, for errors.
    Attributes:
        left_out: whether anything was.
        database: the name of the database, where what was left out says it; known once everything was read.
    Raises:
        SourceError: it connects to a database in a way that pg_dump never does.
    """

    def __init__(self, name: str, source: Reader) -> None:
        self._name, self._source = name, source
        self._pieces = self._kept()
        self._left = b""
        self.left_out = False
        self.database = ""

    def read(self, size: int = -1, /) -> bytes:
        while not self._left:
            if (piece := next(self._pieces, None)) is None:
                return b""
            self._left = piece
        chunk = self._left if size < 0 else self._left[:size]
        self._left = self._left[len(chunk) :]
        return chunk

    def _kept(self) -> Iterator[bytes]:
        """The entries that stay, each checked for a way out of its database."""
        before = b"\n"
        for piece in self._entries():
            if _CONNECT.search(before + piece):
                raise SourceError(
                    f"{self._name} connects to a database by name (\\connect)",
                    why="restored beside it, it would write into that one",
                    safe="it was not adopted",
                    next="dump one database by itself: pg_dump --format=custom DATABASE",
                )
            before = (before + piece)[-16:]
            yield piece

    def _entries(self) -> Iterator[bytes]:
        waiting, seen_one, staying, over = b"", False, True, False
        while not over:
            chunk = self._source.read(_CHUNK)
            waiting, over = waiting + chunk, not chunk
            # A heading may lie across two chunks: what could be the beginning of one waits for the next.
            certain = len(waiting) if over else max(0, len(waiting) - _LONGEST_HEADING)
            at = 0
            for heading in _HEADING.finditer(waiting):
                if heading.start() >= certain:
                    break
                if staying:
                    entry = waiting[at : heading.start()]
                    yield entry if seen_one else self._preamble(entry)
                at, seen_one, staying = heading.start(), True, not _is_about_the_database(heading)
                self.left_out |= not staying
                if heading["kind"] == b"DATABASE":
                    self.database = heading["name"].decode(errors="replace")
            if seen_one or over or len(waiting) > _LONGEST_PREAMBLE:
                end = max(at, certain)
                if staying:
                    yield waiting[at:end]
                waiting = waiting[end:]

    def _preamble(self, text: bytes) -> bytes:
        """Settings stay; objects are dropped here, and a new database has none but its schema `public`."""
        kept = _DROP_SCHEMA.sub(b"DROP SCHEMA IF EXISTS ", _DROPS.sub(b"", text))
        self.left_out |= kept != text
        return kept


def _is_about_the_database(heading: re.Match[bytes]) -> bool:
    name, kind = heading["name"], heading["kind"]
    return kind in _OF_DATABASE or (kind in _BESIDE_DATABASE and name is not None and name.startswith(b"DATABASE "))
