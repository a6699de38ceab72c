"""Take restore points under our signature that have none of ours: from before signatures, or of another installation.

What the ledger saw published is known to be ours by its digest. For anything else a human answers who has looked at
it. The bytes stay as they are: only a signature is put beside them, in every store that holds them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ops_pipelines.errors import CorruptCopy, NewerFormat, OpsError, SafetyRefusal
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import Activity
from ops_pipelines.ledger.numbers import next_number
from ops_pipelines.numbering import POINT, VERDICT, highest
from ops_pipelines.vault.catalogue import Catalogues
from ops_pipelines.vault.manifest import Manifest, checksums, read_manifest
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.trust import Sealed, Stranger
from ops_pipelines.vault.verdict import Verdict, read_verdict
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class Candidate:
    """One restore point that could be taken under our signature.

    Attributes:
        stores: which hold these very bytes.
        sealed: the bytes.
        manifest: what they say; nothing that was checked.
        known: the ledger saw these bytes published.
        claimed: whose they are by their own words.
        refused: why it cannot be signed at all; empty when it can.
    """

    id: str
    stores: Sequence[str]
    sealed: Sealed
    manifest: Manifest | None
    known: bool
    foreign: bool
    claimed: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Signed:
    """What was signed.

    Attributes:
        verdicts: how many verdicts of the ledger's own verifications were signed with it.
    """

    id: str
    number: int
    stores: Sequence[str]
    verdicts: int = 0
    problems: Sequence[str] = field(default=())


def candidates(workspace: Workspace, name: str) -> list[Candidate]:
    """Every restore point of a source that is not under our signature, oldest first. Writes nothing.

    One that was signed by us as something else, or changed since, is no candidate: nobody should sign it.
    """
    strangers = workspace.catalogue(name).strangers
    known = workspace.published(name) or {}
    found: dict[tuple[str, str], list[Stranger]] = {}
    for each in strangers:
        if each.standing in ("unsigned", "foreign") and not each.name:
            found.setdefault((each.id, each.sha256), []).append(each)
    listed = []
    for (backup_id, sha256), copies in sorted(found.items()):
        entry = known.get(backup_id)
        stores = [each.store for each in copies]
        sealed = workspace.stores[stores[0]].sealed(name, backup_id)
        manifest, refused = _looked_at(sealed, name, backup_id)
        if entry is not None and entry.sha256 != sha256:
            refused = f"the ledger recorded other bytes: SHA-256 {entry.sha256[:16]}…, not {sha256[:16]}…"
        ours = entry is not None and entry.sha256 == sha256
        foreign = copies[0].standing == "foreign" and not ours
        listed.append(Candidate(backup_id, stores, sealed, manifest, ours, foreign, copies[0].claimed, refused))
    return listed


def missing(catalogues: Catalogues, name: str) -> list[str]:
    """The ids that were published, that no prune removed, and that no store has."""
    return [each.id for each in catalogues(name).strangers if each.standing == "missing"]


def sign(workspace: Workspace, name: str, wanted: Sequence[Candidate]) -> list[Signed]:
    """Put our signature beside restore points, and beside the verdicts on them that the ledger knows.

    Raises:
        SafetyRefusal: one of them must not be signed; none was.
        OpsError: it cannot be signed or recorded.
    """
    for each in wanted:
        if each.refused:
            raise SafetyRefusal(f"{each.id} of {name} is not signed", why=each.refused, safe="nothing was changed")
    with workspace.locks.held(name, doing="sign"):
        above = highest(workspace.catalogue(name))
        verified = workspace.ledger.recent(source=name, kind="verify", limit=10_000)
        return [_signed(workspace, name, each, above, verified) for each in wanted]


def forget_missing(ledger: Ledger, name: str, ids: Sequence[str]) -> None:
    """Write down that a human knows why these are gone. Raises LedgerError."""
    for each in ids:
        with ledger.activity("sign", source=name, backup_id=each, meta={"gone": True}):
            pass


def _looked_at(sealed: Sealed, name: str, backup_id: str) -> tuple[Manifest | None, str]:
    """What a human is shown before it is signed, and why it must not be; empty when it may."""
    try:
        manifest = read_manifest(sealed.content, where=backup_id)
    except (CorruptCopy, NewerFormat) as error:
        return None, f"{error.what}: {error.why}"
    if (manifest.source, manifest.id) != (name, backup_id):
        return manifest, f"it says that it is {manifest.id} of {manifest.source}"
    if sealed.sums != checksums(manifest, sealed.content):
        return manifest, "SHA256SUMS beside it belongs to another manifest or to other parts"
    return manifest, ""


def _signed(
    workspace: Workspace, name: str, each: Candidate, above: Mapping[str, int], verified: Sequence[Activity]
) -> Signed:
    ledger = workspace.ledger
    said = each.manifest.number if each.manifest is not None and each.known else None
    # The number is part of what was published: only what has none, or another installation's, gets one now.
    number = said or next_number(ledger, name, POINT, above=above[POINT])
    signature = workspace.trust.sign_point(each.sealed.content, source=name, backup_id=each.id, number=number)
    meta = {"manifest_sha256": each.sealed.sha256, "number": number, "known": each.known, "claimed": each.claimed}
    problems: list[str] = []
    count = 0
    with ledger.activity("sign", source=name, backup_id=each.id, store=each.stores[0], meta=meta):
        for store in each.stores:
            try:
                workspace.stores[store].sign(name, each.id, signature)
            except OpsError as error:
                problems.append(f"{store}: {error.what}")
        for verdict in _proved(workspace.stores, name, each, verified):
            number_of_it = next_number(ledger, name, VERDICT, above=above[VERDICT])
            numbered = verdict.model_copy(update={"number": number_of_it})
            for store in {workspace.local.name, verdict.store} & set(workspace.stores):
                workspace.stores[store].keep_verdict(numbered)
            count += 1
    return Signed(each.id, number, each.stores, count, problems)


def _proved(stores: Mapping[str, Store], name: str, each: Candidate, verified: Sequence[Activity]) -> Iterator[Verdict]:
    """The unsigned verdicts on it that a verification in the ledger ended with, oldest first."""
    found: dict[str, Verdict] = {}
    for store in each.stores:
        for file, sealed in stores[store].sealed_verdicts(name, each.id):
            try:
                verdict = read_verdict(sealed.content, where=file)
            except (CorruptCopy, NewerFormat):
                continue
            if (verdict.source, verdict.backup_id, verdict.file_name) == (name, each.id, file):
                found.setdefault(file, verdict)
    for _, verdict in sorted(found.items()):
        if any(_is_of(row, verdict) for row in verified):
            yield verdict


def _is_of(row: Activity, verdict: Verdict) -> bool:
    return (
        (row.backup_id, row.store, row.meta.get("outcome")) == (verdict.backup_id, verdict.store, verdict.outcome)
        and row.finished_at is not None
        and row.started_at <= verdict.started_at
        and verdict.finished_at <= row.finished_at
    )
