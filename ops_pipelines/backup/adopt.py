"""Take in backups made by other means: checked, compressed, encrypted, sealed like our own, and then provable.

The original is read, never changed. A second time does nothing: the manifest remembers the original's SHA-256.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ops_pipelines import text
from ops_pipelines.backup import legacy
from ops_pipelines.backup.legacy import Found, NotAdoptable, TimeFrom
from ops_pipelines.backup.seal import seal
from ops_pipelines.clock import Clock, new_id
from ops_pipelines.config.models import Config
from ops_pipelines.engines.base import Dumped, Legacy, PartSink
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.places import Places
from ops_pipelines.repository import Repository
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.streams import Progress, Reader, silent
from ops_pipelines.vault.catalogue import Catalogues
from ops_pipelines.vault.manifest import Adopted, Manifest
from ops_pipelines.vault.writer import Staged
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class Candidate:
    """One legacy backup, looked through from its first byte to its last.

    Attributes:
        backup_id: the restore point it is already, or has become; empty before.
        refused: why it is not taken in; empty when it may be.
        other_database: it may be of a database of another name than the source's.
    """

    path: Path
    size_bytes: int = 0
    taken_at: datetime | None = None
    time_from: TimeFrom | None = None
    sha256: str = ""
    found: Found | None = None
    backup_id: str = ""
    refused: str = ""
    other_database: bool = False


def look(
    workspace: Workspace,
    name: str,
    folder: Path,
    *,
    passphrase: str | None = None,
    progress: Progress = silent,
    wanted: Callable[[Path], bool] = lambda _path: True,
    other_database: bool = False,
) -> Iterator[Candidate]:
    """Check every legacy backup in a folder, as adoption would, and write nothing.

    Args:
        name: the source they are of.
        passphrase: of files that openssl encrypted.
        wanted: which files and dump folders to look at; the others are not opened.
        other_database: take dumps of a database of another name than the source's, too.
    Raises:
        NotAdoptable: the folder is not there.
    """
    known = {sha256: manifest.id for sha256, manifest in _known(workspace.catalogue, name).items()}
    for found in legacy.backups_in(folder, passphrase, wanted):
        if isinstance(found, NotAdoptable):
            yield Candidate(found.path or folder, refused=_sentence(found))
            continue
        progress(f"read {found.path.name}", 0, found.size_bytes)
        try:
            yield _examined(
                workspace.config,
                workspace.clock,
                workspace.places,
                name,
                found,
                passphrase,
                known,
                other_database=other_database,
            )
        except OpsError as error:
            yield Candidate(found.path, found.size_bytes, refused=_sentence(error))


def adopt(
    workspace: Workspace,
    name: str,
    candidate: Candidate,
    *,
    passphrase: str | None = None,
    run_id: str | None = None,
) -> Manifest:
    """Make a restore point of a candidate that `look` found good; returns the one there is when it is in meanwhile.

    Raises:
        SafetyRefusal: it was refused, or is in already.
        OpsError: nothing was published.
    """
    found, taken_at = candidate.found, candidate.taken_at
    if found is None or taken_at is None or candidate.time_from is None or candidate.refused or candidate.backup_id:
        raise SafetyRefusal(f"{candidate.path} cannot be adopted", why=candidate.refused or "it is already adopted")
    source = workspace.config.source(name)
    recipients = source.encrypt.age if source.encrypt is not None else ()
    origin = Adopted(
        name=found.path.name,
        size_bytes=candidate.size_bytes,
        sha256=candidate.sha256,
        time_from=candidate.time_from,
    )
    with workspace.locks.held(name, doing="adopt"):
        # The same bytes under another name, or another process: `look` held no lock.
        if (already := _known(workspace.catalogue, name).get(candidate.sha256)) is not None:
            return already
        with (
            workspace.ledger.activity("adopt", source=name, run_id=run_id) as entry,
            workspace.local.stage(new_id(taken_at)) as directory,
        ):
            staged = Staged(directory, recipients, workspace.local.repository(name))
            dumped, sha256 = _taken_in(workspace.config, name, candidate, found, passphrase, staged, taken_at)
            if sha256 != candidate.sha256:
                again = text.shell("ops", "adopt", str(found.path), "--source", name)
                raise NotAdoptable(
                    f"{found.path.name} changed while it was adopted",
                    safe="nothing was published",
                    next=f"wait until nobody writes to it, then: {again}",
                )
            manifest = seal(workspace, name, staged, dumped, started_at=taken_at, adopted_from=origin)
            workspace.local.publish(directory, manifest)
            entry.backup_id, entry.store = manifest.id, workspace.local.name
            entry.meta = {
                "from": str(found.path),
                "size_bytes": manifest.size_bytes,
                "manifest_sha256": manifest.sha256(),
                "number": manifest.number,
            }
    return manifest


def of_day(workspace: Workspace, name: str, start: datetime, end: datetime) -> Candidate | None:
    """The newest good legacy backup of a day, in the folder the source's `legacy:` names.

    Raises:
        OpsError: the folder or the passphrase is not there.
    """
    settings = workspace.config.source(name).legacy
    if settings is None:
        return None
    passphrase = (
        settings.passphrase.reveal(purpose=f"source {name}, legacy.passphrase") if settings.passphrase else None
    )
    zone = ZoneInfo(workspace.config.timezone)

    def may_be_of_it(path: Path) -> bool:
        named = legacy.time_in_name(path.name)
        return named is None or start <= named.replace(tzinfo=zone) < end

    good = [
        each
        for each in look(workspace, name, settings.folder, passphrase=passphrase, wanted=may_be_of_it)
        if not each.refused and each.taken_at is not None and start <= each.taken_at < end
    ]
    return max(good, key=lambda each: each.taken_at or start, default=None)


def passphrase_of(config: Config, name: str) -> str | None:
    """What the source's legacy backups are encrypted with, if they are. Raises SecretMissing."""
    settings = config.source(name).legacy
    secret = settings.passphrase if settings is not None else None
    return secret.reveal(purpose=f"source {name}, legacy.passphrase") if secret is not None else None


def _examined(
    config: Config,
    clock: Clock,
    places: Places,
    name: str,
    found: Found,
    passphrase: str | None,
    known: dict[str, str],
    *,
    other_database: bool,
) -> Candidate:
    kind, zone = config.source(name).kind, ZoneInfo(config.timezone)
    if found.kind != kind and not (not found.kind and kind_of(kind).step == "snapshot"):
        raise NotAdoptable(
            f"{found.path.name} is a backup of {found.kind or 'folders'}", why=f"the source {name} is of kind {kind}"
        )
    if found.path.is_dir():
        sha256, size_bytes = legacy.folder_digest(found.path)
        said = None
    else:
        with closing(legacy.open_plain(found, passphrase)) as plain:
            guess, _known_from = legacy.taken_at(found.path, None, zone)
            with scratch_directory(places.scratch, kind) as work:
                legacy_ = Legacy(found.path.name, guess, stream=plain, other_database=other_database)
                config.engine(name).adopt(legacy_, _Nowhere(work))
            sha256, size_bytes, said = plain.sha256, found.size_bytes, plain.said
        legacy.check_sum(found.path, sha256)
    at, time_from = legacy.taken_at(found.path, said, zone)
    if at > clock.now():
        raise NotAdoptable(f"{found.path.name} is from the future", why=f"{time_from} says {at:%Y-%m-%d %H:%M} UTC")
    return Candidate(
        found.path, size_bytes, at, time_from, sha256, found, known.get(sha256, ""), other_database=other_database
    )


def _known(catalogues: Catalogues, name: str) -> dict[str, Manifest]:
    """What was adopted before, by the SHA-256 of the original."""
    manifests = (point.manifest for point in catalogues(name).points)
    return {each.adopted_from.sha256: each for each in manifests if each.adopted_from is not None}


def _taken_in(
    config: Config,
    name: str,
    candidate: Candidate,
    found: Found,
    passphrase: str | None,
    sink: PartSink,
    taken_at: datetime,
) -> tuple[Dumped, str]:
    """The finished dump, and the SHA-256 of what it was made of."""
    engine = config.engine(name)
    if found.path.is_dir():
        dumped = engine.adopt(Legacy(found.path.name, taken_at, folder=found.path), sink)
        return dumped, legacy.folder_digest(found.path)[0]
    with closing(legacy.open_plain(found, passphrase)) as plain:
        legacy_ = Legacy(found.path.name, taken_at, stream=plain, other_database=candidate.other_database)
        dumped = engine.adopt(legacy_, sink)
        return dumped, plain.sha256


class _Nowhere:
    """A `PartSink` that reads everything and keeps nothing: a rehearsal with every check of the real thing."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def stream(self, name: str, role: str, source: Reader) -> None:
        while source.read(1024 * 1024):
            pass

    def write(self, name: str, role: str, data: bytes) -> None:
        """Nothing."""

    def plain_directory(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._work))

    def repository(self) -> Repository:
        return Repository(str(self._work / "repository"))


def _sentence(error: OpsError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
