"""What a bucket really holds: every version of an object, until when it is locked, and how it is removed for good."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import ClientError

from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.vault.stores.s3.client import GONE, Connection, code_of

_NEVER_SET = frozenset({"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "NotImplemented"})
FOR_EVER = datetime.max.replace(tzinfo=timezone.utc)
"""A legal hold has no date."""


@dataclass(frozen=True)
class Version:
    """One version of an object, or the mark that it was deleted."""

    key: str
    version_id: str
    marker: bool
    changed_at: datetime


def lockable(connection: Connection) -> bool:
    """Whether object lock is enabled in the bucket. Raises ClientError."""
    try:
        answer = connection.client.get_object_lock_configuration(Bucket=connection.bucket)
    except ClientError as error:
        if code_of(error) in _NEVER_SET:
            return False
        raise
    return answer["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"


def versions(connection: Connection, prefix: str) -> Iterator[Version]:
    """Every version of every object below a prefix, in the order in which to remove them.

    The oldest version goes first and the marks last: at no time does an older version come to light.
    """
    pages = connection.client.get_paginator("list_object_versions").paginate(Bucket=connection.bucket, Prefix=prefix)
    found = [
        Version(each["Key"], each["VersionId"], marker, each["LastModified"])
        for page in pages
        for marker, listed in ((False, page.get("Versions", [])), (True, page.get("DeleteMarkers", [])))
        for each in listed
    ]
    yield from sorted(found, key=lambda each: (each.marker, each.changed_at))


def remove(connection: Connection, version: Version) -> None:
    """Remove one version for good. Raises ClientError when it is locked."""
    # In a bucket without versions the only one is called null, and some endpoints know no ids then.
    which: dict[str, Any] = {} if version.version_id == "null" else {"VersionId": version.version_id}
    connection.client.delete_object(Bucket=connection.bucket, Key=version.key, **which)


def locked_until(connection: Connection, version: Version) -> datetime | None:
    """Until when the bucket keeps this version. Raises ClientError."""
    if version.marker:
        return None
    try:
        head: Any = connection.client.head_object(
            Bucket=connection.bucket, Key=version.key, VersionId=version.version_id
        )
    except ClientError as error:
        if code_of(error) in GONE:
            return None
        raise
    if head.get("ObjectLockLegalHoldStatus") == "ON":
        return FOR_EVER
    until: datetime | None = head.get("ObjectLockRetainUntilDate")
    return until


def still_locked(store: str, source: str, backup_id: str, until: datetime) -> SafetyRefusal:
    """The refusal to delete what object lock keeps."""
    when = "under legal hold" if until == FOR_EVER else f"locked until {until:%Y-%m-%d %H:%M} UTC"
    return SafetyRefusal(
        f"{backup_id} of {source} in store {store} is {when}",
        why="the bucket's object lock keeps it; nobody can delete it before",
        safe="nothing was deleted",
        next="prune again after that date",
    )
