"""A restore point of another server than the last one's is good, and asks for a look."""

from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.verdict import Verdict
from tests.conftest import Made, MakeWorkspace, TestServer


def proved(made: Made) -> Verdict:
    """Back up and prove the newest."""
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return verify(made.workspace, point)


def test_a_source_that_became_another_is_told(pg18: TestServer, make_workspace: MakeWorkspace) -> None:
    first, second = pg18.new_database(), pg18.new_database()
    made = make_workspace(pg18.url(first))
    for _ in range(2):
        verdict = proved(made)
        assert (verdict.outcome, verdict.notable) == ("verified", [])
    (made.path / "url").write_text(pg18.url(second), encoding="utf-8")
    moved = proved(made)
    assert moved.outcome == "verified"
    assert [check.name for check in moved.notable] == ["identity"]
    assert first in moved.notable[0].detail
    assert proved(made).notable == []
