"""The manifest: what a restore point is, in a file that outlives this product.

A restore point exists when its `manifest.json` stands under its final name. The format is versioned;
a reader refuses a version it does not know and ignores keys it does not know.
`ops schema manifest` prints its JSON Schema as committed in `docs/reference/`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ops_pipelines.errors import CorruptCopy
from ops_pipelines.proof import Gap
from ops_pipelines.vault.version import refuse_newer

NAME = "manifest.json"
SUMS = "SHA256SUMS"
SIGNATURE = "manifest.json.minisig"
VERSION = 1


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Part(_Facts):
    """One file of a restore point.

    Attributes:
        name: the file's name, with `.zst` and `.age` for what was done to it.
        role: what it is for (`dump`, `globals`, `database`, `contents`).
        size_bytes: its size as it is stored.
        sha256: of its bytes as they are stored.
        plain_bytes: its size before compression and encryption.
    """

    name: str = Field(pattern=r"^\w[\w.-]*$")
    role: str
    size_bytes: int
    sha256: str
    plain_bytes: int
    compression: Literal["zstd", "none"]
    encryption: Literal["age", "none"]


class Summary(_Facts):
    """The fingerprint in short; the whole of it is the part with role `contents`.

    Attributes:
        objects: definitions that were recorded: tables, views, functions, paths and the like.
        rows: rows, documents or files, of all tables together.
        schema_digest: SHA-256 over every definition.
        content_digest: of all content; none where it was not looked at.
        gaps: what could not be looked at, though it was asked for.
    """

    level: Literal["off", "counts", "sample", "full"]
    objects: int
    tables: int
    rows: int
    schema_digest: str
    content_digest: str | None
    gaps: Sequence[Gap] = ()

    @property
    def known_rows(self) -> int | None:
        """The rows, where they were counted; without a fingerprint nobody knows how many there are."""
        return self.rows if self.level != "off" else None

    @property
    def rows_text(self) -> str:
        """The same for people."""
        return f"{self.rows:,}" if self.known_rows is not None else "not known"


class Tie(_Facts):
    """The restore point of a database that a snapshot of folders belongs to."""

    source: str
    backup_id: str


class Adopted(_Facts):
    """The legacy backup that a restore point was made of.

    Attributes:
        sha256: of the original file's bytes; of a folder, over its files' names and bytes.
        time_from: where its time was taken from: its name, its content, or when it was last changed.
    """

    name: str
    size_bytes: int
    sha256: str
    time_from: Literal["name", "content", "mtime"]


class Manifest(_Facts):
    """Everything a restore has to know, and what it must find.

    Attributes:
        id: when the dump began, in UTC, and a random tail; the name of the folder, too.
        source: its name in `ops.yaml`.
        kind: the engine: `postgres`, `mysql`, `mongodb`, `sqlite`, `files`.
        host: the machine that made it.
        product: the name and version of what made it.
        started_at: when the dump began: the recovery point.
        snapshot_at: the instant whose state it holds.
        finished_at: when it was sealed.
        tied_to: of folders: the database they were saved with.
        adopted_from: of a backup from before: what it was made of.
        engine: what only this engine has to know: versions, encodings, options.
        contents: what it holds, in short.
        recipients: public keys for which its parts are encrypted.
        parts: its files.
        restore_by_hand: commands that restore it without ops_pipelines, in their order.
        warnings: what a human should know about it.
        data_bytes: what lies in a repository beside the parts (restic), as it was read.
        installation: the id of the installation that made it; none before signatures, as the next three.
        identity: what its source says of itself, whatever it is called: a server's own id, a database, a machine.
        number: of its source's restore points, those with higher numbers were made later, whatever a clock said.
        previous: SHA-256 of the manifest that its source published before; none for the first.
        safety: it was taken before its source was replaced, so it holds what somebody wanted to be rid of: nothing goes
            back to it unless it is named.
    """

    format: Literal["ops_pipelines/restore-point"] = "ops_pipelines/restore-point"
    version: Literal[1] = 1
    id: str
    source: str
    kind: str
    host: str
    product: str
    started_at: AwareDatetime
    snapshot_at: AwareDatetime
    finished_at: AwareDatetime
    tied_to: Tie | None = None
    adopted_from: Adopted | None = None
    data_bytes: int = 0
    installation: str | None = None
    identity: Mapping[str, str] = {}
    number: int | None = Field(default=None, ge=1)
    previous: str | None = None
    safety: bool = False
    engine: Mapping[str, JsonValue]
    contents: Summary
    recipients: Sequence[str]
    parts: Sequence[Part]
    restore_by_hand: Sequence[str]
    warnings: Sequence[str] = ()

    @property
    def notes(self) -> list[str]:
        """What a human should know of the dump: its warnings, and what could not be looked at, with the cure."""
        return [*self.warnings, *(f"not compared: {gap}" for gap in self.contents.gaps)]

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts as stored."""
        return sum(part.size_bytes for part in self.parts)

    @property
    def plain_bytes(self) -> int:
        """Bytes of what was protected, before compression."""
        return sum(part.plain_bytes for part in self.parts) + self.data_bytes

    @property
    def encrypted(self) -> bool:
        """Whether every part is encrypted."""
        return all(part.encryption != "none" for part in self.parts)

    def part(self, role: str) -> Part | None:
        """The part with this role, if there is one."""
        return next((part for part in self.parts if part.role == role), None)

    def to_bytes(self) -> bytes:
        """The file's content."""
        return (self.model_dump_json(indent=1) + "\n").encode()

    def sha256(self) -> str:
        """The digest of the file that is published; one that was read may have been written by another version."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def checksums(manifest: Manifest, content: bytes) -> bytes:
    """The content of `SHA256SUMS`, for `sha256sum -c`.

    Args:
        content: the bytes of the manifest's own file.
    """
    lines = [f"{part.sha256}  {part.name}\n" for part in manifest.parts]
    return "".join([*lines, f"{hashlib.sha256(content).hexdigest()}  {NAME}\n"]).encode()


def read_manifest(data: bytes, *, where: str) -> Manifest:
    """Parse a manifest.

    Args:
        where: the copy it was found in, for the error.
    Raises:
        NewerFormat: a newer version wrote it.
        CorruptCopy: it cannot be read (check `manifest`).
    """
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        refuse_newer(data, known=VERSION, where=where)
        first = error.errors(include_url=False)[0]
        at = ".".join(str(step) for step in first["loc"])
        raise CorruptCopy(
            f"{where}: the manifest cannot be read", check="manifest", why=f"{at}: {first['msg']}"
        ) from None


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of `manifest.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Manifest.model_json_schema()}


def render() -> str:
    """The schema as a file."""
    return json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + "\n"
