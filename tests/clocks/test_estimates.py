"""An estimate comes from the source's own history, or it says that it is not known yet."""

from datetime import timedelta

from ops_pipelines.recovery.estimate import estimate
from tests.clocks.conftest import Notes


def restored(notes: Notes, seconds: int, *, plain_bytes: int) -> None:
    facts = {"good": True, "seconds": {"load": 1.0}, "plain_bytes": plain_bytes}
    with notes.workspace.ledger.activity("restore", source="notes", meta=facts):
        notes.clock.at += timedelta(seconds=seconds)


def test_what_is_expected_is_what_restores_of_that_size_took_from_begin_to_end(notes: Notes) -> None:
    manifest = notes.backed_up(proved=False).manifest
    ledger, catalogues = (lambda: notes.workspace.ledger), notes.workspace.catalogue
    assert estimate(ledger, catalogues, manifest) is None
    restored(notes, 2, plain_bytes=manifest.plain_bytes // 70)
    assert estimate(ledger, catalogues, manifest) is None, (
        "two seconds for next to nothing tell nothing of 70 times that"
    )
    notes.proved(manifest.id)
    by_proof = estimate(ledger, catalogues, manifest)
    assert by_proof is not None and by_proof.restores == 0
    for seconds in (5, 9, 6):
        restored(notes, seconds, plain_bytes=manifest.plain_bytes)
    known = estimate(ledger, catalogues, manifest)
    assert known is not None
    assert (known.took, known.restores) == (timedelta(seconds=6), 3)
