"""What every store asks of a restore point before it takes it in, in the same words."""

from pathlib import Path

from ops_pipelines.errors import CorruptCopy, SafetyRefusal, StoreError
from ops_pipelines.vault.manifest import NAME, Manifest
from ops_pipelines.vault.trust import Sealed, Trust, Untrusted


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


def another(store: str, location: str) -> StoreError:
    """Something else stands in its place."""
    return StoreError(
        f"store {store}: {location} is another restore point",
        why=f"the {NAME} there differs from the one to be copied",
        safe="nothing was overwritten",
        next="compare the two: ops list; if the one there was planted or damaged, move it away and copy again",
    )


def refuse_strange(trust: Trust, sealed: Sealed, manifest: Manifest, path: Path) -> None:
    """Raise CorruptCopy when what was read to be copied is not what we signed."""
    try:
        trust.open_point(sealed, manifest.source, manifest.id, where=str(path))
    except Untrusted as error:
        raise damaged(store="any store", path=path, why=error.what) from None
