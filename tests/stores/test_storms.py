"""A bucket on a bad day: what it refuses is said, what it garbles is never listed, and the next attempt goes on."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ops_pipelines.errors import StoreError
from ops_pipelines.vault.catalogue import read_catalogue
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.s3 import upload
from ops_pipelines.vault.stores.s3.store import S3Store
from tests.servers.storm import Refused, Storm, storm
from tests.stores.conftest import PART_MIB, Bucket, MakeStore, new_bucket
from tests.stores.test_every_store import FIRST, nothing, read_all
from tests.unit.vaults import publish

MIB = 1024 * 1024


@pytest.fixture
def sky(moto: str) -> Iterator[Storm]:
    with storm(moto) as made:
        yield made


@pytest.fixture
def far(sky: Storm, moto_bucket: Bucket, open_store: MakeStore) -> S3Store:
    """A store whose requests all go through the weather."""
    return open_store(replace(moto_bucket, endpoint=sky.endpoint), retries=3)


@pytest.fixture
def manifest(local: DirectoryStore) -> Manifest:
    """A restore point with a part that is sent in three pieces."""
    return publish(local, FIRST, dump=os.urandom(2 * PART_MIB * MIB + 999))


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable")])
def test_what_passes_is_waited_for(
    sky: Storm, far: S3Store, local: DirectoryStore, manifest: Manifest, status: int, code: str
) -> None:
    sky.refuse(status, code, times=2, after=2)
    assert far.receive(manifest, local.directory("crm", FIRST), nothing)
    assert far.ids("crm") == [FIRST]


@pytest.mark.parametrize(
    ("status", "code", "cure"),
    [
        (503, "SlowDown", "check stores.far"),
        (403, "AccessDenied", "allow these keys to list, read and write"),
        (400, "ExpiredToken", "the session token has expired"),
        (403, "InvalidAccessKeyId", "does not know this access key"),
        (400, "BadDigest", "check stores.far"),
    ],
)
def test_what_stays_is_told_with_its_cure_and_the_next_attempt_goes_on_from_there(
    sky: Storm, moto_bucket: Bucket, open_store: MakeStore, local: DirectoryStore, manifest: Manifest,
    status: int, code: str, cure: str,
) -> None:  # fmt: skip
    far = open_store(replace(moto_bucket, endpoint=sky.endpoint), retries=0)
    sky.refuse(status, code, after=2, method="PUT")
    with pytest.raises(StoreError) as caught:
        far.receive(manifest, local.directory("crm", FIRST), nothing)
    assert code in caught.value.why and cure in caught.value.next
    sky.weather = lambda method, path: None
    assert far.ids("crm") == [], "what is not whole is not listed"
    sent = len([each for each in sky.seen if each[0] == "PUT" and "partNumber" in each[1]])
    assert far.receive(manifest, local.directory("crm", FIRST), nothing)
    again = len([each for each in sky.seen if each[0] == "PUT" and "partNumber" in each[1]]) - sent
    assert again < 3, "pieces that are there are not sent again"
    assert (far.ids("crm"), len(read_all(far, FIRST))) == ([FIRST], 2 * PART_MIB * MIB + 999)


def test_bytes_that_come_back_changed_are_never_called_a_copy(
    sky: Storm, far: S3Store, local: DirectoryStore, manifest: Manifest
) -> None:
    part = next(each for each in manifest.parts if each.role == "dump").name

    def garbles(method: str, path: str):  # type: ignore[no-untyped-def]
        if method == "GET" and path.partition("?")[0].endswith(part):
            return lambda body: body[:-1] + bytes([body[-1] ^ 1]) if body else body
        return None

    sky.weather = garbles
    with pytest.raises(StoreError, match="does not give back what was written"):
        far.receive(manifest, local.directory("crm", FIRST), nothing)
    assert far.ids("crm") == []
    sky.weather = lambda method, path: None
    assert far.receive(manifest, local.directory("crm", FIRST), nothing)


def test_a_body_that_is_cut_off_is_asked_for_again(
    sky: Storm, far: S3Store, local: DirectoryStore, manifest: Manifest
) -> None:
    part, cuts = next(each for each in manifest.parts if each.role == "dump").name, [2 * MIB, 5 * MIB]

    def cuts_off(method: str, path: str):  # type: ignore[no-untyped-def]
        if method == "GET" and path.partition("?")[0].endswith(part) and cuts:
            end = cuts.pop(0)
            return lambda body: body[:end]
        return None

    sky.weather = cuts_off
    assert far.receive(manifest, local.directory("crm", FIRST), nothing)
    assert cuts == []


def test_a_listing_that_lags_costs_no_second_copy(
    sky: Storm, far: S3Store, local: DirectoryStore, manifest: Manifest
) -> None:
    empty = b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"

    def lags(method: str, path: str):  # type: ignore[no-untyped-def]
        return (lambda body: empty.ljust(len(body))) if method == "GET" and "list-type=2" in path else None

    assert far.receive(manifest, local.directory("crm", FIRST), nothing)
    sky.weather = lags
    assert far.ids("crm") == []
    before = len([each for each in sky.seen if each[0] == "PUT"])
    assert not far.receive(manifest, local.directory("crm", FIRST), nothing)
    assert len([each for each in sky.seen if each[0] == "PUT"]) == before
    sky.weather = lambda method, path: None
    assert far.ids("crm") == [FIRST]


def test_one_store_in_a_storm_is_a_fault_of_that_store(
    sky: Storm, far: S3Store, local: DirectoryStore, manifest: Manifest
) -> None:
    sky.weather = lambda method, path: Refused(403, "AccessDenied")
    found = read_catalogue({"local": local, "far": far}, "crm")
    assert [point.id for point in found.points] == [FIRST]
    assert [(each.store, each.id, each.problem) for each in found.faults] == [("far", "", "away")]


def test_a_file_that_needs_more_pieces_than_there_may_be_is_sent_in_larger_ones(
    sky: Storm, far: S3Store, local: DirectoryStore, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_MOST_PARTS", 2)
    assert far.receive(manifest, local.directory("crm", FIRST), nothing)
    numbers = [path for method, path in sky.seen if method == "PUT" and "partNumber" in path]
    assert len(numbers) == 2
    assert len(read_all(far, FIRST)) == 2 * PART_MIB * MIB + 999


def test_a_damaged_copy_under_lock_is_replaced_by_a_new_version(
    moto: str, open_store: MakeStore, local: DirectoryStore, manifest: Manifest
) -> None:
    """Nobody can delete the damaged one before its date; it need not go for a good one to come."""
    bucket = new_bucket(moto, "moto-access", secrets.token_hex(16), lock=True)
    far = open_store(bucket, object_lock="1d")
    far.receive(manifest, local.directory("crm", FIRST), nothing)
    key = bucket.key(manifest.parts[0].name)
    bucket.write(key, b"damaged")
    assert [each.problem for each in read_catalogue({"far": open_store(bucket)}, "crm").damage] == ["damaged"]
    assert far.receive(manifest, local.directory("crm", FIRST), nothing, replace=True)
    assert read_catalogue({"far": open_store(bucket)}, "crm").damage == []
    assert len([each for each in bucket.versions() if each["Key"] == key]) == 3
    assert far.locked_until("crm", FIRST) is not None
