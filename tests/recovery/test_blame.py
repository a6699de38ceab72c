"""A failed proof condemns a backup only when every byte of it is proved to be the one that was published."""

from pathlib import Path

import pytest

from ops_pipelines.recovery.blame import blamed
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.stores.directory import DirectoryStore
from tests.sample import flip_byte
from tests.unit.vaults import IDENTITY, TRUST, publish, rewrite

FIRST = "20261121T020000Z-0001"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    found = DirectoryStore("nas", tmp_path, TRUST)
    publish(found, FIRST)
    return found


def copy_in(store: DirectoryStore) -> Copy:
    return Copy(store, store.manifest("crm", FIRST, fresh=True), lambda: [IDENTITY])


def test_whole_bytes_under_our_signature_condemn_the_backup(store: DirectoryStore) -> None:
    assert blamed(copy_in(store)) == "backup"


def test_a_damaged_or_missing_part_condemns_its_copy_alone(store: DirectoryStore) -> None:
    copy = copy_in(store)
    part = store.directory("crm", FIRST) / copy.manifest.parts[0].name
    flip_byte(part)
    assert blamed(copy) == "copy"
    part.unlink()
    assert blamed(copy) == "copy"


def test_what_lies_in_a_repository_beside_the_parts_condemns_its_copy_alone(store: DirectoryStore) -> None:
    """The signed manifest says nothing of the bytes that restic keeps."""
    manifest = store.manifest("crm", FIRST)
    rewrite(store.directory("crm", FIRST), manifest.model_copy(update={"data_bytes": 1000}))
    assert blamed(copy_in(store)) == "copy"


def test_before_a_byte_was_read_nothing_is_known_of_the_backup() -> None:
    assert blamed(None) == "copy"
