"""Our own dump: raw batches of several collections at once, packed as they are finished.

Each collection is read into a file of the private staging directory, because a tar archive wants to know
a file's size before its content; the file is packed, fingerprinted and gone while others are still read.
"""

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bson import Timestamp
from pydantic import JsonValue
from pymongo.database import Database
from pymongo.errors import OperationFailure

from ops_pipelines.clock import UTC
from ops_pipelines.engines.base import Dumped, PartSink, TableFacts
from ops_pipelines.engines.mongodb import accounts, contents, oplog
from ops_pipelines.engines.mongodb.connection import Document, Server, connected, is_stand_in
from ops_pipelines.engines.mongodb.documents import Tally, TornDocument
from ops_pipelines.engines.mongodb.layout import (
    OPLOG,
    PART,
    PRELUDE,
    ROOT,
    member_name,
    prelude,
)
from ops_pipelines.engines.mongodb.migrations import Heads
from ops_pipelines.engines.mongodb.namespaces import (
    DATA,
    METADATA,
    Collection,
    dropped,
    file_stem,
    to_metadata,
)
from ops_pipelines.engines.mongodb.scan import (
    Deadline,
    Size,
    raw_batches,
    session_at,
    side_by_side,
    sizes,
)
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.engines.mongodb.settled import at_one_instant, settled
from ops_pipelines.engines.packing import Member, TarStream
from ops_pipelines.engines.sampling import new_seed
from ops_pipelines.errors import SourceError
from ops_pipelines.streams import Progress

_SNAPSHOT_GONE = (239, 246)  # SnapshotTooOld, SnapshotUnavailable
_NOT_FOUND = 26
_LOOK_EVERY_S = 0.5
_ROUNDS, _NAMED = 3, 5


@dataclass
class _Read:
    """What the readers have found so far."""

    tables: dict[str, TableFacts] = field(default_factory=dict)
    size_bytes: int = 0
    torn: list[str] = field(default_factory=list)
    heads: Heads = field(default_factory=Heads)


def dump(server: Server, source: MongoDBSource, sink: PartSink, progress: Progress) -> Dumped:
    """Dump the database into one part. Raises SourceError."""
    with connected(server) as database, oplog.opened(database) as happened:
        collections, pinned = at_one_instant(database)
        facts = describe_server(database)
        snapshot_at = pinned.as_datetime() if pinned is not None else datetime.now(UTC)
        users, warnings = accounts_wanted(database, source)
        run = _Dump(database, collections, pinned, source, sink.plain_directory(), progress)
        window: dict[str, JsonValue] = {}
        held: list[Collection] = []

        def members() -> Iterator[Member]:
            name = server.database
            yield Member(member_name(name, PRELUDE, ""), prelude(str(facts["server_version"])))
            for stem, documents in (users.files() if users is not None else {}).items():
                yield Member(member_name(name, stem, DATA), documents)
            # Definitions after the documents: only then is it known which of them fit.
            yield from run.packed(name)
            held.extend((yield from _together(database, run, collections, name, warnings)))
            for each in held:
                yield Member(member_name(name, file_stem(each.name), METADATA), to_metadata(each))
            if pinned is None or run.read.torn:
                yield from _oplog(database, happened, sink.plain_directory(), run.deadline, window, warnings)

        sink.stream(PART, "dump", TarStream(members()))
    facts |= {"database": server.database, "tool": "builtin", "accounts": users is not None, **window}
    facts["snapshot"] = None if pinned is None or run.read.torn else oplog.as_fact(pinned)
    found = contents.of(source.fingerprint, held, run.read.tables, users, run.seed, run.read.heads)
    return Dumped(snapshot_at=snapshot_at, contents=found, facts=facts, warnings=[*warnings, *_torn(run.read, pinned)])


def _together(
    database: "Database[Document]", run: "_Dump", read: list[Collection], name: str, warnings: list[str]
) -> Generator[Member, None, list[Collection]]:
    """The definitions that fit what was read; collections that came to be meanwhile are read as well.

    Without a snapshot documents may have moved into a new collection before their own was read. Raises SourceError.
    """
    seen, fresh = read, list[Collection]()
    for _round in range(_ROUNDS):
        fixed = () if run.pinned is None else {each.name for each in read} - set(run.read.torn)
        found = settled(database, seen, at_instant=fixed)
        warnings += [
            f"made, dropped or changed while the dump ran, and not in it: {_few(names)} of {collection}"
            for collection, names in found.left_out.items()
        ]
        seen, fresh = found.kept, found.new if run.pinned is None else []
        if not fresh:
            return seen
        yield from run.more(fresh).packed(name)
        seen = [*seen, *fresh]
    found = settled(database, seen)
    if found.new:
        warnings.append(f"made while the dump ran, and not in it: {_few([each.name for each in found.new])}")
    return found.kept


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def describe_server(database: "Database[Document]") -> dict[str, JsonValue]:
    """What a restore must know about the server that was dumped."""
    built = database.client.admin.command("buildInfo")
    ours = built.get("secantusVersion")
    return {
        "server": f"SecantusDB {ours}" if ours else "MongoDB",
        "server_version": str(built["version"]),
        "format": "mongodump directory",
    }


def accounts_wanted(
    database: "Database[Document]", source: MongoDBSource
) -> tuple[accounts.Accounts | None, list[str]]:
    """The database's users and roles, where the configuration wants them; a warning where we may not read them."""
    if not source.accounts:
        return None, []
    if (found := accounts.read(database)) is None:
        return None, ["users and roles are not in this backup: the user may not read them (role backup)"]
    return found, []


class _Dump:
    """Readers at work in the background for the length of its block, and what they have finished."""

    def __init__(
        self,
        database: "Database[Document]",
        collections: list[Collection],
        pinned: Timestamp | None,
        source: MongoDBSource,
        spool: Path,
        progress: Progress,
    ) -> None:
        self._database, self.pinned, self._spool, self._progress = database, pinned, spool, progress
        self._source, self._level, self._jobs = source, source.fingerprint, source.jobs
        self._with_data = [each for each in collections if each.data is not None]
        self._done: queue.SimpleQueue[tuple[Collection, Path]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._expected = 0
        self.deadline = Deadline(source.limits.total)
        self.read = _Read()
        self.seed = new_seed()
        self._sizes: dict[str, Size] = {}
        self._rows: dict[str, int] = {}
        self._readers = threading.Thread(target=self._read_all)

    def more(self, collections: list[Collection]) -> "_Dump":
        """The same for further collections; what is found about them is found here."""
        further = _Dump(self._database, collections, self.pinned, self._source, self._spool, self._progress)
        further.deadline, further.read, further.seed = self.deadline, self.read, self.seed
        return further

    def packed(self, database: str) -> Iterator[Member]:
        """The documents of every collection, as files to be packed. Raises what a reader raised."""
        with self:
            for each, path in self._finished():
                assert each.data is not None
                yield Member(member_name(database, file_stem(each.data), DATA), path)

    def __enter__(self) -> None:
        self._sizes = sizes(self._database, self._with_data)
        # The stand-in counts by reading everything, and holds a cursor's whole result: none of its ends early.
        if not is_stand_in(self._database):
            self._rows = {each.name: self.count(each) or 0 for each in self._with_data}
        self._expected = sum(size.all_bytes for size in self._sizes.values())
        # The largest first, so that the last reader to finish has a small one.
        self._with_data.sort(key=lambda each: -self._sizes[each.name].all_bytes)
        self._readers.start()

    def __exit__(self, exception_type: type[BaseException] | None, *_exception: object) -> None:
        if exception_type is not None:
            self.deadline.stop()
        self._readers.join()

    def _finished(self) -> Iterator[tuple[Collection, Path]]:
        """Collections as they are finished, each in a file. Raises what its reader raised."""
        for _each in self._with_data:
            while True:
                try:
                    yield self._done.get(timeout=_LOOK_EVERY_S)
                    break
                except queue.Empty:
                    if not self._readers.is_alive() and self._failure is not None:
                        raise self._failure from None
                    self._progress("dump", self.read.size_bytes, self._expected)

    def count(self, collection: Collection) -> int | None:
        """How many documents the server thinks it has; None where it will not say."""
        try:
            return int(self._database.command("count", collection.data)["n"])
        except OperationFailure:
            return None

    def _read_all(self) -> None:
        try:
            side_by_side(self._with_data, self._jobs, self._read_one)
        except BaseException as error:
            self._failure = error

    def _read_one(self, collection: Collection) -> None:
        at = self.pinned if self.pinned is not None and collection.name not in self.read.torn else None
        path = self._spool / f"{self._with_data.index(collection)}{DATA}"
        try:
            facts = self._copy(collection, path, at)
        except OperationFailure as error:
            if error.code in (_NOT_FOUND, 175):
                raise dropped(collection.name) from None
            if at is None or error.code not in _SNAPSHOT_GONE:
                raise
            # The server keeps its past for five minutes unless told otherwise: read the present instead.
            self.read.torn.append(collection.name)
            at, facts = None, self._copy(collection, path, None)
        if collection.name in self._rows:
            self._check_count(collection, facts.rows, at)
        with self._lock:
            self.read.tables[collection.name] = facts
        self._done.put((collection, path))

    def _copy(self, collection: Collection, path: Path, at: Timestamp | None) -> TableFacts:
        assert collection.data is not None
        tally = Tally(self._level, self.seed)
        self.read.heads.start(collection.name)
        with path.open("wb") as spooled:
            average_bytes = self._sizes[collection.name].average_bytes
            read = raw_batches(self._database, collection.data, self.deadline, average_bytes=average_bytes, at=at)
            for batch in read:
                try:
                    tally.add(batch)
                except TornDocument as error:
                    raise SourceError(f"the server sent invalid data for {collection.name}", why=str(error)) from None
                self.read.heads.add(collection.name, batch)
                spooled.write(batch)
                with self._lock:
                    self.read.size_bytes += len(batch)
        return tally.facts()

    def _check_count(self, collection: Collection, rows: int, at: Timestamp | None) -> None:
        """A cursor that ends early looks like one that is finished: the server's own count tells them apart."""
        before, after = self._rows[collection.name], self.count(collection)
        if after is None or rows in (before, after):
            return
        exact = self._exact(collection, at)
        wrong = rows != exact if at is not None else rows < min(before, after, exact) / 2
        if wrong:
            raise SourceError(
                f"the dump of {collection.name} is incomplete",
                why=f"the server's cursor ended after {rows} documents, it counts {exact}",
                safe="it was discarded; earlier backups are untouched",
                next="check the server's log (validate the collection), then: ops backup",
            )

    def _exact(self, collection: Collection, at: Timestamp | None) -> int:
        assert collection.data is not None
        with session_at(self._database, at) as session:
            counted = list(self._database[collection.data].aggregate([{"$count": "n"}], session=session))
        return int(counted[0]["n"]) if counted else 0


def _oplog(
    database: "Database[Document]",
    happened: oplog.Window,
    spool: Path,
    deadline: Deadline,
    window: dict[str, JsonValue],
    warnings: list[str],
) -> Iterator[Member]:
    """What was written while we read, for mongorestore --oplogReplay; facts and warnings say what there is."""
    began, ended = happened.began, oplog.newest(database)
    if began is None or ended is None:
        return
    window["oplog"] = {"start": oplog.as_fact(began), "end": oplog.as_fact(ended)}
    if happened.is_quiet(ended):
        return
    try:
        path = oplog.save(database, began, ended, spool / f"{OPLOG}{DATA}", deadline)
    except oplog.RolledOver as error:
        warnings.append(str(error))
        return
    yield Member(f"{ROOT}/{OPLOG}{DATA}", path)


def _torn(read: _Read, pinned: Timestamp | None) -> list[str]:
    if pinned is None:
        return [
            "the dump is not of one instant: this server has no snapshot reads; each collection is as it was "
            "while it was read"
        ]
    if read.torn:
        return [
            f"not of the snapshot's instant: {', '.join(sorted(read.torn))}; the server forgot it "
            "(raise minSnapshotHistoryWindowInSeconds)"
        ]
    return []
