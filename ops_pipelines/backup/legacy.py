"""Backups made by other means: what a file is, what it is wrapped in, and when it was taken. Adopts nothing.

A dump is recognised by its first bytes, whatever its name says; its time is taken from the name, else from what the
dump says of itself, else from when it was last changed.
"""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import BinaryIO, Literal

import zstandard

from ops_pipelines.clock import UTC
from ops_pipelines.engines.registry import KINDS
from ops_pipelines.errors import OpsError
from ops_pipelines.streams import Reader
from ops_pipelines.vault import openssl
from ops_pipelines.vault.frames import Frames

TimeFrom = Literal["name", "content", "mtime"]
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_CHUNK = 1024 * 1024
_NOT_BACKUPS = {".sha256", ".md5", ".log", ".txt", ".json", ".part", ".tmp"}
# What a dump begins with, and the kind of source it is of.
_BEGINS = {each.name: each.dump_heads for each in KINDS.values() if each.dump_heads}
_PLAIN = tuple(begin for begins in _BEGINS.values() for begin in begins)
_STAMPS = (
    re.compile(r"(?<!\d)(\d{4})(\d\d)(\d\d)[T_-]?(\d\d)(\d\d)(\d\d)?(?!\d)"),
    re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?:[T_ -](\d\d)[:-]?(\d\d)(?:[:-]?(\d\d))?)?(?!\d)"),
    re.compile(r"(?<!\d)(\d{4})(\d\d)(\d\d)(?!\d)"),
)
_SUM = re.compile(r"\b[0-9a-fA-F]{64}\b")
_SAID = re.compile(rb"(?:Dump completed on|Completed on|Started on) (\d{4}-\d\d-\d\d +\d?\d:\d\d:\d\d)")


class NotAdoptable(OpsError):
    """A legacy backup is damaged, or is none; `path` names it where it is known."""

    path: Path | None = None


@dataclass(frozen=True)
class Found:
    """One legacy backup.

    Attributes:
        kind: the kind of source it is of; empty for a folder of a kind that its name does not tell.
        wrapped: what is around the dump, outermost first: `openssl`, `gzip`, `zstd`.
    """

    path: Path
    kind: str
    wrapped: Sequence[str]
    size_bytes: int


def backups_in(
    folder: Path, passphrase: str | None, wanted: Callable[[Path], bool] = lambda _path: True
) -> Iterator[Found | NotAdoptable]:
    """Every backup below a folder, by name; what looks like one and cannot be read is told as an error.

    Args:
        wanted: which of them to open at all.
    Raises:
        NotAdoptable: the folder cannot be read.
    """
    if not folder.exists():
        raise NotAdoptable(f"{folder} is not there", next="name the folder with the old backups")
    if folder.is_file() or _kind_of_folder(folder):
        yield from _one(folder, passphrase)
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix in _NOT_BACKUPS:
            continue
        if path.is_dir() and not _kind_of_folder(path):
            yield from backups_in(path, passphrase, wanted)
        elif wanted(path):
            yield from _one(path, passphrase)


def open_plain(found: Found, passphrase: str | None) -> "Plain":
    """The dump inside its wrappings, hashed as it is read. Close it."""
    return Plain(found, passphrase)


class Plain:
    """A stream of a dump's plain bytes, which knows the original's SHA-256 and what the dump says of itself.

    Raises:
        NotAdoptable: a wrapping is damaged or cut off.
    """

    def __init__(self, found: Found, passphrase: str | None) -> None:
        self._file = found.path.open("rb")
        self._hashed = _Hashed(self._file)
        self._plain: Reader = self._hashed
        self.head, self.tail = b"", b""
        for wrapping in found.wrapped:
            self._plain = _unwrapped(wrapping, self._plain, found.path, passphrase)

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._plain.read(size)
        if len(self.head) < 65536:
            self.head += chunk[:65536]
        self.tail = (self.tail + chunk)[-4096:]
        return chunk

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """Of the original's bytes, all of them once everything was read."""
        while self._hashed.read(_CHUNK):
            pass
        return self._hashed.sha256.hexdigest()

    @property
    def said(self) -> datetime | None:
        """The local time at which the dump says it was made."""
        match = _SAID.search(self.tail) or _SAID.search(self.head)
        if match is None:
            return None
        return datetime.strptime(re.sub(r" +", " ", match[1].decode()), "%Y-%m-%d %H:%M:%S")


def time_in_name(name: str) -> datetime | None:
    """The local time in a backup's name, as backup scripts write it; midnight where it has only a day."""
    for pattern in _STAMPS:
        for match in pattern.finditer(name):
            numbers = [int(group) for group in match.groups(default="0")]
            try:
                return datetime(*numbers)  # type: ignore[arg-type]  # year to second
            except ValueError:
                continue
    return None


def taken_at(path: Path, said: datetime | None, zone: tzinfo) -> tuple[datetime, TimeFrom]:
    """When a backup was taken, and how that is known.

    Args:
        said: what the dump says of itself.
        zone: the time zone of names and of what dumps say.
    """
    if (named := time_in_name(path.name)) is not None:
        return named.replace(tzinfo=zone).astimezone(UTC), "name"
    if said is not None:
        return said.replace(tzinfo=zone).astimezone(UTC), "content"
    return datetime.fromtimestamp(int(path.stat().st_mtime), UTC), "mtime"


def check_sum(path: Path, sha256: str) -> None:
    """Compare with a `.sha256` file beside the backup, when there is one. Raises NotAdoptable."""
    beside = path.with_name(path.name + ".sha256")
    if not beside.exists():
        return
    lines = [line for line in beside.read_text(encoding="utf-8", errors="replace").splitlines() if _SUM.search(line)]
    # A list of several files has a line for each; a single sum may stand without a name.
    line = next((each for each in lines if path.name in re.split(r"[\s*/()]+", each)), lines[0] if lines else "")
    match = _SUM.search(line)
    if match is None or match[0].lower() != sha256:
        raise NotAdoptable(f"{path.name} is damaged", why=f"its SHA-256 is not the one in {beside.name}")


def folder_digest(folder: Path) -> tuple[str, int]:
    """SHA-256 over the names and bytes of a folder's files, and their size."""
    digest, size_bytes = hashlib.sha256(), 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
                size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


def _one(path: Path, passphrase: str | None) -> Iterator[Found | NotAdoptable]:
    try:
        yield _recognised(path, passphrase)
        return
    except NotAdoptable as error:
        refusal = error
    except OpsError as error:
        refusal = NotAdoptable(f"{path.name}: {error.what}", why=error.why, next=error.next)
    except OSError as error:
        refusal = NotAdoptable(f"{path.name} cannot be read", why=error.strerror or str(error))
    refusal.path = path
    yield refusal


def _recognised(path: Path, passphrase: str | None) -> Found:
    if path.is_dir():
        size_bytes = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
        return Found(path, _kind_of_folder(path), (), size_bytes)
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise NotAdoptable(f"{path.name} is empty", why="the dump failed unnoticed")
    wrapped: list[str] = []
    with path.open("rb") as opened:
        stream: Reader = opened
        head = _peeked(opened)
        while (wrapping := _wrapping(head)) is not None:
            if len(wrapped) > 3:
                raise NotAdoptable(f"{path.name} is wrapped more than three times")
            wrapped.append(wrapping)
            opened.seek(0)
            stream = opened
            for each in wrapped:
                stream = _unwrapped(each, stream, path, passphrase)
            head = stream.read(64)
    kind = next((kind for kind, begins in _BEGINS.items() if head.startswith(begins)), None)
    if kind is None:
        raise NotAdoptable(f"{path.name} is no backup that is known here", why=f"inside it begins with {head[:16]!r}")
    return Found(path, kind, tuple(wrapped), size_bytes)


def _wrapping(head: bytes) -> str | None:
    magics = {"openssl": openssl.MAGIC, "gzip": _GZIP, "zstd": _ZSTD}
    return next((name for name, magic in magics.items() if head.startswith(magic)), None)


def _peeked(opened: BinaryIO) -> bytes:
    head = opened.read(64)
    opened.seek(0)
    return head


def _unwrapped(wrapping: str, source: Reader, path: Path, passphrase: str | None) -> Reader:
    if wrapping == "gzip":
        return _Inflated(source, path)
    if wrapping == "zstd":
        return _Unzstd(source, path)
    if passphrase is None:
        raise NotAdoptable(
            f"{path.name} is encrypted with openssl", next="name its passphrase: --passphrase-env, or legacy.passphrase"
        )
    with path.open("rb") as opened:
        head = opened.read(64)
    count = openssl.iterations_of(head, passphrase, (_GZIP, _ZSTD, *_PLAIN))
    return openssl.Decrypted(source, passphrase, iterations=count)


class _Hashed:
    def __init__(self, source: BinaryIO) -> None:
        self._source, self.sha256 = source, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._source.read(size)
        self.sha256.update(chunk)
        return chunk


class _Inflated:
    """gzip (RFC 1952), member after member; a missing end is an error, as is anything behind it."""

    def __init__(self, source: Reader, path: Path) -> None:
        self._source, self._path = source, path
        self._member = zlib.decompressobj(wbits=31)
        self._fresh, self._waiting = True, b""

    def read(self, size: int = -1, /) -> bytes:
        wanted = size if size > 0 else _CHUNK
        while True:
            compressed = self._waiting or self._source.read(_CHUNK)
            if not compressed:
                if self._fresh:
                    return b""
                raise NotAdoptable(f"{self._path.name} is cut off", why="its gzip stream has no end")
            try:
                plain = self._member.decompress(compressed, wanted)
            except zlib.error as error:
                raise NotAdoptable(f"{self._path.name} is damaged", why=f"gzip: {error}") from None
            self._fresh, self._waiting = False, self._member.unconsumed_tail
            if self._member.eof:
                self._waiting = self._member.unused_data
                self._member, self._fresh = zlib.decompressobj(wbits=31), True
            if plain:
                return plain


class _Unzstd:
    """Zstandard (RFC 8878), frame after frame; a missing end is an error."""

    def __init__(self, source: Reader, path: Path) -> None:
        self._path, self._followed = path, _Followed(source)
        self._plain = zstandard.ZstdDecompressor().stream_reader(self._followed, read_across_frames=True)  # type: ignore[arg-type]

    def read(self, size: int = -1, /) -> bytes:
        try:
            plain = self._plain.read(size if size > 0 else _CHUNK)
        except zstandard.ZstdError as error:
            raise NotAdoptable(f"{self._path.name} is damaged", why=f"zstd: {error}") from None
        if not plain and not self._followed.frames.whole:
            raise NotAdoptable(f"{self._path.name} is cut off", why="its zstd stream has no end")
        return plain


class _Followed:
    def __init__(self, source: Reader) -> None:
        self._source, self.frames = source, Frames()

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._source.read(size)
        self.frames.feed(chunk)
        return chunk


def _kind_of_folder(folder: Path) -> str:
    """The kind of source whose dump a folder is; empty when it is none."""
    return next((each.name for each in KINDS.values() if each.is_legacy_folder(folder)), "")
