"""What broken copies leave in a bucket: unfinished uploads, and parts that never got a manifest.

Only what is older than a day, by the endpoint's own clock: another host may be copying at this moment. Nothing that is
not ours is looked at, such as restic's own uploads below the same prefix.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ops_pipelines.clock import human_duration
from ops_pipelines.vault.manifest import NAME
from ops_pipelines.vault.stores import plain
from ops_pipelines.vault.stores.s3 import versions
from ops_pipelines.vault.stores.s3.client import Connection, code_of
from ops_pipelines.vault.stores.s3.upload import in_progress

_PAGE = 1000
_LITTER_AFTER = timedelta(days=1)
# What endpoints say that cannot list uploads: nobody can tell then, and nothing is removed.
_UNLISTED = frozenset({"NotImplemented", "501", "NoSuchUpload"})
_Litter = tuple[str, Callable[[], object]]
"""What it is, and how it is removed."""
_OURS = re.compile(r"(?P<point>[a-z][a-z0-9_]*/\d{8}T\d{6}Z-[0-9a-f]+)/[^/]+")


def sweep(connection: Connection, sources: Iterable[str], *, dry_run: bool = False) -> Iterator[str]:
    """Remove it; says what it was. Locked versions stay until their date.

    Args:
        dry_run: only say it.
    """
    for what, remove in _found(connection, sources):
        if not dry_run:
            remove()
        yield what


def _found(connection: Connection, sources: Iterable[str]) -> Iterator[_Litter]:
    yield from _uploads(connection)
    for source in sources:
        yield from _half_restore_points(connection, source)


def endpoint_time(connection: Connection) -> datetime:
    """The time it is there: ages and dates in a bucket are by that clock."""
    answer = connection.client.list_objects_v2(Bucket=connection.bucket, Prefix=connection.prefix, MaxKeys=1)
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def objects(connection: Connection, prefix: str) -> Iterator[Any]:
    """Every object below a prefix, as a listing tells of it. Raises NotPlain beyond `MOST_OBJECTS`."""
    pages = connection.client.get_paginator("list_objects_v2").paginate(Bucket=connection.bucket, Prefix=prefix)
    for number, page in enumerate(pages):
        if number * _PAGE >= plain.MOST_OBJECTS:
            raise plain.NotPlain(Path(prefix), f"it holds more than {plain.MOST_OBJECTS:,} objects")
        yield from page.get("Contents", [])


def _uploads(connection: Connection) -> Iterator[_Litter]:
    found = [each for each in _unfinished(connection, connection.prefix) if _point_of(connection, each["Key"])]
    if not found:
        return
    now = endpoint_time(connection)
    for each in found:
        where: Any = {"Bucket": connection.bucket, "Key": each["Key"], "UploadId": each["UploadId"]}
        if each["UploadId"] in in_progress or now - each["Initiated"] < _LITTER_AFTER:
            continue
        pages = connection.client.get_paginator("list_parts").paginate(**where)
        touched = [part["LastModified"] for page in pages for part in page.get("Parts", [])]
        age = now - max([each["Initiated"], *touched])
        if age >= _LITTER_AFTER:
            what = f"upload of s3://{connection.bucket}/{each['Key']}, {human_duration(age)} old"
            yield what, partial(connection.client.abort_multipart_upload, **where)


def _half_restore_points(connection: Connection, source: str) -> Iterator[_Litter]:
    points: dict[str, list[Any]] = {}
    for each in objects(connection, f"{connection.prefix}{source}/"):
        if (point := _point_of(connection, each["Key"])) is not None:
            points.setdefault(point, []).append(each)
    halves = {
        point: max(each["LastModified"] for each in found)
        for point, found in points.items()
        if not any(each["Key"].endswith(f"/{NAME}") for each in found)
    }
    if not halves:
        return
    now = endpoint_time(connection)
    for point, touched in halves.items():
        prefix = f"{connection.prefix}{point}/"
        if now - touched < _LITTER_AFTER or any(_unfinished(connection, prefix)):
            continue
        found = list(versions.versions(connection, prefix))
        if any((until := versions.locked_until(connection, each)) is not None and until > now for each in found):
            continue
        what = f"parts of s3://{connection.bucket}/{prefix} without a manifest"
        yield what, partial(_remove_all, connection, found)


def _remove_all(connection: Connection, found: Iterable[versions.Version]) -> None:
    for version in found:
        versions.remove(connection, version)


def _unfinished(connection: Connection, prefix: str) -> Iterator[Any]:
    pages = connection.client.get_paginator("list_multipart_uploads").paginate(Bucket=connection.bucket, Prefix=prefix)
    try:
        for page in pages:
            yield from page.get("Uploads", [])
    except ClientError as error:
        if code_of(error) not in _UNLISTED:
            raise


def _point_of(connection: Connection, key: str) -> str | None:
    """`source/id` of an object of ours; None of everything else that may lie in the bucket."""
    match = _OURS.fullmatch(key.removeprefix(connection.prefix))
    return match["point"] if match is not None else None
