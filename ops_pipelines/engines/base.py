"""What every engine offers, and the facts it hands over. Knows no engine, no store and no ledger.

An engine knows one kind of source: probe it, dump it, restore it, say what it contains. It writes
parts through a `PartSink` and reads them back through a `PartReader`; how parts are compressed,
encrypted and stored is the vault's business.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, JsonValue

from ops_pipelines.engines import definition
from ops_pipelines.engines.places import Place
from ops_pipelines.errors import OpsError
from ops_pipelines.proof import Gap
from ops_pipelines.repository import Repository
from ops_pipelines.streams import Progress, Reader, silent

Level = Literal["off", "counts", "sample", "full"]
DIGESTED: Sequence[Level] = ("sample", "full")
"""The levels that say something about the content of rows."""
EXISTS = "exists"
"""Begins the description of an object, or is the digest of a table, that is known to exist and not compared further."""


NOTHING: Mapping[str, JsonValue] = MappingProxyType({})


class TableFacts(BaseModel):
    """What one table or collection held: its rows, and an order-independent digest of them.

    Attributes:
        digested: how many of the rows a sample's digest is of; None when it is no sample.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    digest: str | None = None
    digested: int | None = None


class Way(NamedTuple):
    """How the rows of a fingerprint are chosen and digested; see `Contents`."""

    seed: int = 0
    digests: str = ""


class Contents(BaseModel):
    """The fingerprint: what a source contained, taken in the dump's own snapshot.

    Attributes:
        objects: every schema object by kind and name, with its definition; see `engines.definition`.
        tables: rows and content digest of everything that holds data.
        counters: sequences and the like; a restored one may be ahead, never behind.
        migrations: how far the application's own migrations had got, by tool and table.
        unsteady: tables no snapshot covers that were written to during the dump; their rows cannot be compared.
        unseen: kinds of objects that were not looked at: nothing can be said about those of another fingerprint.
        gaps: what could not be looked at, though it was asked for: the dump is none the worse for it.
        dialect: names the way in which definitions were described; only equal ones can be compared.
        seed: decides which rows a sample consists of.
        digests: names the way in which rows were digested, where a kind has had several.
    """

    model_config = ConfigDict(frozen=True)

    level: Level
    dialect: str = ""
    objects: dict[str, str] = {}
    tables: dict[str, TableFacts] = {}
    counters: dict[str, int] = {}
    migrations: dict[str, str] = {}
    unsteady: list[str] = []
    unseen: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    seed: int = 0
    digests: str = ""

    @property
    def way(self) -> Way:
        """How another fingerprint is made that can be compared with this one."""
        return Way(self.seed, self.digests)

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return sum(table.rows for table in self.tables.values())

    @property
    def schema_digest(self) -> str:
        """One digest over every object's definition."""
        return _digest(f"{name}={value}" for name, value in sorted(self.objects.items()))

    @property
    def content_digest(self) -> str | None:
        """One digest over every table's content, or its sample; None unless the level has digests."""
        if self.level not in DIGESTED:
            return None
        return _digest(f"{name}={table.rows}:{table.digest}" for name, table in sorted(self.tables.items()))

    def covering(self, names: Set[str], found: "Contents") -> "Contents":
        """What a restore of `names` alone must have brought back, and whatever else of this was `found`."""
        wanted = names | found.objects.keys() | found.tables.keys() | found.counters.keys()
        return self.model_copy(
            update={
                "objects": {name: each for name, each in self.objects.items() if name in wanted},
                "tables": {name: each for name, each in self.tables.items() if name in wanted},
                "counters": {name: each for name, each in self.counters.items() if name in wanted},
                "migrations": {tool: head for tool, head in self.migrations.items() if tool in found.migrations},
            }
        )

    def without(self, excused: Mapping[str, Sequence[str]]) -> "Contents":
        """The same without objects, or lines of their definitions, that a finding of its own tells of."""
        if not excused:
            return self
        kept = {
            name: _unlabelled(described, excused.get(name, ()))
            for name, described in self.objects.items()
            if name not in excused or excused[name]
        }
        return self.model_copy(update={"objects": kept})


def _unlabelled(described: str, labels: Sequence[str]) -> str:
    return definition.written(
        (label, value) for label, value in definition.read(described).items() if label not in labels
    )


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class PartSink(Protocol):
    """Where a dump goes while it is taken."""

    def stream(self, name: str, role: str, source: Reader) -> None:
        """Write one part from a stream; `name` is its plain file name, `role` what it is for."""
        ...

    def write(self, name: str, role: str, data: bytes) -> None:
        """Write one small part."""
        ...

    def plain_directory(self) -> Path:
        """A private directory for a tool that cannot stream; gone before the backup is sealed."""
        ...

    def repository(self) -> Repository:
        """Where this store keeps the data that a tool manages itself."""
        ...


class PartReader(Protocol):
    """The parts of one copy, checked, decrypted and decompressed while they are read."""

    def has(self, role: str) -> bool:
        """Whether the restore point has a part with this role."""
        ...

    def data(self, role: str) -> bytes:
        """A small part, whole."""
        ...

    def save(self, role: str, directory: Path, progress: Progress = silent) -> Path:
        """Write a part's plain content into `directory` (0600); returns the file."""
        ...

    def repository(self) -> Repository:
        """Where this copy's store keeps the data that a tool manages itself."""
        ...


@dataclass(frozen=True)
class Probe:
    """What a source said about itself, before anything is read from it."""

    server_version: str
    size_bytes: int


@dataclass(frozen=True)
class Dumped:
    """A finished dump: when its snapshot was taken, what it holds, what the restore must know.

    Attributes:
        data_bytes: size of what went into a `Repository` instead of parts.
        identity: what the source says of itself, whatever it is called; see `Manifest.identity`.
    """

    snapshot_at: datetime
    contents: Contents
    facts: Mapping[str, JsonValue]
    warnings: Sequence[str] = ()
    data_bytes: int = 0
    identity: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Legacy:
    """A backup made by other means, as plain bytes: the stream of one file, or a folder.

    Attributes:
        name: the file's or folder's own name, for errors and facts.
        taken_at: when it was taken, as far as anybody knows.
        other_database: whether it is meant to be of a database of another name than the source's.
    """

    name: str
    taken_at: datetime
    stream: Reader | None = None
    folder: Path | None = None
    other_database: bool = False


@dataclass(frozen=True)
class Restored:
    """A finished restore: seconds by phase, and what a human should know about it.

    Attributes:
        detail: what was restored, when it was not everything.
        names: the same in the fingerprint's terms; None when it was everything, or the comparison needs no help.
        findings: what the server refused of the backup without any data being lost.
        excused: objects of which the findings tell, with the labels of their definitions that cannot be as they were;
            without a label the whole object cannot.
        sampled: only a sample of the content was restored, because the configuration says so.
        notes: what the engine has to know of this restore when it looks at the target, for `contents` and `assertions`;
            as JSON, since a restore may be in another process.
    """

    seconds: Mapping[str, float]
    warnings: Sequence[str] = ()
    detail: str = ""
    names: Set[str] | None = None
    findings: Sequence["Finding"] = ()
    excused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sampled: bool = False
    notes: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Created:
    """A target that a restore may begin with.

    Attributes:
        fresh: it was made for this restore, and may be emptied if the restore has to begin again.
    """

    url: str
    fresh: bool = False


@dataclass(frozen=True)
class Readiness:
    """Whether a target can take a restore, found out before the first byte.

    Attributes:
        problems: everything that stands in the way.
        work_bytes: room that the decrypted parts need at once in the working directory.
        of_the_whole: what stands in the way of a restore of everything, and not of a selection.
    """

    problems: Sequence[OpsError]
    work_bytes: int
    of_the_whole: Sequence[OpsError] = ()


@dataclass(frozen=True)
class Finding:
    """One assertion of an engine about a restored target.

    Attributes:
        attention: when it does not hold, a human should look, but the backup is as good as its source was.
    """

    name: str
    passed: bool
    detail: str
    attention: bool = False


class RestoreFailed(Exception):
    """The backup's own data or commands were refused by a healthy server: the backup is bad."""


class Dumper(Protocol):
    """Whoever looks at a source and dumps it."""

    def probe(self) -> Probe:
        """Reach the source and look. Raises SourceError."""
        ...

    def dump(self, sink: PartSink, *, progress: Progress = silent) -> Dumped:
        """Dump the source into `sink` and fingerprint the same snapshot.

        Raises SourceError, ToolMissing, process.CommandFailed; what reached the sink is then litter.
        """
        ...

    def adopt(self, legacy: Legacy, sink: PartSink) -> Dumped:
        """Take a backup made by other means into `sink`, in this engine's own part format.

        Raises SourceError when it is not whole, or nothing this engine can restore.
        """
        ...


class Target(Protocol):
    """Whoever restores. A target is a URL of a database that may be written to, or a name beside the source."""

    def locate(self, name_or_url: str) -> str:
        """The URL of a restore target; a bare name lies beside the source."""
        ...

    def address(self, name_or_url: str, facts: Mapping[str, JsonValue] = NOTHING) -> str:
        """How a human gets at a target: the command or path, without a password.

        Args:
            facts: those of the backup that was restored there, where one was.
        """
        ...

    def is_source(self, name_or_url: str) -> bool:
        """Whether a restore target is this very source, however it is spelled."""
        ...

    def place(self, name_or_url: str | None = None) -> Place | None:
        """Where the source, or a target, lies as far as its spelling says. Connects to nothing.

        None when it cannot be told so, or is of another kind. Raises SourceError for what cannot be read.
        """
        ...

    def readiness(self, name_or_url: str, facts: Mapping[str, JsonValue], plain_bytes: int) -> Readiness:
        """Look for what would stop a restore: programs, versions, reachability, rights, room. Changes nothing.

        Args:
            plain_bytes: size of the parts, decrypted.
        """
        ...

    def pick(self, held: Contents, facts: Mapping[str, JsonValue], only: Sequence[str]) -> Sequence[str]:
        """The recorded tables, collections or paths that a user's selection means, for `restore`.

        Raises SourceError for one that matches nothing; it names what is close.
        """
        ...

    def exists(self, name_or_url: str) -> bool:
        """Whether a target is there already: a database of that name, a folder. Raises SourceError."""
        ...

    def create_target(self, name_or_url: str, facts: Mapping[str, JsonValue]) -> Created:
        """A new, empty database to restore into, on the source's server or at a URL.

        Raises SafetyRefusal when it exists and is not empty, or is a source.
        """
        ...

    def restore(
        self,
        parts: PartReader,
        facts: Mapping[str, JsonValue],
        target: str,
        *,
        work: Path,
        globals_too: bool,
        progress: Progress = silent,
        only: Sequence[str] = (),
        fresh: bool = False,
    ) -> Restored:
        """Load `parts` into `target`.

        Args:
            work: a private directory; the target is below it when it is the one of `scratch`.
            globals_too: roles or accounts as well, as on a scratch server.
            fresh: as `Created` has it.
            only: nothing but these, as `pick` names them.

        Raises RestoreFailed when the backup is at fault, CorruptCopy when its bytes are,
        Inconclusive when the server is.
        """
        ...


class Prover(Protocol):
    """Whoever says what a target holds and whether it is well."""

    def scratch(self, directory: Path, facts: Mapping[str, JsonValue]) -> AbstractContextManager[str]:
        """A disposable server of the dump's major version inside `directory`; yields its URL.

        Raises Inconclusive when no such server can be had here.
        """
        ...

    def contents(
        self, target: str, level: Level, *, way: Way | None = None, notes: Mapping[str, JsonValue] = NOTHING
    ) -> Contents:
        """What `target` contains, in the same terms as `Dumped.contents`.

        Args:
            way: of the fingerprint that it is compared with; where it is with none, the kind's own.
            notes: of the restore into it, where there was one.
        """
        ...

    def assertions(self, target: str, held: Contents, *, notes: Mapping[str, JsonValue] = NOTHING) -> Iterator[Finding]:
        """What this kind of target must satisfy beyond being equal to its source: indexes whole, no orphans, …

        Each is asked when its finding is wanted, so that the time between two is what one costs.

        Args:
            held: the source's fingerprint.
            notes: of the restore into it, where there was one.
        Raises:
            Inconclusive: the verifier lacks what an assertion needs.
            SourceError: a query failed.
        """
        ...

    def ask(self, target: str, question: object) -> object:
        """The one value that a user's question yields: SQL, or what the kind's check model has.

        Raises SourceError when it fails.
        """
        ...


class Engine(Dumper, Target, Prover, Protocol):
    """One kind of source: everything that its users need, each of whom takes the part that it uses."""
