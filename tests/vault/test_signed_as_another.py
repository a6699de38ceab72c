"""A signature of ours over something else: what is signed, and as what, must be what lies there."""

from pathlib import Path

import pytest

from ops_pipelines.errors import OpsError
from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS, Manifest, checksums
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.trust import Untrusted
from tests.unit.vaults import TRUST, publish, verdict

FIRST, SECOND = "20261121T020000Z-0001", "20261121T080000Z-0002"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    found = DirectoryStore("nas", tmp_path, TRUST)
    publish(found, FIRST)
    return found


def refused(store: DirectoryStore) -> Untrusted:
    with pytest.raises(Untrusted) as caught:
        store.manifest("crm", FIRST)
    assert caught.value.safe == "it was not used"
    return caught.value


def lay(store: DirectoryStore, manifest: Manifest, signature: bytes) -> None:
    """Put a manifest with matching sums in the place of the first, under a signature."""
    content = manifest.to_bytes()
    for name, data in ((NAME, content), (SUMS, checksums(manifest, content)), (SIGNATURE, signature)):
        (store.directory("crm", FIRST) / name).write_bytes(data)


def signed(manifest: Manifest, *, number: int | None = None) -> bytes:
    """Our signature that says it is the first, whatever the manifest says."""
    number = number or manifest.number or 0
    return TRUST.sign_point(manifest.to_bytes(), source="crm", backup_id=FIRST, number=number)


@pytest.mark.parametrize("garbage", [b"", b"nonsense", b"untrusted comment: x\nAAAA\ntrusted comment: y\nAAAA\n"])
def test_a_signature_that_is_none_is_forged(store: DirectoryStore, garbage: bytes) -> None:
    (store.directory("crm", FIRST) / SIGNATURE).write_bytes(garbage)
    assert refused(store).standing == "forged"


@pytest.mark.parametrize("changed", [{"id": SECOND}, {"source": "shop"}, {"number": 7}])
def test_a_manifest_of_another_restore_point_is_not_believed_under_this_ones_name(
    store: DirectoryStore, changed: dict[str, object]
) -> None:
    """Signed as the first, it says of itself that it is another one."""
    first = store.manifest("crm", FIRST)
    other = first.model_copy(update={"installation": TRUST.installation_id, **changed})
    lay(store, other, signed(other, number=first.number))
    found = refused(store)
    assert found.standing == "replayed"
    assert f"lies where {FIRST} of crm belongs" in found.why


def test_what_was_signed_as_a_verdict_is_no_restore_point(store: DirectoryStore) -> None:
    first = store.manifest("crm", FIRST)
    lay(store, first, TRUST.sign_verdict(first.to_bytes(), verdict(FIRST, "verified", store="nas")))
    found = refused(store)
    assert (found.standing, found.why) == ("replayed", "no point of ours")


@pytest.mark.parametrize("name", ["two words", "a=b number=1", "new\nline"])
def test_a_name_that_would_say_more_than_a_name_is_never_signed(name: str) -> None:
    """It could claim a number or a source of its own within the signed line."""
    with pytest.raises(OpsError, match="cannot be signed"):
        TRUST.sign_point(b"{}", source=name, backup_id=FIRST, number=1)
