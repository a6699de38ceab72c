"""What only a real MongoDB does, from what it would be sent and would answer: snapshots, buckets, refusals."""

from pathlib import Path

import bson
import pytest

from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.mongodb.engine import MongoDBEngine
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.errors import OpsError, SourceError
from tests.engines.mongodb.conftest import Protect
from tests.engines.mongodb.unpacked import unpack
from tests.engines.mongodb.wire import LATER, NOW, Script, serving

DOCUMENTS = [{"_id": i} for i in range(5)]


def script(**changes: object) -> Script:
    return Script({"a": list(DOCUMENTS), "b": list(DOCUMENTS), "c": []}, **changes)  # type: ignore[arg-type]


def test_every_collection_is_read_at_one_pinned_instant(protect: Protect, tmp_path: Path) -> None:
    played = script()
    with serving(played) as url:
        backups = protect(url, jobs=3)
        manifest = backups.take()
    assert manifest.engine["snapshot"] == {"t": NOW.time, "i": NOW.inc}
    assert manifest.snapshot_at == NOW.as_datetime()
    assert not any("instant" in warning for warning in manifest.warnings)
    reads = [each for each in played.heard if "find" in each and each["find"] in ("a", "b", "c")]
    pinned = [each["readConcern"].get("atClusterTime") for each in reads]
    assert pinned[0] is None  # the one that asked for an instant
    assert pinned[1:] == [NOW] * 3
    folder = unpack(backups, tmp_path)
    assert not (folder / "dump" / "oplog.bson").exists()
    assert backups.verify().outcome == "verified"


def test_a_standalone_without_snapshots_says_so(protect: Protect) -> None:
    with serving(script(snapshots=False)) as url:
        manifest = protect(url).take()
    assert manifest.engine["snapshot"] is None
    assert manifest.engine["oplog"] == {"start": {"t": NOW.time, "i": NOW.inc}, "end": {"t": NOW.time, "i": NOW.inc}}
    assert any("not of one instant" in warning for warning in manifest.warnings)


def test_an_instant_the_server_forgot_is_told_by_collection(protect: Protect) -> None:
    old = {"code": 239, "errmsg": "Read timestamp is older than the oldest available timestamp"}
    with serving(script(fails={"getMore b": old})) as url:
        manifest = protect(url).take()
    assert manifest.contents.rows == 10
    assert manifest.engine["snapshot"] is None
    assert any("not of the snapshot's instant: b" in warning for warning in manifest.warnings)


def test_a_cursor_that_ends_early_is_not_believed(protect: Protect) -> None:
    with serving(script(loses=frozenset({"b"}))) as url:
        backups = protect(url)
        with pytest.raises(OpsError, match="the dump of b is incomplete") as caught:
            backups.take()
    assert "after 1 documents, it counts 5" in caught.value.why
    assert backups.made.workspace.catalogue("crm").points == ()


def test_the_buckets_of_a_time_series_are_dumped_as_mongodump_does(protect: Protect, tmp_path: Path) -> None:
    played = Script({"system.buckets.m": list(DOCUMENTS)}, options={"m": {"timeseries": {"timeField": "at"}}})
    with serving(played) as url:
        backups = protect(url)
        manifest = backups.take()
    assert manifest.contents.rows == 5
    names = {path.name for path in (unpack(backups, tmp_path) / "dump" / "crm").iterdir()}
    assert names == {"m.metadata.json", "system.buckets.m.bson", "prelude.json"}
    verdict = backups.verify()
    assert verdict.outcome == "inconclusive"
    assert "time series m" in verdict.reason


def test_what_was_written_meanwhile_lies_beside_the_dump(protect: Protect, tmp_path: Path) -> None:
    with serving(script(snapshots=False, written=True)) as url:
        backups = protect(url)
        manifest = backups.take()
    assert manifest.engine["oplog"] == {
        "start": {"t": NOW.time, "i": NOW.inc}, "end": {"t": LATER.time, "i": LATER.inc},
    }  # fmt: skip
    [entry] = bson.decode_all((unpack(backups, tmp_path) / "dump" / "oplog.bson").read_bytes())
    assert entry["ts"] == NOW
    assert any("--oplogReplay" in line for line in manifest.restore_by_hand)


def test_an_oplog_that_has_rolled_over_is_told(protect: Protect, tmp_path: Path) -> None:
    with serving(script(snapshots=False, written=True, oplog_from=LATER)) as url:
        backups = protect(url)
        manifest = backups.take()
    assert any("oplog is shorter than the dump" in warning for warning in manifest.warnings)
    assert not (unpack(backups, tmp_path) / "dump" / "oplog.bson").exists()


def test_accounts_that_may_not_be_read_are_told(protect: Protect) -> None:
    refused = {"code": 13, "errmsg": "not authorized on admin to execute command find"}
    with serving(script(fails={"find system.users": refused})) as url:
        manifest = protect(url, accounts=True).take()
    assert manifest.engine["accounts"] is False
    assert any("users and roles are not in this backup" in warning for warning in manifest.warnings)


def test_a_server_without_memory_condemns_no_collection() -> None:
    source = MongoDBSource.model_validate({"kind": "mongodb", "url": "mongodb://127.0.0.1:1/crm"})
    held = Contents(level="counts")
    tired = {"code": 146, "errmsg": "validate ran out of memory"}
    with serving(script(fails={"validate a": tired})) as url, pytest.raises(SourceError) as caught:
        list(MongoDBEngine("crm", source).assertions(url, held))
    assert "ran out of memory" in caught.value.why


def test_a_refusal_is_told_with_its_remedy(protect: Protect) -> None:
    refused = {"code": 13, "errmsg": "not authorized on crm to execute command listCollections"}
    with serving(script(fails={"listCollections 1": refused})) as url, pytest.raises(OpsError) as caught:
        protect(url).take()
    assert "not authorized" in caught.value.why
    assert "role read" in caught.value.next
