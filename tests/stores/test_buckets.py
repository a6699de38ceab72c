"""What only a real S3 server shows: locks that hold, broken transfers, wrong keys, silence. Against Ceph's gateway."""

import ipaddress
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ops_pipelines import redact
from ops_pipelines.errors import SafetyRefusal, StoreError
from ops_pipelines.process import Limits, run
from ops_pipelines.vault.catalogue import read_catalogue
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.s3 import cache, litter
from ops_pipelines.vault.stores.s3.store import S3Store
from tests.servers.between import between
from tests.servers.ceph import Ceph
from tests.stores.conftest import PART_MIB, Bucket, MakeStore
from tests.stores.test_every_store import FIRST, SECOND, nothing, read_all
from tests.unit.vaults import DUMP, publish, verdict

MIB = 1024 * 1024
REPOSITORY = Path(__file__).parents[2]


@contextmanager
def requests(store: S3Store) -> Iterator[Counter[str]]:
    """How often each operation was asked for in the block."""
    counted: Counter[str] = Counter()
    events = store.connection.client.meta.events

    def count(model: Any, **_: object) -> None:
        counted[model.name] += 1

    events.register("before-call.s3", count, unique_id="count")
    try:
        yield counted
    finally:
        events.unregister("before-call.s3", unique_id="count")


# Object lock


def test_a_locked_copy_cannot_be_deleted_before_its_date_and_can_after(
    locked_bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store, manifest = open_store(locked_bucket, object_lock="6s"), publish(local, FIRST)
    before = datetime.now(timezone.utc)
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    until = store.locked_until("crm", FIRST)
    assert until is not None and before < until <= before + timedelta(seconds=60)
    with pytest.raises(SafetyRefusal, match=f"{until:%Y-%m-%d %H:%M}"):
        store.delete("crm", FIRST)
    assert read_all(store, FIRST) == DUMP
    while store.locked_until("crm", FIRST) is not None:
        time.sleep(0.2)
    store.delete("crm", FIRST)
    assert store.ids("crm") == []
    assert locked_bucket.versions() == []


def test_the_bucket_itself_refuses_to_lose_any_object_of_a_locked_copy(
    locked_bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store = open_store(locked_bucket, object_lock="30d")
    manifest = publish(local, FIRST, dump=os.urandom(2 * PART_MIB * MIB))
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    found = locked_bucket.versions()
    assert len(found) == len(manifest.parts) + 3  # the sums, the signature, the manifest
    for each in found:
        where = {"Bucket": locked_bucket.name, "Key": each["Key"], "VersionId": each["VersionId"]}
        with pytest.raises(ClientError, match="AccessDenied"):
            locked_bucket.client.delete_object(**where, BypassGovernanceRetention=True)
        head = locked_bucket.client.head_object(**where)
        assert head["ObjectLockMode"] == "COMPLIANCE"
        left = head["ObjectLockRetainUntilDate"] - datetime.now(timezone.utc)
        assert timedelta(days=29) < left < timedelta(days=31)


def test_an_older_version_with_a_longer_lock_counts(
    locked_bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store = open_store(locked_bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    assert store.locked_until("crm", FIRST) is None
    key, until = locked_bucket.key("SHA256SUMS"), datetime.now(timezone.utc) + timedelta(days=3)
    content = locked_bucket.read(key)
    locked_bucket.client.put_object_retention(
        Bucket=locked_bucket.name, Key=key, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until}
    )
    locked_bucket.write(key, content)
    found = store.locked_until("crm", FIRST)
    assert found is not None and abs(found - until) < timedelta(seconds=1)
    with pytest.raises(SafetyRefusal):
        store.delete("crm", FIRST)
    assert store.ids("crm") == [FIRST]


def test_a_copy_under_legal_hold_is_not_deleted(
    locked_bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store = open_store(locked_bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    hold = {"Bucket": locked_bucket.name, "Key": locked_bucket.key("manifest.json")}
    locked_bucket.client.put_object_legal_hold(**hold, LegalHold={"Status": "ON"})
    with pytest.raises(SafetyRefusal, match="legal hold"):
        store.delete("crm", FIRST)
    locked_bucket.client.put_object_legal_hold(**hold, LegalHold={"Status": "OFF"})
    store.delete("crm", FIRST)
    assert locked_bucket.versions() == []


def test_a_bucket_without_object_lock_is_refused_when_it_is_wanted(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    with pytest.raises(StoreError, match="has not enabled") as caught:
        open_store(bucket, object_lock="30d").receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    assert "object_lock" in caught.value.next
    assert bucket.listed() == []


def test_deletion_in_a_bucket_with_versions_leaves_none(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    store = open_store(bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    store.keep_verdict(verdict(FIRST, "verified", store="far"))
    key = bucket.key("manifest.json")
    bucket.write(key, bucket.read(key))
    bucket.client.delete_object(Bucket=bucket.name, Key=bucket.key("SHA256SUMS"))
    store.delete("crm", FIRST)
    assert bucket.versions() == []


# Broken transfers

SEND = """
import sys, json
from pathlib import Path
from ops_pipelines.vault.stores.s3.settings import S3Settings as Settings
from ops_pipelines.vault.manifest import read_manifest
from ops_pipelines.vault.stores.s3.store import S3Store
from tests.unit.vaults import TRUST
settings, published, cache = sys.stdin.read(), Path(sys.argv[1]), Path(sys.argv[2])
manifest = read_manifest((published / "manifest.json").read_bytes(), where="here")
store = S3Store("far", Settings.model_validate_json(settings), TRUST, cache=cache)
store.receive(manifest, published, lambda size: None)
"""


def send_elsewhere(bucket: Bucket, published: Path, **changes: Any) -> "subprocess.Popen[bytes]":
    """Copy in a process of its own."""
    keys = {"access_key": {"literal": bucket.access_key}, "secret_key": {"literal": bucket.secret_key}}
    given = bucket.settings().model_dump(mode="json", exclude={"credentials"}) | {"timeout": "20s"}
    process = subprocess.Popen(
        [sys.executable, "-c", SEND, published, published.parent / "cache"], cwd=REPOSITORY, stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({**given, "credentials": keys, **changes}).encode())
    process.stdin.close()
    return process


def parts_there(bucket: Bucket) -> int:
    uploads = bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])
    return sum(
        len(bucket.client.list_parts(Bucket=bucket.name, Key=each["Key"], UploadId=each["UploadId"]).get("Parts", []))
        for each in uploads
    )


def test_a_copy_killed_on_the_way_is_not_listed_and_goes_on_where_it_was(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    pieces = 8
    manifest = publish(local, FIRST, dump=os.urandom(pieces * PART_MIB * MIB - 100_000))
    published = local.directory("crm", FIRST)
    with send_elsewhere(bucket, published, bandwidth_mib_s=10, concurrency=2) as killed:
        while parts_there(bucket) < 3:
            assert killed.poll() is None
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
    store = open_store(bucket)
    assert store.ids("crm") == []
    assert store.sweep() == []
    there = parts_there(bucket)
    assert 3 <= there < pieces
    with requests(store) as asked:
        store.receive(manifest, published, nothing)
    assert asked["UploadPart"] == pieces - there
    assert asked["CreateMultipartUpload"] == 0
    assert len(read_all(store, FIRST)) == pieces * PART_MIB * MIB - 100_000
    assert parts_there(bucket) == 0


@pytest.mark.parametrize("numbers", [(1,), (1, 7)], ids=["as-many", "more"])
def test_parts_of_other_bytes_are_sent_again(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, numbers: tuple[int, ...]
) -> None:
    manifest = publish(local, FIRST, dump=os.urandom(3 * PART_MIB * MIB - 100_000))
    where = {"Bucket": bucket.name, "Key": f"backups/crm/{FIRST}/{manifest.parts[0].name}"}
    upload = bucket.client.create_multipart_upload(**where)["UploadId"]
    for number in numbers:
        bucket.client.upload_part(**where, UploadId=upload, PartNumber=number, Body=os.urandom(PART_MIB * MIB))
    store = open_store(bucket)
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    read_all(store, FIRST)


def test_complete_parts_of_a_broken_copy_are_not_sent_again(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store, manifest = open_store(bucket), publish(local, FIRST, dump=os.urandom(3 * PART_MIB * MIB))
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    bucket.client.delete_object(Bucket=bucket.name, Key=bucket.key("manifest.json"))
    with requests(store) as asked:
        store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert (asked["UploadPart"], asked["PutObject"]) == (0, 3)
    assert store.ids("crm") == [FIRST]


def test_an_object_left_in_a_copys_place_is_replaced(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store, manifest = open_store(bucket), publish(local, FIRST)
    bucket.write(f"backups/crm/{FIRST}/{manifest.parts[0].name}", os.urandom(manifest.parts[0].size_bytes))
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert read_all(store, FIRST) == DUMP


def test_a_read_that_breaks_goes_on_from_there(bucket: Bucket, open_store: MakeStore, local: DirectoryStore) -> None:
    dump = os.urandom(9 * MIB)
    open_store(bucket).receive(publish(local, FIRST, dump=dump), local.directory("crm", FIRST), nothing)
    with between(bucket.endpoint) as proxy:
        store = open_store(replace(bucket, endpoint=f"http://127.0.0.1:{proxy.port}"), retries=3)
        store.manifest("crm", FIRST, fresh=True)
        proxy.break_after(MIB, 3 * MIB, 200_000)
        assert read_all(store, FIRST) == dump
        assert proxy.broken == 3


def test_a_read_that_breaks_for_ever_is_an_error(bucket: Bucket, open_store: MakeStore, local: DirectoryStore) -> None:
    open_store(bucket).receive(publish(local, FIRST, dump=os.urandom(9 * MIB)), local.directory("crm", FIRST), nothing)
    with between(bucket.endpoint) as proxy:
        store = open_store(replace(bucket, endpoint=f"http://127.0.0.1:{proxy.port}"), retries=2)
        proxy.break_after(*[100_000] * 50)
        with pytest.raises(StoreError, match="far"):
            read_all(store, FIRST)


def test_a_limit_of_bandwidth_holds(bucket: Bucket, open_store: MakeStore, local: DirectoryStore) -> None:
    manifest = publish(local, FIRST, dump=os.urandom(2 * MIB))
    started = time.monotonic()
    open_store(bucket, bandwidth_mib_s=2).receive(manifest, local.directory("crm", FIRST), nothing)
    assert time.monotonic() - started > 0.8  # all but the last block have been waited for


# The manifest


def test_another_manifest_in_its_place_is_never_overwritten(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store, manifest = open_store(bucket), publish(local, FIRST)
    key = f"backups/crm/{FIRST}/manifest.json"
    bucket.write(key, b"of somebody else")
    with pytest.raises(StoreError, match="another restore point"):
        store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert bucket.listed() == [key]


@pytest.mark.parametrize("same", [True, False], ids=["the-same", "another"])
def test_a_manifest_that_appears_while_we_copy_wins(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, same: bool
) -> None:
    store, manifest = open_store(bucket), publish(local, FIRST)
    key = f"backups/crm/{FIRST}/manifest.json"
    theirs = (local.directory("crm", FIRST) / "manifest.json").read_bytes() if same else b"of somebody else"

    def somebody_else(params: Any, **_: object) -> None:
        if params["url_path"].endswith("manifest.json") and key not in bucket.listed():
            bucket.write(key, theirs)

    store.connection.client.meta.events.register("before-call.s3.PutObject", somebody_else)
    if same:
        store.receive(manifest, local.directory("crm", FIRST), nothing)
    else:
        with pytest.raises(StoreError, match="another restore point"):
            store.receive(manifest, local.directory("crm", FIRST), nothing)
    assert bucket.read(key) == theirs


def test_a_long_catalogue_costs_two_listings_however_long(
    moto_bucket: Bucket, open_store: MakeStore, local: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = moto_bucket
    ids = [f"20261121T020000Z-{number:04x}" for number in range(40)]
    store = open_store(bucket)
    for backup_id in ids:
        publish(local, backup_id, dump=b"small")
        for path in local.directory("crm", backup_id).iterdir():
            bucket.write(f"backups/crm/{backup_id}/{path.name}", path.read_bytes())
        store.keep_verdict(verdict(backup_id, "verified", store="far"))
    assert len(read_catalogue({"far": store}, "crm").points) == 40
    monkeypatch.setattr(cache, "_memory", {})  # another process
    for reader in (open_store(bucket), store):
        with requests(reader) as asked:
            catalogue = read_catalogue({"far": reader}, "crm")
        assert catalogue.recovery_point is not None and len(catalogue.points) == 40
        assert dict(asked) == {"ListObjectsV2": 2}
    # What changes is noticed, and what is gone is forgotten.
    bucket.write(f"backups/crm/{ids[0]}/manifest.json", b"{")
    bucket.client.delete_object(Bucket=bucket.name, Key=f"backups/crm/{ids[1]}/manifest.json")
    catalogue = read_catalogue({"far": store}, "crm")
    assert len(catalogue.points) == 38
    assert ids[0] in catalogue.problems[0]


def test_what_is_cached_is_private_and_a_cut_off_file_is_fetched_again(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    assert len(read_catalogue({"far": store}, "crm").points) == 1
    kept = list((tmp_path / "cache").rglob("*"))
    assert {oct(path.stat().st_mode & 0o777) for path in kept if path.is_file()} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in kept if path.is_dir()} == {"0o700"}
    for path in kept:
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-5])
    monkeypatch.setattr(cache, "_memory", {})
    assert read_catalogue({"far": store}, "crm").problems == ()


# Litter


def test_only_our_own_litter_is_swept_and_only_when_it_is_old(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    half, restics = f"backups/crm/{SECOND}/dump.pgc.zst.age", "backups/.restic/crm/data/ab"
    bucket.write(half, b"half")
    bucket.write("backups/notes.txt", b"of a human")
    for key in (f"backups/crm/{SECOND}/contents.json.zst.age", restics):
        bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)
    assert store.sweep() == []
    monkeypatch.setattr(litter, "_LITTER_AFTER", timedelta(minutes=-1))
    assert len(store.sweep()) == 2
    assert half not in bucket.listed()
    left = bucket.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    assert [each["Key"] for each in left] == [restics]
    assert "backups/notes.txt" in bucket.listed()
    assert read_all(store, FIRST) == DUMP


# Trouble


def test_a_wrong_secret_is_named_and_not_shown(bucket: Bucket, open_store: MakeStore) -> None:
    wrong = secrets.token_hex(16)
    store = open_store(replace(bucket, secret_key=wrong))
    with pytest.raises(StoreError, match="far") as caught:
        store.ids("crm")
    assert "secret key is wrong" in caught.value.next
    assert wrong not in str(caught.value)
    assert wrong not in redact.redact(f"a log line with {wrong}")
    assert "far" in read_catalogue({"far": store}, "crm").problems[0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bucket": "no-such-bucket-here"}, "make the bucket no-such-bucket-here"),
        ({"credentials": {"access_key": "nobody-at-all", "secret_key": "a secret of nobody"}}, "access key"),
        ({"endpoint": "http://127.0.0.1:9", "retries": 0}, "endpoint"),
        ({"endpoint": "http://does-not-exist.invalid", "retries": 0}, "endpoint"),
        ({"credentials": {"env": "NOT_SET"}}, "NOT_SET_ACCESS_KEY_ID"),
        ({"credentials": {"profile": "not-there"}}, "stores.far.credentials"),
        ({"credentials": {"access_key": {"file": "/not/there"}, "secret_key": {"file": "/not/there"}}}, "/not/there"),
    ],
    ids=["bucket", "access-key", "unreachable", "unknown-host", "environment", "profile", "file"],
)
def test_what_is_wrong_with_a_bucket_is_said_with_what_to_do(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, changes: dict[str, Any], told: str
) -> None:
    store = open_store(bucket, **changes)
    manifest = publish(local, FIRST)
    for attempt in (
        lambda: store.ids("crm"),
        lambda: store.receive(manifest, local.directory("crm", FIRST), nothing),
        lambda: store.keep_verdict(verdict(FIRST, "verified")),
        store.sweep,
    ):
        with pytest.raises(StoreError, match="store far") as caught:
            attempt()
        assert told in caught.value.next
        assert caught.value.why and caught.value.safe


def test_somebody_elses_bucket_is_access_denied(ceph: Ceph, bucket: Bucket, open_store: MakeStore) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket",
                       "Resource": f"arn:aws:s3:::{bucket.name}"}],
    }  # fmt: skip
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
    with pytest.raises(StoreError) as caught:
        open_store(bucket).ids("crm")
    assert "AccessDenied" in caught.value.why
    assert "allow these keys" in caught.value.next


def test_a_wrong_clock_is_named(bucket: Bucket, open_store: MakeStore) -> None:
    store = open_store(bucket)

    def yesterday(request: Any, **_: object) -> None:
        request.context["timestamp"] = "20200101T000000Z"

    def late(request: Any, **_: object) -> None:
        request.headers["X-Amz-Date"] = "20200101T000000Z"

    store.connection.client.meta.events.register("before-sign.s3", yesterday)
    store.connection.client.meta.events.register("before-send.s3", late)
    with pytest.raises(StoreError) as caught:
        store.ids("crm")
    assert "clock" in caught.value.next


def test_an_endpoint_that_freezes_holds_nobody_for_ever(
    ceph: Ceph, bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    manifest = publish(local, FIRST, dump=os.urandom(2 * PART_MIB * MIB))
    store = open_store(bucket, timeout="1s", retries=1)
    with ceph.frozen():
        with pytest.raises(StoreError, match="far"):
            store.receive(manifest, local.directory("crm", FIRST), nothing)
        with pytest.raises(StoreError) as caught:
            store.ids("crm")
        assert "(stores.far.timeout)" in caught.value.why
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    read_all(store, FIRST)


def test_a_freeze_in_the_middle_of_a_copy_ends_it_and_the_rest_follows_later(
    ceph: Ceph, bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    manifest = publish(local, FIRST, dump=os.urandom(6 * PART_MIB * MIB))
    published = local.directory("crm", FIRST)
    with send_elsewhere(bucket, published, bandwidth_mib_s=10, concurrency=1, timeout="1s", retries=1) as sender:
        while parts_there(bucket) < 2:
            assert sender.poll() is None
            time.sleep(0.05)
        with ceph.frozen():
            assert sender.wait(timeout=120) != 0
    store = open_store(bucket)
    with requests(store) as asked:
        store.receive(manifest, published, nothing)
    assert asked["UploadPart"] < 6
    read_all(store, FIRST)


def authority(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that nobody knows, and a server context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "our own authority")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = directory / "ca.pem", directory / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


def test_tls_needs_an_authority_that_is_known(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, tmp_path: Path
) -> None:
    ca_file, context = authority(tmp_path)
    with between(bucket.endpoint, context) as proxy:
        endpoint = f"https://127.0.0.1:{proxy.port}"
        with pytest.raises(StoreError) as caught:
            open_store(bucket, endpoint=endpoint, retries=0).ids("crm")
        assert "ca_file" in caught.value.next
        store = open_store(bucket, endpoint=endpoint, ca_file=ca_file)
        manifest = publish(local, FIRST, dump=os.urandom(2 * PART_MIB * MIB))
        store.receive(manifest, local.directory("crm", FIRST), nothing)
        assert len(read_all(store, FIRST)) == 2 * PART_MIB * MIB


# Other tools


def test_restic_keeps_its_own_repository_beside_the_copies(
    bucket: Bucket, open_store: MakeStore, local: DirectoryStore, tmp_path: Path
) -> None:
    store = open_store(bucket)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    repository = store.repository("crm_uploads")
    assert bucket.secret_key not in repository.address
    environment = {**repository.environment, "RESTIC_PASSWORD": "known to us", "RESTIC_REPOSITORY": repository.address}
    limits = Limits(stall=timedelta(minutes=1), total=timedelta(minutes=2))
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "one").write_text("one", encoding="utf-8")
    for words in (["init"], ["backup", "uploads"], ["check"]):
        run(["restic", "--no-cache", *repository.options, *words], limits=limits, env=environment, cwd=tmp_path)
    assert store.sources() == ["crm"]
    assert any(key.startswith("backups/.restic/crm_uploads/snapshots/") for key in bucket.listed())


def test_a_trial_says_whether_what_is_written_can_be_taken_away(
    bucket: Bucket, locked_bucket: Bucket, open_store: MakeStore
) -> None:
    erasable = open_store(bucket).trial()
    assert (erasable.written, erasable.erasable, erasable.kept_by) == (True, True, "")
    assert bucket.versions() == []
    kept = [open_store(locked_bucket, cache="locked").trial() for _ in range(2)]
    assert [(each.erasable, each.kept_by) for each in kept] == [(False, "object lock")] * 2
    assert all(each["Key"] == "backups/.trial" for each in locked_bucket.versions())
    assert kept[0].clock is not None and abs((kept[0].clock - datetime.now(timezone.utc)).total_seconds()) < 60
