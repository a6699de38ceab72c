"""Rewrite the text of a dump for where it is loaded: another name of the database, a server whose state is not ours.

A line break inside a value is always escaped, so that a line is read for what it begins with.
"""

import re
from collections.abc import Callable
from pathlib import Path

from ops_pipelines.engines.mysql.connection import identifier

_STAYS_AWAY = (b"ALTER DATABASE `", b"USE `", b"CREATE DATABASE ", b"/*!40000 DROP DATABASE ")
_VIEW, _COLUMN = b"/*!50001 VIEW `", b"  `"
_HEAD_BYTES = 64 * 1024
_PURGED = b"SET @@GLOBAL.GTID_PURGED"
# The client keeps what it loads out of the binary log, since the numbers of the transactions are set by hand.
_LOGGING = re.compile(rb"SET (?:@MYSQLDUMP_TEMP_LOG_BIN\b|@@SESSION\.SQL_LOG_BIN\s*=)")
_EVENT = re.compile(rb"^/\*!50106 CREATE\*/ .*?EVENT `((?:[^`]|``)*)` .*?ON COMPLETION (?:NOT )?PRESERVE (ENABLE)\b")


def moved(dump: Path, to: str, origin: str) -> Path:
    """The dump for a database of another name: nothing in it reaches back to the one it came from.

    The dump client switches the database's character set around routines by its name, and some views name it.
    """
    ours, theirs = identifier(to).encode() + b".", identifier(origin).encode() + b"."

    def fitted(line: bytes) -> bytes:
        if line.startswith(_VIEW):
            return line.replace(theirs, ours)
        if line.startswith(_COLUMN):
            # A default that counts on a sequence names the sequence's database.
            return line.replace(b"nextval(" + theirs, b"nextval(" + ours)
        if line.startswith(b"ALTER DATABASE `"):
            return re.sub(rb"^ALTER DATABASE `(?:[^`]|``)*`", b"ALTER DATABASE", line)
        return b"" if line.startswith(_STAYS_AWAY) else line

    return _rewritten(dump, "moved.sql", fitted)


def sets_gtids(dump: Path) -> bool:
    """Whether loading this dump would set which transactions its server takes for done."""
    with dump.open("rb") as read:
        return _PURGED in read.read(_HEAD_BYTES)


def within_database(dump: Path, *, events: bool) -> tuple[Path, set[str]]:
    """The dump without what reaches beyond its database: the server's GTIDs, its binary log.

    Args:
        events: events stay enabled as they were; else they are loaded disabled, and none of them runs.
    Returns:
        The dump, and the names of the events that were disabled.
    """
    purging, disabled = False, set[str]()

    def harmless(line: bytes) -> bytes:
        nonlocal purging
        if purging or line.startswith(_PURGED):
            purging = not line.rstrip().endswith(b";")
            return b""
        if _LOGGING.match(line):
            return b""
        if not events and (found := _EVENT.match(line)):
            disabled.add(found[1].decode().replace("``", "`"))
            return line[: found.start(2)] + b"DISABLE" + line[found.end(2) :]
        return line

    return _rewritten(dump, "within_database.sql", harmless), disabled


def _rewritten(dump: Path, name: str, line_for: Callable[[bytes], bytes]) -> Path:
    """Every line of the dump through a function, in a file of its own; the dump is removed."""
    target = dump.with_name(name)
    with dump.open("rb") as read, target.open("xb") as written:
        written.writelines(map(line_for, read))
    dump.unlink()
    return target
