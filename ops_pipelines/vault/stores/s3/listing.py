"""What two listings tell of a source's objects in a bucket."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS
from ops_pipelines.vault.stores.s3 import litter
from ops_pipelines.vault.stores.s3.client import Connection

_SMALL = tuple(f"/{name}" for name in (NAME, SUMS, SIGNATURE))


@dataclass(frozen=True)
class Listing:
    """The objects of one source, by key.

    Attributes:
        etags: of the small ones.
        sizes: in bytes, by restore point and name, of all but verdicts.
        seen_at: by the monotonic clock, in seconds.
    """

    etags: Mapping[str, str]
    sizes: Mapping[str, Mapping[str, int]]
    seen_at: float


def list_source(connection: Connection, *, points: str, verdicts: str) -> Listing:
    """Ask the bucket.

    Args:
        points, verdicts: the prefixes below which they lie.
    Raises:
        ClientError, NotPlain.
    """
    seen_at = time.monotonic()
    etags = {each["Key"]: each["ETag"] for each in litter.objects(connection, verdicts)}
    sizes: dict[str, dict[str, int]] = {}
    for each in litter.objects(connection, points):
        point, _, name = each["Key"].rpartition("/")
        sizes.setdefault(point, {})[name] = int(each["Size"])
        if each["Key"].endswith(_SMALL):
            etags[each["Key"]] = each["ETag"]
    return Listing(etags, sizes, seen_at)
