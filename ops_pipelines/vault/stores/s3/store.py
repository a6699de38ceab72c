"""Restore points in an S3 bucket.

Layout: `<prefix>/<source>/<id>/` holds the parts, `SHA256SUMS`, `manifest.json` and its signature;
`<prefix>/.verdicts/<source>/<id>/` what verifications found; `<prefix>/.restic/<source>` belongs to restic.
A restore point appears with its manifest, which is written last and only if there is none.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from botocore.exceptions import ClientError

from ops_pipelines import lease
from ops_pipelines.errors import CorruptCopy, StoreError
from ops_pipelines.repository import Repository
from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS, Manifest, Part, checksums
from ops_pipelines.vault.stores import incoming, plain
from ops_pipelines.vault.stores.base import Copied, Trial
from ops_pipelines.vault.stores.checked import Checked
from ops_pipelines.vault.stores.s3 import litter, versions
from ops_pipelines.vault.stores.s3.cache import Cache
from ops_pipelines.vault.stores.s3.client import GONE, Connection, code_of
from ops_pipelines.vault.stores.s3.download import sha256_of, stream
from ops_pipelines.vault.stores.s3.listing import Listing, list_source
from ops_pipelines.vault.stores.s3.objects import S3Objects
from ops_pipelines.vault.stores.s3.settings import S3Settings as Settings
from ops_pipelines.vault.stores.s3.trial import trial
from ops_pipelines.vault.stores.s3.upload import Throttle, Upload, digest
from ops_pipelines.vault.trust import SUFFIX, Sealed, Trust
from ops_pipelines.vault.verdict import Verdict

_LISTING_HOLDS_S = 10.0
_EXISTS = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
_UNCONDITIONAL = frozenset({"NotImplemented", "501"})


class S3Store(Checked):
    """Restore points in a bucket.

    Args:
        name: the store's name in `ops.yaml`.
        trust: signs what is kept here, and says what of it is ours.
        cache: a private directory for small objects that were fetched before.
    """

    def __init__(self, name: str, settings: Settings, trust: Trust, *, cache: Path) -> None:
        self.trust = trust
        self.name, self.medium, self.offsite = name, settings.medium, settings.offsite
        self._settings, self.connection = settings, Connection(name, settings)
        self._cache = Cache(cache)
        self._listings: dict[str, Listing] = {}
        self._lockable: bool | None = None
        self._lock = threading.Lock()

    @property
    def root(self) -> Path | None:
        """It is not on this machine."""
        return None

    def folder(self, source: str, backup_id: str) -> Path | None:
        """Nothing of it is on this machine."""
        return None

    def staged(self) -> Sequence[tuple[Path, lease.Standing]]:
        """What is being written there is not on this machine."""
        return ()

    def sources(self) -> list[str]:
        """The sources that have restore points here."""
        prefix = self.connection.prefix
        with self.connection.errors("read"):
            pages = self.connection.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.connection.bucket, Prefix=prefix, Delimiter="/"
            )
            below = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        names = (each[len(prefix) :].rstrip("/") for each in below)
        return sorted(name for name in names if plain.SOURCE.match(name))

    def ids(self, source: str) -> list[str]:
        """Ids of complete restore points, oldest first. Asks the bucket anew: two requests for a thousand objects."""
        listing = self._listed(source, anew=True)
        start, end = self._key(source, ""), f"/{NAME}"
        found = (key[len(start) : -len(end)] for key in listing.etags if key.startswith(start) and key.endswith(end))
        return sorted(each for each in found if plain.POINT.fullmatch(each))

    def sealed(self, source: str, backup_id: str, *, fresh: bool = False) -> Sealed:
        """The manifest's bytes. Raises CorruptCopy."""
        data, sums = (self._small(source, self._key(source, backup_id, name), fresh) for name in (NAME, SUMS))
        return Sealed(data, self._signature(source, self._key(source, backup_id, NAME), fresh), sums)

    def sign(self, source: str, backup_id: str, signature: bytes) -> None:
        """Put a signature beside a manifest; a locked one gets a new version."""
        with self.connection.errors("written"):
            self._put(self._key(source, backup_id, SIGNATURE), signature, self._retention())
        self._forget(source)

    @contextmanager
    def open_part(self, source: str, backup_id: str, part: str) -> Iterator[BinaryIO]:
        """A part's stored bytes, fetched as they are read. Raises CorruptCopy when it is missing."""
        where = f"{self.location(source, backup_id)}/{part}"
        with self.connection.errors("read"):
            try:
                opened = stream(self.connection, self._key(source, backup_id, part))
            except ClientError as error:
                if code_of(error) in GONE:
                    raise CorruptCopy(f"{where} is missing", check="parts", why=f"{part} is not in the copy") from None
                raise
        with closing(opened):
            yield opened

    def sizes(self, source: str, backup_id: str) -> Mapping[str, int]:
        """The size in bytes of every object of a copy, by name, from the listing."""
        return self._listed(source).sizes.get(self._key(source, backup_id), {})

    def receive(self, manifest: Manifest, published: Path, copied: Copied, *, replace: bool = False) -> bool:
        """Copy a published restore point in; see `Store.receive`. Goes on where a broken copy ended.

        What is replaced is overwritten: where the bucket keeps versions, locked ones stay below the new one.
        """
        if self.offsite:
            incoming.refuse_plain(self.name, manifest)
        data, signature, sums = (incoming.small(self.name, published / name) for name in (NAME, SIGNATURE, SUMS))
        if sums != checksums(manifest, data):
            raise incoming.damaged(self.name, published / NAME, f"{SUMS} beside it says otherwise")
        incoming.refuse_strange(self.trust, Sealed(data, signature), manifest, published / NAME)
        with self.connection.errors("written"):
            if not replace and self._has_manifest(manifest, data):
                if self._signature(manifest.source, self._key(manifest.source, manifest.id, NAME), True) != signature:
                    self.sign(manifest.source, manifest.id, signature)
                return False
            until = self._retention()
            throttle = Throttle(self._settings.bandwidth_mib_s and self._settings.bandwidth_mib_s * 1024 * 1024)
            for part in manifest.parts:
                Upload(
                    self.connection,
                    self._key(manifest.source, manifest.id, part.name),
                    published / part.name,
                    part,
                    options={**self._storage_class(), **self._options(until)},
                    locked_until=until,
                    throttle=throttle,
                    copied=copied,
                ).send(anew=replace)
                self._read_back(manifest, part)
            for name, small in ((SUMS, sums), (SIGNATURE, signature)):
                self._put(self._key(manifest.source, manifest.id, name), small, until)
                self._compare(self._key(manifest.source, manifest.id, name), small)
            self._put_manifest(manifest, data, until, replace=replace)
            self._compare(self._key(manifest.source, manifest.id, NAME), data)
        self._forget(manifest.source)
        copied(len(sums) + len(signature) + len(data))
        return True

    def keep_verdict(self, verdict: Verdict) -> None:
        """Keep what a verification found: first its signature, so that it never stands without one."""
        content = verdict.to_bytes()
        signature = self.trust.sign_verdict(content, verdict)
        with self.connection.errors("written"):
            for name, data in ((verdict.file_name + SUFFIX, signature), (verdict.file_name, content)):
                self._put(self._key(".verdicts", verdict.source, verdict.backup_id, name), data, None)
        self._forget(verdict.source)

    def mend_verdict(self, source: str, backup_id: str, name: str, sealed: Sealed | None) -> None:
        """Put a verdict in the place of a damaged one; see `Store.mend_verdict`."""
        key = self._key(".verdicts", source, backup_id, name)
        with self.connection.errors("written"):
            if sealed is not None and sealed.signature is not None:
                for each, data in ((key + SUFFIX, sealed.signature), (key, sealed.content)):
                    self._put(each, data, None)
            else:
                for each in (key, key + SUFFIX):
                    self.connection.client.delete_object(Bucket=self.connection.bucket, Key=each)
        self._forget(source)

    def sealed_verdicts(self, source: str, backup_id: str) -> list[tuple[str, Sealed]]:
        """Every verdict on a restore point, by name."""
        start = self._key(".verdicts", source, backup_id, "")
        keys = sorted(key for key in self._listed(source).etags if key.startswith(start) and key.endswith(".json"))
        if len(keys) > plain.MOST_VERDICTS:
            raise CorruptCopy(
                f"s3://{self.connection.bucket}/{start} cannot be part of a copy",
                check="verdict",
                why=f"it holds more than {plain.MOST_VERDICTS:,} entries",
                safe="it was not read",
            )
        return [
            (key[len(start) :], Sealed(self._small(source, key, False), self._signature(source, key, False)))
            for key in keys
        ]

    def keep_report(self, drill_id: str, name: str, content: bytes) -> None:
        """Keep a file of a drill's report, below `.drills/<id>/`; with object lock it is locked like a backup."""
        with self.connection.errors("written"):
            self._put(self._key(".drills", drill_id, name), content, self._retention())

    def delete(self, source: str, backup_id: str) -> None:
        """Remove a restore point with every version of it; see `Store.delete`."""
        prefix, manifest = self._key(source, backup_id, ""), self._key(source, backup_id, NAME)
        if (until := self.locked_until(source, backup_id)) is not None:
            raise versions.still_locked(self.name, source, backup_id, until)
        with self.connection.errors("changed"):
            found = list(versions.versions(self.connection, prefix))
            verdicts = versions.versions(self.connection, self._key(".verdicts", source, backup_id, ""))
            for version in [*sorted(found, key=lambda each: each.key != manifest), *verdicts]:
                versions.remove(self.connection, version)
        self._forget(source)

    def locked_until(self, source: str, backup_id: str) -> datetime | None:
        """Until when the bucket keeps it; the year 9999 for a legal hold, which has no date."""
        with self.connection.errors("read"):
            if not self._bucket_locks():
                return None
            found = versions.versions(self.connection, self._key(source, backup_id, ""))
            dates = [date for each in found if (date := versions.locked_until(self.connection, each)) is not None]
            now = litter.endpoint_time(self.connection)
        return max((date for date in dates if date > now), default=None)

    def repository(self, source: str) -> Repository:
        """Below the prefix, by restic's own S3 client, with our keys."""
        settings = self._settings
        endpoint = settings.endpoint or f"https://s3.{settings.region}.amazonaws.com"
        own = settings.path_style if settings.path_style is not None else settings.endpoint is not None
        # restic takes it for a URL: a # or a ? would end the path, and every source would share what is before it.
        below = quote(self._key(".restic", source), safe="/")
        return Repository(
            f"s3:{endpoint.rstrip('/')}/{self.connection.bucket}/{below}",
            environment=self.connection.environment(),
            options=(
                *(("-o", f"s3.bucket-lookup={'path' if own else 'auto'}")),
                *(("--cacert", str(settings.ca_file)) if settings.ca_file is not None else ()),
            ),
        )

    def objects(self, source: str) -> S3Objects:
        """Objects below the repository's prefix."""
        return S3Objects(self.connection, self._key(".restic", source))

    def sweep(self) -> list[str]:
        """End uploads and remove parts that were begun over a day ago and never finished.

        Never younger ones: another host may be copying. Locked ones stay until their date.
        """
        with self.connection.errors("swept"):
            return list(litter.sweep(self.connection, self.sources()))

    def litter(self) -> list[str]:
        """What `sweep` would remove now."""
        with self.connection.errors("read"):
            return list(litter.sweep(self.connection, self.sources(), dry_run=True))

    def trial(self) -> Trial:
        """Write an object and try to remove it; see `Store.trial`."""
        with self.connection.errors("written"):
            return trial(self.connection)

    def location(self, source: str, backup_id: str) -> str:
        """Its address: `s3://bucket/prefix/source/id`."""
        return f"s3://{self.connection.bucket}/{self._key(source, backup_id)}"

    def _key(self, *steps: str) -> str:
        return self.connection.prefix + "/".join(steps)

    def _put(self, key: str, content: bytes, until: datetime | None, **conditions: Any) -> None:
        self.connection.client.put_object(
            Bucket=self.connection.bucket,
            Key=key,
            Body=content,
            ContentMD5=digest(content),
            **self._options(until),
            **conditions,
        )

    def _options(self, until: datetime | None) -> dict[str, Any]:
        """What every object of ours is written with."""
        options: dict[str, Any] = {}
        if until is not None:
            options |= {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
        if self._settings.sse is not None:
            options["ServerSideEncryption"] = self._settings.sse
        if self._settings.sse_kms_key is not None:
            options["SSEKMSKeyId"] = self._settings.sse_kms_key
        return options

    def _storage_class(self) -> dict[str, Any]:
        """Of parts: the small files are read all the time, and the cheap classes charge for that."""
        return {"StorageClass": self._settings.storage_class} if self._settings.storage_class is not None else {}

    def _read_back(self, manifest: Manifest, part: Part) -> None:
        """Raise StoreError unless the bucket gives the part that was sent."""
        key = self._key(manifest.source, manifest.id, part.name)
        if (found := sha256_of(self.connection, key)) != part.sha256:
            raise incoming.not_as_written(self.name, key, f"sent: {part.sha256}, read back {found}")

    def _compare(self, key: str, content: bytes) -> None:
        """The same for a small object."""
        if self._fetch(key) != content:
            raise incoming.not_as_written(self.name, key, "it has other bytes than were sent")

    def _put_manifest(self, manifest: Manifest, data: bytes, until: datetime | None, *, replace: bool) -> None:
        key = self._key(manifest.source, manifest.id, NAME)
        if replace:
            self._put(key, data, until)
            return
        try:
            self._put(key, data, until, IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) in _UNCONDITIONAL:
                self._put(key, data, until)  # `_has_manifest` has looked
            elif code_of(error) not in _EXISTS or not self._has_manifest(manifest, data):
                raise

    def _has_manifest(self, manifest: Manifest, data: bytes) -> bool:
        """Whether this very restore point is here. Raises StoreError when another stands in its place."""
        try:
            held = self._fetch(self._key(manifest.source, manifest.id, NAME))
        except ClientError as error:
            if code_of(error) in GONE:
                return False
            raise
        if held != data:
            raise incoming.another(self.name, self.location(manifest.source, manifest.id))
        return True

    def _retention(self) -> datetime | None:
        """The date to lock new objects until. Raises StoreError when the bucket cannot lock."""
        if self._settings.object_lock is None:
            return None
        if not self._bucket_locks():
            raise StoreError(
                f"store {self.name} wants object lock, which bucket {self.connection.bucket} has not enabled",
                why="a bucket gets it when it is made; without it nothing would be locked",
                safe="nothing was copied there; copies in other stores are untouched",
                next=f"make a bucket with object lock, or remove stores.{self.name}.object_lock",
            )
        return (datetime.now(timezone.utc) + self._settings.object_lock).replace(microsecond=0)

    def _bucket_locks(self) -> bool:
        if self._lockable is None:
            self._lockable = versions.lockable(self.connection)
        return self._lockable

    def _listed(self, source: str, *, anew: bool = False) -> Listing:
        """The manifests, sums and verdicts of a source. A catalogue asks once, then for each restore point."""
        known = self._listings.get(source)
        if known is not None and not anew and time.monotonic() - known.seen_at < _LISTING_HOLDS_S:
            return known
        with self.connection.errors("read"):
            listing = list_source(
                self.connection, points=self._key(source, ""), verdicts=self._key(".verdicts", source, "")
            )
        self._cache.keep_only(source, listing.etags.items())
        self._listings[source] = listing
        return listing

    def _forget(self, source: str) -> None:
        self._listings.pop(source, None)

    def _signature(self, source: str, key: str, fresh: bool) -> bytes | None:
        """What lies beside an object, if it does."""
        if not fresh and key + SUFFIX not in self._listed(source).etags:
            return None
        try:
            return self._small(source, key + SUFFIX, fresh)
        except CorruptCopy:
            return None

    def _small(self, source: str, key: str, fresh: bool) -> bytes:
        """A manifest or a verdict. Raises CorruptCopy when it is missing."""

        def fetch() -> bytes:
            with self.connection.errors("read"):
                try:
                    return self._fetch(key)
                except ClientError as error:
                    if code_of(error) in GONE:
                        raise CorruptCopy(f"s3://{self.connection.bucket}/{key} is missing", check="manifest") from None
                    raise
                except plain.NotPlain as error:
                    where = f"s3://{self.connection.bucket}/{key}"
                    raise CorruptCopy(
                        f"{where} cannot be part of a copy", check="manifest", why=error.why, safe="it was not read"
                    ) from None

        etag = None if fresh else self._listed(source).etags.get(key)
        return fetch() if etag is None else self._cache.get(source, key, etag, fetch)

    def _fetch(self, key: str) -> bytes:
        answer = self.connection.client.get_object(Bucket=self.connection.bucket, Key=key)
        with closing(answer["Body"]) as body:
            content = body.read(plain.SMALL_BYTES + 1)
        if len(content) > plain.SMALL_BYTES:
            raise plain.NotPlain(Path(key), plain.TOO_LARGE)
        return content
