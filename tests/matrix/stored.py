"""Damage to the stored bytes of a restore point: accidents, mix-ups, and what an attacker could do."""

import hashlib
import io
import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage

from ops_pipelines.errors import CorruptCopy
from ops_pipelines.vault import codec
from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS, checksums, read_manifest
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.trust import Trust
from tests.matrix.case import NOT_CAUGHT, Act, Case, Seen, bad, unknown

ROLES = {
    "postgres": ("dump", "globals", "database", "contents"),
    "mysql": ("dump", "globals", "contents"),
    "mongodb": ("dump", "contents"),
    "files": ("snapshot", "contents"),
}
CALLED = {
    "dump": "the data", "globals": "the accounts", "database": "the database's settings",
    "contents": "the fingerprint", "snapshot": "the snapshot's description (restic.json)",
}  # fmt: skip
_SEED = 20261121


@dataclass(frozen=True)
class Stored:
    """A rig's directory, whose second store is to be damaged."""

    path: Path
    older: str
    newer: str
    neighbour: str

    @property
    def store(self) -> Path:
        """The second store."""
        return self.path / "nas"

    @property
    def point(self) -> Path:
        """The newer restore point of `crm`."""
        return self.store / "crm" / self.newer

    def part(self, role: str, point: Path | None = None) -> Path:
        """The file of a part."""
        directory = point or self.point
        return directory / next(each["name"] for each in self.manifest(directory)["parts"] if each["role"] == role)

    def manifest(self, point: Path | None = None) -> dict[str, Any]:
        """The manifest as it stands in the file."""
        read: dict[str, Any] = json.loads(((point or self.point) / NAME).read_bytes())
        return read

    def seal(self, manifest: dict[str, Any], point: Path | None = None, *, parts: bool = True) -> None:
        """Write a manifest, sums that agree with it, and a signature as whoever has stolen the key can make it.

        Args:
            parts: make it agree with the parts as they are, too.
        """
        directory = point or self.point
        for part in manifest["parts"] if parts else ():
            data = (directory / part["name"]).read_bytes()
            part |= {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
            with suppress(CorruptCopy):
                part["plain_bytes"] = len(self._opened(directory / part["name"]))
        content = json.dumps(manifest, indent=1).encode()
        (directory / NAME).write_bytes(content)
        (directory / SUMS).write_bytes(checksums(read_manifest(content, where="here"), content))
        trust = Trust(Keys(self.path / "base" / "keys"))
        source, backup_id, number = (manifest[name] for name in ("source", "id", "number"))
        signature = trust.sign_point(content, source=source, backup_id=backup_id, number=number)
        (directory / SIGNATURE).write_bytes(signature)

    def plain(self, role: str, point: Path | None = None) -> bytes:
        """A part's content."""
        return self._opened(self.part(role, point))

    def _opened(self, path: Path) -> bytes:
        sink = io.BytesIO()
        identity = (self.path / "age.key").read_text(encoding="utf-8")
        with path.open("rb") as sealed:
            codec.decode(sealed, sink, [identity], encrypted=True, compressed=True)
        return sink.getvalue()

    def replace(self, role: str, content: bytes, recipient: str = "") -> None:
        """Put another content into a part, encrypted as it should be."""
        ours = str(pyrage.x25519.Identity.from_str((self.path / "age.key").read_text(encoding="utf-8")).to_public())
        with self.part(role).open("wb") as sink:
            codec.encode(io.BytesIO(content), sink, [recipient or ours])

    def of(self, source: str, backup_id: str) -> Path:
        """Another restore point."""
        return self.store / source / backup_id


def cases(engine: str) -> list[Case]:
    """Every corruption of stored bytes that this engine's backups can suffer."""
    found = [*_parts(engine), *_whole(engine), *_edited(engine), *_keys(engine)]
    return [Case(engine, "stored", name, acts, expected, why) for name, acts, expected, why in found]


_Row = tuple[str, tuple[Act, ...], Seen, str]


def _row(name: str, expected: Seen, *acts: Act, why: str = "") -> _Row:
    return name, acts, expected, why


# -- bytes ------------------------------------------------------------------------------------------------


def _parts(engine: str) -> list[_Row]:
    rows = []
    for role in ROLES[engine]:
        called, at = CALLED[role], _at(role)
        rows += [
            _row(f"one bit flipped in {called}", bad("checksum"), _changed(at, flip)),
            _row(f"{called} cut at random places", bad("checksum"), *(_changed(at, cut(n)) for n in range(2))),
            _row(f"{called} missing", bad("parts"), lambda stored, at=at: at(stored).unlink()),
        ]
    data = ROLES[engine][0]
    rows += [
        _row(f"bytes appended to {CALLED[data]}", bad("checksum"), _changed(_at(data), lambda b: b + b"more")),
        _row(f"a block of zeros in {CALLED[data]}", bad("checksum"), _changed(_at(data), zeroed)),
        _row(f"{CALLED[data]} empty", bad("checksum"), _changed(_at(data), lambda b: b"")),
        _row(f"{CALLED[data]} and the fingerprint exchanged", bad("checksum"), _exchanged_parts(data, "contents")),
    ]
    for name, told in ((NAME, "checksum"), (SUMS, "checksum"), (SIGNATURE, "signature")):
        file = _file(name)
        rows += [
            _row(f"one bit flipped in {name}", bad(told), _changed(file, flip_digit)),
            _row(f"{name} cut at random places", bad(told), *(_changed(file, cut(n)) for n in range(2))),
            _row(f"bytes appended to {name}", bad(told), _changed(file, lambda b: b + b"more")),
            _row(
                f"{name} missing",
                bad("signature" if name == SIGNATURE else "manifest"),
                lambda stored, file=file: file(stored).unlink(),
            ),
        ]
    return rows


def _at(role: str) -> Callable[[Stored], Path]:
    return lambda stored: stored.part(role)


def _file(name: str) -> Callable[[Stored], Path]:
    return lambda stored: stored.point / name


def _changed(at: Callable[[Stored], Path], change: Callable[[bytes], bytes]) -> Act:
    def act(stored: Stored) -> None:
        path = at(stored)
        before = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(change(before))
        assert path.read_bytes() != before

    return act


def flip(content: bytes) -> bytes:
    """One bit at a random place is another one."""
    chance = random.Random(_SEED)
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]


def flip_digit(content: bytes) -> bytes:
    """One bit of a recorded SHA-256 is another one: the text stays well-formed."""
    place = max(content.find(b'"sha256": "') + 11, 0)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def cut(number: int) -> Callable[[bytes], bytes]:
    """Only a random part of the beginning is left."""
    return lambda content: content[: random.Random(_SEED + number).randrange(1, len(content))]


def zeroed(content: bytes) -> bytes:
    """A block in the middle reads as zeros."""
    middle, size = len(content) // 2, min(512, len(content) // 4)
    return content[:middle] + bytes(size) + content[middle + size :]


def _exchanged_parts(one: str, other: str) -> Act:
    return lambda stored: exchange(stored.part(one), stored.part(other))


def exchange(one: Path, other: Path) -> None:
    """Two files or directories take each other's name."""
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


# -- whole restore points ---------------------------------------------------------------------------------


def _whole(engine: str) -> list[_Row]:
    def swap(source: str, attribute: str) -> Act:
        return lambda stored: exchange(stored.point, stored.of(source, getattr(stored, attribute)))

    return [
        _row("two restore points exchanged", bad("signature"), swap("crm", "older")),
        _row("restore points of two sources exchanged", bad("signature"), swap("other", "neighbour")),
        _row("an older manifest with its sums", bad("signature"), _older_manifest),
        _row("an older manifest with its sums and its signature", bad("signature"), _older_sealed),
        _row("parts of an older restore point below the newer manifest", bad("checksum"), _older_parts),
        _row("an older restore point renamed to the newer id", bad("signature"), _older_renamed),
    ]


def _older_manifest(stored: Stored) -> None:
    for name in (NAME, SUMS):
        shutil.copy(stored.of("crm", stored.older) / name, stored.point / name)


def _older_sealed(stored: Stored) -> None:
    _older_manifest(stored)
    shutil.copy(stored.of("crm", stored.older) / SIGNATURE, stored.point / SIGNATURE)


def _older_parts(stored: Stored) -> None:
    older = stored.of("crm", stored.older)
    for part in stored.manifest()["parts"]:
        shutil.copy(older / part["name"], stored.point / part["name"])


def _older_renamed(stored: Stored) -> None:
    shutil.rmtree(stored.point)
    shutil.copytree(stored.of("crm", stored.older), stored.point)


# -- edited on purpose, with sums that agree --------------------------------------------------------------

_STOLEN = (
    "It is signed here with the installation's own key: who has stolen it can make a restore point that is consistent "
    "in itself. The ledger, which remembers the digest of each manifest it saw published, knows better; without it "
    "only the drift checks, or a store with object lock, stand in the way."
)


def _edited(engine: str) -> list[_Row]:
    rows = [
        _row("manifest edited: rows", bad("contents"), _edit(lambda m: m["contents"].update(rows=7))),
        _row("manifest edited: fingerprint off", bad("contents"), _edit(lambda m: m["contents"].update(level="off"))),
        _row("manifest edited: SHA-256 of a part", bad("checksum"),
             _edit(lambda m: m["parts"][0].update(sha256="0" * 64))),
        _row("manifest edited: the fingerprint left out", bad("parts"), _edit(_without("contents"))),
        _row("manifest edited: younger than it is", bad("signature"),
             _edit(lambda m: m.update(started_at="2099-01-01T00:00:00Z"))),
        _row("manifest edited: recipients", bad("manifest"), _edit(lambda m: m.update(recipients=[_stranger()]))),
        _row("the fingerprint of an older restore point, sums recomputed", bad("contents"), _foreign("contents")),
        _row("the older restore point's parts and manifest, under the newer id and time, sums recomputed",
             bad("signature"), _passed_off_without_the_key),
        _row("the same, signed with the stolen key", bad("manifest"), _passed_off),
        _row("the same, and the ledger is gone", NOT_CAUGHT, _passed_off_without_a_ledger, why=_STOLEN),
    ]  # fmt: skip
    if engine != "files":
        rows += [
            _row("manifest edited: the data left out", bad("parts"), _edit(_without("dump"))),
            _row("the data of an older restore point, sums recomputed", bad(*_OLDER_DATA[engine]), _foreign("dump")),
            _row("the data of another source, sums recomputed", bad(*_OTHERS_DATA[engine]), _foreign("dump", "other")),
            _row("the data replaced by noise, sums recomputed", bad("restore"), _noise("dump")),
        ]
    return [*rows, *_SPECIAL[engine]()]


_OLDER_DATA = {
    "postgres": ("schema", "rows", "counters", "migrations", "content"),
    "mysql": ("schema", "rows", "counters", "migrations", "content"),
    "mongodb": ("schema", "rows"),
}
_OTHERS_DATA = {
    "postgres": ("schema", "rows", "counters", "migrations"),
    "mysql": ("schema", "rows", "counters", "migrations"),
    "mongodb": ("restore",),
}


def _edit(change: Callable[[dict[str, Any]], object]) -> Act:
    def act(stored: Stored) -> None:
        manifest = stored.manifest()
        change(manifest)
        stored.seal(manifest, parts=False)

    return act


def _without(role: str) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest.update(parts=[each for each in manifest["parts"] if each["role"] != role])


def _stranger() -> str:
    return str(pyrage.x25519.Identity.generate().to_public())


def _foreign(role: str, source: str = "crm") -> Act:
    def act(stored: Stored) -> None:
        point = stored.of(source, stored.older if source == "crm" else stored.neighbour)
        stored.replace(role, stored.plain(role, point))
        stored.seal(stored.manifest())

    return act


def _noise(role: str) -> Act:
    def act(stored: Stored) -> None:
        stored.replace(role, random.Random(_SEED).randbytes(5000))
        stored.seal(stored.manifest())

    return act


def _passed_off(stored: Stored) -> None:
    manifest = stored.manifest()
    _older_renamed(stored)
    stored.seal({**stored.manifest(), "id": manifest["id"], "started_at": manifest["started_at"]})


def _passed_off_without_the_key(stored: Stored) -> None:
    older = (stored.of("crm", stored.older) / SIGNATURE).read_bytes()
    _passed_off(stored)
    (stored.point / SIGNATURE).write_bytes(older)


def _passed_off_without_a_ledger(stored: Stored) -> None:
    _passed_off(stored)
    for file in (stored.path / "base").glob("ledger.sqlite*"):
        file.unlink()


def _emptied(role: str) -> Act:
    def act(stored: Stored) -> None:
        stored.replace(role, b"")
        stored.seal(stored.manifest())

    return act


def _postgres() -> list[_Row]:
    return [
        _row("manifest edited: format of the dump", bad("restore"), _edit(lambda m: m["engine"].update(format="sql"))),
        _row("the accounts emptied, sums recomputed", bad("restore"), _emptied("globals")),
        _row("the database's settings emptied, sums recomputed", bad("schema"), _emptied("database")),
    ]


def _mysql() -> list[_Row]:
    return [
        _row("manifest edited: character set", bad("schema"),
             _edit(lambda m: m["engine"].update(charset="latin1", collation="latin1_swedish_ci"))),
        _row("the accounts emptied, sums recomputed", bad("manifest"), _emptied("globals")),
        _row("manifest edited: the accounts left out", bad("manifest"), _edit(_without("globals"))),
    ]  # fmt: skip


def _mongodb() -> list[_Row]:
    return [
        _row("manifest edited: the database's name", bad("restore"), _edit(lambda m: m["engine"].update(database="x")))
    ]


def _files() -> list[_Row]:
    def older_snapshot(stored: Stored) -> None:
        manifest, older = stored.manifest(), stored.manifest(stored.of("crm", stored.older))
        manifest["engine"].update(snapshot=older["engine"]["snapshot"], tag=older["engine"]["tag"])
        stored.seal(manifest)

    return [
        _row("manifest edited: an older snapshot", bad("schema", "rows"), older_snapshot),
        _row("restic.json replaced by noise, sums recomputed", bad("manifest"), _noise("snapshot")),
        *_repository(),
    ]


def _repository() -> list[_Row]:
    """What restic keeps beside the parts."""

    def each(folder: str, change: Callable[[bytes], bytes]) -> Act:
        def act(stored: Stored) -> None:
            for path in _found(stored, folder):
                _changed(lambda _stored, path=path: path, change)(stored)  # type: ignore[misc]

        return act

    def gone(folder: str) -> Act:
        return lambda stored: [path.unlink() for path in _found(stored, folder)]

    rows = []
    for folder, called, flipped, missing in (
        ("data/*", "a pack of the repository", bad("packs"), bad("packs")),
        ("index", "an index of the repository", bad("packs"), bad("packs")),
        ("snapshots", "the repository's snapshot", bad("snapshot"), bad("snapshot")),
        ("keys", "the repository's key", unknown("verifier"), unknown("verifier")),
        ("config", "the repository's config", bad("packs"), bad("repository")),
    ):
        rows += [
            _row(f"one bit flipped in {called}", flipped, each(folder, flip)),
            # Of a pack that is too short restic 0.14 says the same, after it has tried again for minutes.
            _row(f"{called} zeroed in its middle", flipped, each(folder, zeroed))
            if folder == "data/*"
            else _row(f"{called} cut at a random place", flipped, each(folder, cut(0))),
            _row(f"{called} missing", missing, gone(folder)),
        ]
    return [
        *rows,
        _row("the repository of another source", bad("repository"), lambda stored: exchange(
            stored.store / ".restic" / "crm", stored.store / ".restic" / "other")),
        _row("the repository missing", bad("repository"), lambda stored: shutil.rmtree(
            stored.store / ".restic" / "crm")),
    ]  # fmt: skip


def _found(stored: Stored, folder: str) -> list[Path]:
    repository = stored.store / ".restic" / "crm"
    found = [path for path in repository.glob(folder if folder == "config" else f"{folder}/*") if path.is_file()]
    assert found
    return found


_SPECIAL = {"postgres": _postgres, "mysql": _mysql, "mongodb": _mongodb, "files": _files}


# -- keys -------------------------------------------------------------------------------------------------


def _keys(engine: str) -> list[_Row]:
    def other_key(stored: Stored) -> None:
        (stored.path / "age.key").write_text(str(pyrage.x25519.Identity.generate()), encoding="utf-8")

    def to_another(stored: Stored) -> None:
        stranger = _stranger()
        for part in stored.manifest()["parts"]:
            stored.replace(part["role"], stored.plain(part["role"]), stranger)
        stored.seal(stored.manifest())

    return [
        _row("verified with somebody else's key", unknown("key"), other_key),
        _row("re-encrypted to somebody else's key, sums recomputed", bad("decrypt"), to_another),
    ]
