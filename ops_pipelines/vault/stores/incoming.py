"""What every store asks of a restore point before it takes it in, in the same words."""

from pathlib import Path

from ops_pipelines.errors import CorruptCopy, SafetyRefusal
from ops_pipelines.vault.manifest import Manifest


def refuse_plain(store: str, manifest: Manifest) -> None:
    """Raise SafetyRefusal when an offsite store is offered parts that are not encrypted."""
    if not manifest.encrypted:
        raise SafetyRefusal(
            f"store {store} is offsite and {manifest.id} of {manifest.source} is not encrypted",
            safe="the local copy is untouched; nothing left this machine",
            next="add encrypt: {age: […]} to the source and back up again",
        )


def damaged(store: str, path: Path, why: str) -> CorruptCopy:
    """The file that was read is not the one of the manifest."""
    return CorruptCopy(
        f"{path} is damaged and was not copied to {store}",
        check="checksum",
        why=why,
        safe="copies in other stores are untouched",
    )


def missing(store: str, path: Path) -> CorruptCopy:
    """The file is not there."""
    return CorruptCopy(
        f"{path} is missing and was not copied to {store}",
        check="parts",
        safe="copies in other stores are untouched",
    )


def other_sum(sha256: str) -> str:
    """Why a part is damaged."""
    return f"SHA-256 is {sha256[:16]}…, the manifest says otherwise"
