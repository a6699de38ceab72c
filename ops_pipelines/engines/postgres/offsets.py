"""Where the rows of each table lie in a custom archive, written into its table of contents.

pg_dump does that at its end, when it can go back in its output; in a pipe it cannot. Each job of pg_restore then reads
the archive from its start, row by row, until it comes to its table, and none knows which table is the largest.

The format is pg_dump's own (`pg_backup_archiver.c` and `pg_backup_custom.c`, versions 1.12 to 1.16). An integer is a
sign byte and its bytes, the lowest first. A text is its length and its bytes; a length of -1 stands for none. Data are
blocks: a type byte, the number of an entry, and chunks of a length and that many bytes, of which the last is empty.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

_OLDEST, _NEWEST = (1, 12), (1, 16)  # PostgreSQL 9.0 to 18
_CUSTOM = 1
_ROWS, _LARGE_OBJECTS = 1, 3  # BLK_DATA, BLK_BLOBS
_NOT_SET, _SET = 1, 2  # K_OFFSET_POS_NOT_SET, K_OFFSET_POS_SET


class _Unlike(ValueError):
    """It is not written as we know it."""


def fill_in(archive: Path) -> bool:
    """Write down where the data of every entry lie.

    Args:
        archive: a file; only the offsets in its table of contents are changed.
    Returns:
        Whether that was done. What is not written as we know it stays as it is: pg_restore has the last word on it.
    """
    with archive.open("r+b") as file:
        try:
            with mmap.mmap(file.fileno(), 0) as content:
                _fill_in(_Cursor(content))
        except (_Unlike, IndexError, ValueError):
            return False
    return True


def _fill_in(cursor: "_Cursor") -> None:
    version = _read_head(cursor)
    fields = dict(_read_entries(cursor, version))
    # All of it is read before anything is changed.
    for number, at in list(_blocks(cursor)):
        field = fields.get(number)
        if field is not None and cursor.content[field] == _NOT_SET:
            cursor.content[field] = _SET
            cursor.content[field + 1 : field + 1 + cursor.offset_bytes] = at.to_bytes(cursor.offset_bytes, "little")


class _Cursor:
    """A place in an archive, from which one value after another is read."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content, self.at = content, 0
        self.integer_bytes = self.offset_bytes = 0

    def byte(self) -> int:
        self.at += 1
        return self.content[self.at - 1]

    def integer(self) -> int:
        negative, start = self.byte(), self.at
        self.skip(self.integer_bytes)
        value = int.from_bytes(self.content[start : self.at], "little")
        return -value if negative else value

    def text(self) -> bytes | None:
        length = self.integer()
        if length < 0:
            return None
        start = self.at
        self.skip(length)
        return self.content[start : self.at]

    def skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.content):
            raise _Unlike("it ends too early")


def _read_head(cursor: _Cursor) -> tuple[int, int]:
    """Everything before the entries; the version of the format."""
    if cursor.content[:5] != b"PGDMP":
        raise _Unlike("it is no archive of pg_dump")
    cursor.skip(5)
    version = cursor.byte(), cursor.byte()
    cursor.skip(1)  # the revision
    cursor.integer_bytes, cursor.offset_bytes, form = cursor.byte(), cursor.byte(), cursor.byte()
    if not _OLDEST <= version <= _NEWEST or form != _CUSTOM:
        raise _Unlike("it is of another version or form")
    if (cursor.byte() if version >= (1, 15) else cursor.integer()) != 0:
        raise _Unlike("it is compressed")
    for _each in range(7):  # when it was made
        cursor.integer()
    for _each in range(3):  # the database, the server's version, pg_dump's
        cursor.text()
    return version


def _read_entries(cursor: _Cursor, version: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Each entry's number, and where the field for its offset is."""
    for _entry in range(cursor.integer()):
        number = cursor.integer()
        cursor.integer()  # whether it has data
        for _each in range(4):  # catalogue, oid, tag, description
            cursor.text()
        cursor.integer()  # the section
        # Definition, drop, copy, schema, tablespace; access method; kind of relation; owner, whether it has OIDs.
        for _each in range(6 if version >= (1, 14) else 5):
            cursor.text()
        if version >= (1, 16):
            cursor.integer()
        cursor.text()
        cursor.text()
        while cursor.text() is not None:  # what it depends on
            pass
        yield number, cursor.at
        cursor.skip(1 + cursor.offset_bytes)


def _blocks(cursor: _Cursor) -> Iterator[tuple[int, int]]:
    """Each block's entry, and where it begins."""
    while cursor.at < len(cursor.content):
        start, kind = cursor.at, cursor.byte()
        yield cursor.integer(), start
        if kind == _ROWS:
            _pass_rows(cursor)
        elif kind == _LARGE_OBJECTS:
            while cursor.integer():  # the oid of each
                _pass_chunks(cursor)
        else:
            raise _Unlike("there is an unknown block in it")


def _pass_rows(cursor: _Cursor) -> None:
    """To the end of a block with a table's rows.

    No text of PostgreSQL has a NUL in it, and the bytes of a length that is not zero never are as many NULs as those of
    zero. So the first such run of NULs is the end, and no row has to be looked at. A table's first length comes right
    after a number, which may end in NULs: it is read.
    """
    length = cursor.integer()
    if not length:
        return
    end = bytes(1 + cursor.integer_bytes)
    found = cursor.content.find(end, cursor.at)
    if found < 0:
        raise _Unlike("a block has no end")
    cursor.at = found + len(end)


def _pass_chunks(cursor: _Cursor) -> None:
    while length := cursor.integer():
        cursor.skip(length)
