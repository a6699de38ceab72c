"""What our keys may do in a bucket, found out by doing it to a small object of our own.

The object lies under one key. Where the bucket locks, the trial is locked for a minute, in compliance mode: whether it
can be removed within that minute is the proof. Earlier trials whose minute has passed are removed first.
"""

import secrets
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from ops_pipelines.vault.stores.base import Trial
from ops_pipelines.vault.stores.s3 import litter, versions
from ops_pipelines.vault.stores.s3.client import Connection, code_of
from ops_pipelines.vault.stores.s3.upload import digest

_LOCKED_FOR = timedelta(minutes=1)
# Endpoints without versions have no earlier ones either.
_UNKNOWN = frozenset({"NotImplemented", "501"})
_REFUSED = frozenset({"AccessDenied", "403", "ObjectLocked", "InvalidRequest", "WORMProtected"})


def trial(connection: Connection) -> Trial:
    """Write an object, try to remove it for good. Raises ClientError when it cannot be written."""
    key = f"{connection.prefix}.trial"
    _remove_earlier(connection, key)
    locks, now = _locks(connection), litter.endpoint_time(connection)
    lock: dict[str, Any] = {}
    if locks:
        lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": now + _LOCKED_FOR}
    content = secrets.token_hex(16).encode()
    answer = connection.client.put_object(
        Bucket=connection.bucket, Key=key, Body=content, ContentMD5=digest(content), **lock
    )
    erasable = _erased(connection, versions.Version(key, answer.get("VersionId", "null"), False, now))
    kept_by = "" if erasable else "object lock" if locks else "rights: these keys may not delete"
    return Trial(written=True, erasable=erasable, kept_by=kept_by, clock=now)


def _remove_earlier(connection: Connection, key: str) -> None:
    try:
        for version in versions.versions(connection, key):
            _erased(connection, version)
    except ClientError as error:
        if code_of(error) not in _REFUSED | _UNKNOWN:
            raise


def _locks(connection: Connection) -> bool:
    """Whether the bucket locks what it is asked to, as far as these keys may know."""
    try:
        return versions.lockable(connection)
    except ClientError as error:
        if code_of(error) not in _REFUSED:
            raise
    return False


def _erased(connection: Connection, version: versions.Version) -> bool:
    try:
        versions.remove(connection, version)
    except ClientError as error:
        if code_of(error) in _REFUSED:
            return False
        raise
    return True
