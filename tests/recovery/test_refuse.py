"""A restore never writes into what another source protects: every one of them is asked, not only its own."""

import json

import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.errors import SafetyRefusal
from ops_pipelines.recovery.refuse import refuse_sources
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.workspace import Workspace
from tests.engines.sqlite.conftest import House, house

__all__ = ["house"]


def configured(house: House, **others: dict[str, object]) -> Workspace:
    """The house's workspace with more sources beside `app`."""
    house.configure()
    path = house.path / "ops.yaml"
    document = json.loads(path.read_text("utf-8"))
    document["sources"] |= others
    path.write_text(json.dumps(document), encoding="utf-8")
    return Workspace(load_config(path, environ={}))


def test_a_restore_into_another_sources_folder_is_refused_and_leaves_nothing_there(house: House) -> None:
    """Folders live on no server: only the other source itself knows that the target is in it."""
    house.database("app.db", "create table t (i); insert into t values (1)")
    theirs = house.path / "theirs"
    theirs.mkdir()
    workspace = configured(
        house,
        away={"kind": "postgres", "url": {"env": "OPS_TESTS_NO_SUCH_URL"}, "copies": []},
        other={"kind": "sqlite", "paths": ["theirs"], "copies": []},
    )
    point, verdict = house.proved(workspace)
    assert verdict.outcome == "verified"
    for target in (theirs, theirs / "new", house.path):
        with pytest.raises(SafetyRefusal) as caught:
            restore_to(workspace, point, str(target))
        assert caught.value.safe == "nothing was changed"
    assert list(theirs.iterdir()) == []
    with pytest.raises(SafetyRefusal, match="is the source other"):
        refuse_sources(workspace.config, "app", str(theirs / "new"))
    assert restore_to(workspace, point, str(house.path / "elsewhere"))
