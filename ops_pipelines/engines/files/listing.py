"""The fingerprint of folders: every path with what it is, and the SHA-256 of every file.

A name is any bytes but `/` and NUL. Where it is written down, a backslash is doubled and what is no printable UTF-8
stands as `\\xNN`, so that a listing is valid JSON and no two names look alike.

Compared are: kind, permissions with setuid and the like, size, modification time, link target, hard link group, `user.`
extended attributes and content. Not compared are owners (only root can restore them; restic keeps them), access times,
and the holes of sparse files (their zeros come back as zeros). Sockets are no data and are left out.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines.engines.base import EXISTS, Contents, Level, TableFacts
from ops_pipelines.engines.folders import inside

DIALECT = "files 1"
_CHUNK = 1024 * 1024
_KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "chardev", stat.S_IFBLK: "dev", stat.S_IFSOCK: "socket",
}  # fmt: skip


@dataclass(frozen=True)
class Root:
    """A folder (or file) to be read, and the path under which it is listed."""

    at: str
    listed: str


@dataclass(frozen=True)
class Entry:
    """One path as it was found.

    Attributes:
        at: where it can be read.
        stamp: changes whenever the file does: kind, inode, mode, size, mtime, ctime.
    """

    at: str
    kind: str
    mode: int
    size: int
    mtime_ns: int
    inode: tuple[int, int]
    links: int
    device: int
    stamp: tuple[int, ...]


def written(path: str) -> str:
    """A path as it is written down."""
    escaped = path.replace("\\", "\\\\")
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", lambda found: _escaped(found[0]), escaped)


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def read_back(text: str) -> str:
    """The path that was `written`."""
    raw = re.sub(
        rb"\\(\\|x[0-9a-f]{2})",
        lambda found: b"\\" if found[1] == b"\\" else bytes([int(found[1][1:], 16)]),
        text.encode(),
    )
    return os.fsdecode(raw)


def as_restic_says(path: str) -> str:
    """A path as it stands in restic's JSON."""
    return re.sub(r"[\udc80-\udcff]", "\ufffd", path)


def walk(roots: Iterable[Root]) -> dict[str, Entry]:
    """Everything below the roots by the path it is listed under. What vanishes or cannot be entered is left out."""
    found: dict[str, Entry] = {}
    for root in roots:
        waiting = [(root.at, root.listed)]
        while waiting:
            at, listed = waiting.pop()
            try:
                entry = _look(at)
                if listed != "/":  # the folder of an adopted backup is nothing but its place
                    found[listed] = entry
                if entry.kind == "dir":
                    prefix = listed.rstrip("/")
                    waiting += [(f"{at}/{name}", f"{prefix}/{name}") for name in os.listdir(at)]  # noqa: PTH208 (a tenth of the time)
            except OSError:
                continue
    return found


def _look(at: str) -> Entry:
    seen = os.lstat(at)
    return Entry(
        at=at,
        kind=_KINDS.get(stat.S_IFMT(seen.st_mode), "unknown"),
        mode=stat.S_IMODE(seen.st_mode),
        size=seen.st_size,
        mtime_ns=seen.st_mtime_ns,
        inode=(seen.st_dev, seen.st_ino),
        links=seen.st_nlink,
        device=seen.st_rdev,
        stamp=(seen.st_mode, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns),
    )


def digest(entry: Entry) -> str | None:
    """SHA-256 of a file's content; None when it cannot be read or is another file by now."""
    sha256 = hashlib.sha256()
    try:
        descriptor = os.open(entry.at, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    seen = os.fstat(descriptor)
    if (seen.st_dev, seen.st_ino) != entry.inode:
        os.close(descriptor)  # it may be a folder by now, which opens as no file
        return None
    with os.fdopen(descriptor, "rb", buffering=0) as opened:
        try:
            while chunk := opened.read(_CHUNK):
                sha256.update(chunk)
        except OSError:
            return None
    return sha256.hexdigest()


def describe(entries: Mapping[str, Entry], digests: Mapping[str, str], level: Level) -> dict[str, str]:
    """Every path, as it is written down, and what is there.

    Args:
        digests: of the files' contents by path; a file without one is only said to exist.
    """
    groups = _hard_links(entries)
    return {
        written(path): _described(path, entry, digests, groups, level)
        for path, entry in entries.items()
        if entry.kind != "socket"
    }


def _described(
    path: str, entry: Entry, digests: Mapping[str, str], groups: Mapping[tuple[int, int], str], level: Level
) -> str:
    if level == "counts":
        return f"file {entry.size}" if entry.kind == "file" else entry.kind
    if entry.kind == "file" and path not in digests:
        return f"{EXISTS} file"
    try:
        target = str(Path(entry.at).readlink()) if entry.kind == "symlink" else ""
        extended = _extended(entry.at) if entry.kind in ("file", "dir") else []
    except OSError:
        return f"{EXISTS} {entry.kind}"
    mode = 0 if entry.kind == "symlink" else entry.mode
    device = entry.device if entry.kind in ("chardev", "dev") else 0
    linked = groups.get(entry.inode, "")
    facts = (mode, entry.mtime_ns, os.fsencode(target), device, linked, extended)
    how = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    group = f" linked={linked}" if linked else ""
    return f"file {entry.size} {digests[path]} {how}{group}" if entry.kind == "file" else f"{entry.kind} {how}"


def _hard_links(entries: Mapping[str, Entry]) -> dict[tuple[int, int], str]:
    """The first name of each file that is listed under several."""
    names: dict[tuple[int, int], list[str]] = {}
    for path, entry in entries.items():
        if entry.kind == "file" and entry.links > 1:
            names.setdefault(entry.inode, []).append(path)
    return {inode: written(min(paths)) for inode, paths in names.items() if len(paths) > 1}


def _extended(at: str) -> list[tuple[str, bytes]]:
    try:
        names = [name for name in os.listxattr(at, follow_symlinks=False) if name.startswith("user.")]
    except OSError:
        return []  # the file system has none
    return [(name, os.getxattr(at, name, follow_symlinks=False)) for name in sorted(names)]


def as_contents(objects: Mapping[str, str], roots: Sequence[str], level: Level) -> Contents:
    """The fingerprint made of descriptions: one table per root, its rows are the files in it.

    Args:
        roots: the paths they are listed under.
    """
    tables = {}
    for root in roots:
        name = written(root)
        below = {path: what for path, what in objects.items() if inside(path, name)}
        # What changed while it was read has no content to speak of, and neither has the whole then.
        known = not any(what.startswith(EXISTS) for what in below.values())
        contents = sorted(
            (path, what.split()[2]) for path, what in below.items() if level == "full" and what[:5] == "file "
        )
        whole = hashlib.sha256(repr(contents).encode()).hexdigest() if known else EXISTS
        tables[name] = TableFacts(
            rows=sum("file" in what.split()[:2] for what in below.values()), digest=whole if level == "full" else None
        )
    return Contents(level=level, dialect=DIALECT, objects=dict(objects), tables=tables)


def missing(named: Iterable[str], held: Contents, folders: Sequence[tuple[str, str]], below: str) -> list[str]:
    """Those of some named files that a listing does not have.

    Args:
        named: paths as an application keeps them.
        folders: each configured path, and the path it is listed under.
        below: what relative ones are relative to; itself relative to any of the folders unless absolute.
    """
    return [path for path in named if not any(written(each) in held.objects for each in _meant(path, folders, below))]


def _meant(path: str, folders: Sequence[tuple[str, str]], below: str) -> Iterator[str]:
    for configured, listed in folders:
        whole = os.path.normpath(os.path.join(configured, below, path))  # noqa: PTH118 (absolute parts win, on purpose)
        yield listed + whole[len(configured) :] if inside(whole, configured) else whole
