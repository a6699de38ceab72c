"""What is asked of an endpoint, and where the keys come from. Against moto, which knows every option and keeps none."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ops_pipelines.errors import StoreError
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.s3.settings import S3Settings as Settings
from tests.stores.conftest import Bucket, MakeStore, new_bucket
from tests.stores.test_every_store import FIRST, nothing, read_all
from tests.unit.vaults import DUMP, publish, verdict

SECRET = "the canary secret of a bucket"


def test_storage_class_is_of_the_parts_and_encryption_of_everything(
    moto_bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    store = open_store(moto_bucket, storage_class="STANDARD_IA", sse="aws:kms", sse_kms_key="alias/backups")
    manifest = publish(local, FIRST)
    store.receive(manifest, local.directory("crm", FIRST), nothing)
    store.keep_verdict(verdict(FIRST, "verified"))
    parts = {part.name for part in manifest.parts}
    for key in moto_bucket.listed():
        head = moto_bucket.client.head_object(Bucket=moto_bucket.name, Key=key)
        assert head["ServerSideEncryption"] == "aws:kms"
        assert head["SSEKMSKeyId"] == "alias/backups"
        assert head.get("StorageClass") == ("STANDARD_IA" if key.rsplit("/", 1)[-1] in parts else None)
    assert read_all(store, FIRST) == DUMP


def test_lock_dates_are_asked_for_on_every_object(moto: str, open_store: MakeStore, local: DirectoryStore) -> None:
    bucket = new_bucket(moto, "moto-access", "moto-secret", lock=True)
    store = open_store(bucket, object_lock="30d")
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    for key in bucket.listed():
        head = bucket.client.head_object(Bucket=bucket.name, Key=key)
        assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == (
            "COMPLIANCE",
            store.locked_until("crm", FIRST),
        )


def test_the_prefix_is_kept_apart_and_may_be_empty(
    moto_bucket: Bucket, open_store: MakeStore, local: DirectoryStore
) -> None:
    manifest = publish(local, FIRST)
    for prefix in ("", "/deep/down/"):
        store = open_store(moto_bucket, prefix=prefix, cache=f"cache{len(prefix)}")
        store.receive(manifest, local.directory("crm", FIRST), nothing)
        assert "crm" in store.sources()
        assert read_all(store, FIRST) == DUMP
    assert f"crm/{FIRST}/manifest.json" in moto_bucket.listed()
    assert f"deep/down/crm/{FIRST}/manifest.json" in moto_bucket.listed()


class _Role(BaseHTTPRequestHandler):
    """The metadata service of a cloud machine, as far as botocore asks it."""

    def do_PUT(self) -> None:
        self._answer("a-token")

    def do_GET(self) -> None:
        role = {"Code": "Success", "AccessKeyId": "role-access", "SecretAccessKey": SECRET, "Token": "role-token-1",
                "Expiration": "2099-01-01T00:00:00Z"}  # fmt: skip
        self._answer(json.dumps(role) if self.path.endswith("/backup-role") else "backup-role")

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def metadata_service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Role)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("way", ["env", "file", "profile", "default", "role"])
def test_keys_are_found_where_they_are_said_to_be(
    way: str,
    moto_bucket: Bucket,
    open_store: MakeStore,
    local: DirectoryStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    credentials: dict[str, Any] = {}
    if way == "env":
        credentials = {"env": "OFFSITE"}
        monkeypatch.setenv("OFFSITE_ACCESS_KEY_ID", "env-access")
        monkeypatch.setenv("OFFSITE_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("OFFSITE_SESSION_TOKEN", "env-token-1")
    elif way == "file":
        (tmp_path / "access").write_text("file-access\n", encoding="utf-8")
        (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
        credentials = {"access_key": {"file": tmp_path / "access"}, "secret_key": {"file": tmp_path / "secret"}}
    elif way == "profile":
        credentials = {"profile": "backup"}
        (tmp_path / "credentials").write_text(
            f"[backup]\naws_access_key_id = profile-access\naws_secret_access_key = {SECRET}\n", encoding="utf-8"
        )
    elif way == "default":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "default-access")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    else:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", request.getfixturevalue("metadata_service"))
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED", raising=False)
    store = open_store(moto_bucket, credentials=credentials)
    store.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    environment = store.repository("crm").environment
    assert environment["AWS_ACCESS_KEY_ID"] == f"{way}-access"
    assert environment["AWS_SECRET_ACCESS_KEY"] == SECRET
    assert environment.get("AWS_SESSION_TOKEN") == {"env": "env-token-1", "role": "role-token-1"}.get(way)
    assert SECRET not in str(StoreError(f"something about {SECRET}"))


def test_no_keys_anywhere_is_an_error_that_says_where_to_put_them(
    moto_bucket: Bucket, open_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StoreError) as caught:
        open_store(moto_bucket, credentials={}).ids("crm")
    assert "stores.far.credentials" in caught.value.next


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"storage_class": "DEEP_ARCHIVE"}, "no copy in it can be verified"),
        ({"sse_kms_key": "alias/x"}, "needs sse: aws:kms"),
        ({"credentials": {"access_key": "only"}}, "belong together"),
        ({"credentials": {"env": "A", "profile": "b"}}, "name one place"),
        ({"part_mib": 4}, "greater than or equal to 5"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_the_first_run(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings.model_validate({"kind": "s3", "bucket": "acme-backups", **changes})
