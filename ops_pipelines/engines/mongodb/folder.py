"""A folder that mongodump made: check it, fingerprint it, pack it into our part. Ours or an older one alike."""

import gzip
import json
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ops_pipelines.engines.base import Contents, Level, PartSink, TableFacts
from ops_pipelines.engines.mongodb import contents
from ops_pipelines.engines.mongodb.accounts import PREFIX, Accounts
from ops_pipelines.engines.mongodb.documents import Tally, TornDocument, batches
from ops_pipelines.engines.mongodb.layout import OPLOG, PART, PRELUDE, ROOT, member_name
from ops_pipelines.engines.mongodb.migrations import Heads
from ops_pipelines.engines.mongodb.namespaces import (
    DATA,
    METADATA,
    Collection,
    from_metadata,
)
from ops_pipelines.engines.packing import Member, TarStream
from ops_pipelines.engines.sampling import new_seed
from ops_pipelines.errors import SourceError

_GZ = ".gz"


@dataclass
class Packed:
    """What a folder turned out to hold."""

    database: str
    names: set[str]
    contents: Contents
    server_version: str
    accounts: bool
    oplog: bool
    warnings: list[str] = field(default_factory=list)


def pack(folder: Path, wanted: str, sink: PartSink, *, level: Level) -> Packed:
    """Check a dump's folder and write it as one part.

    Args:
        folder: of a whole dump, or of one database in it.
        wanted: the database to take; a dump that holds only another one gives that.
    Raises:
        SourceError: it is not whole, or holds no such database.
    """
    database, directory, warnings = _choose(folder, wanted)
    seed, heads = new_seed(), Heads()
    spool = sink.plain_directory() / "unzipped"
    spool.mkdir(mode=0o700, exist_ok=True)
    try:
        files = {_plain_name(path): _unzipped(path, spool) for path in sorted(directory.iterdir()) if path.is_file()}
        collections = _collections(files, warnings)
        tables = {each.name: _tally(files, each, level, seed, heads) for each in collections if each.data is not None}
        filed = {name.removesuffix(DATA): path.read_bytes() for name, path in files.items() if name.startswith(PREFIX)}
        users = Accounts.of_files(filed) if filed else None
        oplog = next(
            (path for path in (folder / f"{OPLOG}{DATA}", folder / f"{OPLOG}{DATA}{_GZ}") if path.is_file()), None
        )
        version = _version(files) or _version(_preludes(folder, spool))
        extra = [Member(f"{ROOT}/{OPLOG}{DATA}", _copied(_unzipped(oplog, spool), spool))] if oplog else []
    except TornDocument as error:
        raise SourceError(
            f"{folder.name} is not a whole dump", why=f"{error.what}: {error.why}", safe="it was not adopted"
        ) from None

    def members() -> Iterator[Member]:
        for name, path in files.items():
            if name.endswith((DATA, METADATA)) or name == PRELUDE:
                yield Member(member_name(database, name, ""), _copied(path, spool))
        yield from extra

    sink.stream(PART, "dump", TarStream(members()))
    shutil.rmtree(spool)
    return Packed(
        database=database,
        names={each.name for each in collections},
        contents=contents.of(level, collections, tables, users, seed, heads),
        server_version=version,
        accounts=users is not None,
        oplog=oplog is not None,
        warnings=warnings,
    )


def _choose(folder: Path, wanted: str) -> tuple[str, Path, list[str]]:
    """The database to take and its directory."""
    if any(_plain_name(path).endswith((DATA, METADATA)) and _plain_name(path) != f"{OPLOG}{DATA}"
           for path in folder.iterdir() if path.is_file()):  # fmt: skip
        return wanted, folder, []
    found = {path.name: path for path in folder.iterdir() if path.is_dir()}
    if wanted in found:
        return wanted, found[wanted], []
    others = sorted(found.keys() - {"admin", "config", "local"})
    if len(others) == 1:
        return others[0], found[others[0]], [f"the dump is of database {others[0]}, the source's is {wanted}"]
    raise SourceError(
        f"{folder.name} holds no dump of database {wanted}",
        why=f"its databases are: {', '.join(others) or 'none'}",
        safe="it was not adopted",
        next="name the folder of the database itself",
    )


def _plain_name(path: Path) -> str:
    return path.name.removesuffix(_GZ)


def _unzipped(path: Path, spool: Path) -> Path:
    """The file itself, or a plain copy of a compressed one.

    Raises:
        TornDocument: it is not whole.
        OSError: it cannot be read, or the copy cannot be written.
    """
    if path.suffix != _GZ:
        return path
    plain = spool / _plain_name(path)
    try:
        with gzip.open(path) as packed, plain.open("wb") as opened:
            shutil.copyfileobj(packed, opened)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TornDocument(f"{path.name} cannot be decompressed", why=str(error)) from None
    return plain


def _copied(path: Path, spool: Path) -> Path:
    """A file that may be removed once it is packed: the original never is."""
    if path.parent == spool:
        return path
    link = spool / f"packing-{path.name[:100]}"
    link.symlink_to(path.resolve())
    return link


def _collections(files: dict[str, Path], warnings: list[str]) -> list[Collection]:
    stems = [name.removesuffix(DATA) for name in files if name.endswith(DATA) and not name.startswith(PREFIX)]
    collections = [
        from_metadata(path.read_bytes(), name.removesuffix(METADATA), stems)
        for name, path in files.items()
        if name.endswith(METADATA)
    ]
    described = {each.stem for each in collections if each.data is not None}
    bare = sorted(stem for stem in stems if stem not in described)
    if bare:
        raise TornDocument(
            f"{', '.join(bare[:5])}: documents without a {METADATA[1:]}", why="options and indexes would be lost"
        )
    if not collections:
        raise TornDocument("the folder holds no collection")
    return sorted(collections, key=lambda each: each.name)


def _tally(files: dict[str, Path], collection: Collection, level: Level, seed: int, heads: Heads) -> TableFacts:
    assert collection.data is not None
    path = files.get(f"{collection.stem}{DATA}")
    if path is None:
        raise TornDocument(f"{collection.name} has no {DATA} file", why="its documents are missing")
    tally = Tally(level, seed)
    with path.open("rb") as opened:
        try:
            for batch in batches(opened):
                tally.add(batch)
                heads.add(collection.name, batch)
        except TornDocument as error:
            raise TornDocument(f"{path.name} is not whole", why=f"{error.what}: {error.why}") from None
    return tally.facts()


def _preludes(folder: Path, spool: Path) -> dict[str, Path]:
    """What mongodump notes of a dump of all databases, beside their folders."""
    above = spool / "above"
    above.mkdir()
    path = next((each for each in (folder / PRELUDE, folder / f"{PRELUDE}{_GZ}") if each.is_file()), None)
    return {} if path is None else {PRELUDE: _unzipped(path, above)}


def _version(files: dict[str, Path]) -> str:
    """The server's version as mongodump noted it; empty where it did not."""
    try:
        return str(json.loads(files[PRELUDE].read_bytes())["ServerVersion"])
    except (KeyError, ValueError, TypeError, RecursionError):
        return ""
