"""Objects of a repository that restic finds damaged no more: they are put aside, in every kind of store."""

from hashlib import sha256

import pytest

from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.objects import Objects
from tests.stores.conftest import Bucket, MakeStore

NAME = sha256(b"what it was").hexdigest()
DAMAGED = b"what it is now"


@pytest.mark.parametrize("kind", ["data", "index"])
def test_a_damaged_object_is_kept_where_restic_does_not_look(
    moto_bucket: Bucket, open_store: MakeStore, local: DirectoryStore, kind: str
) -> None:
    folders = f"{kind}/{NAME[:2]}" if kind == "data" else kind
    repository = local.root / ".restic" / "files"
    (repository / folders).mkdir(parents=True)
    (repository / folders / NAME).write_bytes(DAMAGED)
    moto_bucket.write(f"backups/.restic/files/{folders}/{NAME}", DAMAGED)

    def put_aside(objects: Objects) -> None:
        assert objects.names(kind) == [(NAME, len(DAMAGED))]
        objects.put_aside(kind, NAME)
        assert objects.names(kind) == []

    put_aside(local.objects("files"))
    put_aside(open_store(moto_bucket).objects("files"))
    assert (repository / "damaged" / kind / NAME).read_bytes() == DAMAGED
    assert moto_bucket.listed() == [f"backups/.restic/files/damaged/{kind}/{NAME}"]
