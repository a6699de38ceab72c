"""Whoever has the key can sign anything: a fact of a manifest stays one word of a command, and is no option of it."""

import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.by_hand import steps
from ops_pipelines.engines.files import restore
from ops_pipelines.engines.mongodb.connection import with_credentials
from ops_pipelines.engines.postgres import clients, extensions
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.engines.postgres.connection import session as postgres_session
from ops_pipelines.engines.postgres.database import as_dumped
from ops_pipelines.errors import CorruptCopy
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from tests.conftest import DEBIAN, TestServer
from tests.engines.files.conftest import House
from tests.sandbox.conftest import Canary, left_in
from tests.unit.vaults import rewrite

HOSTILE = [
    "--repo=/elsewhere", "-h", "--password-command=touch {canary}/ran", "latest", "x\ntouch {canary}/ran\n",
    "$(touch {canary}/ran)", "`touch {canary}/ran`", "'; touch {canary}/ran; '", "../../etc", "", "a b",
]  # fmt: skip


def doctored(house: House, **facts: Any) -> RestorePoint:
    """The newest restore point, with other facts and signed again."""
    point = house.point()
    changed = point.manifest.model_copy(update={"engine": {**point.manifest.engine, **facts}})
    local: Any = house.workspace.local
    rewrite(local.directory("files", point.id), changed, house.workspace.trust)
    return point


@pytest.mark.parametrize("fact", ["snapshot", "tag"])
@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.daily(6)
def test_what_is_no_id_of_restic_is_given_to_no_restic(folders: House, canary: Canary, fact: str, value: str) -> None:
    said = {"snapshot": "0" * 64, "tag": "ops-0123456789abcdef", fact: canary.filled(value), "bytes": 1}
    engine, repository = folders.engine, folders.workspace.local.repository("files")
    folders.backup()
    if fact == "snapshot" and value != "latest":
        with pytest.raises(CorruptCopy):
            restore.snapshot_of(said)
    if fact == "tag" and value == "latest":
        return  # any word can be a tag
    with pytest.raises(CorruptCopy) as caught:
        engine.carry(said, repository, folders.workspace.stores["nas"].repository("files"))
    assert caught.value.check == "manifest"
    assert "\n" not in caught.value.why
    canary.assert_unharmed()


def test_the_verdict_on_such_a_manifest_says_what_is_wrong_with_it(folders: House, canary: Canary) -> None:
    folders.backup()
    point = doctored(folders, snapshot=canary.filled(HOSTILE[2]))
    workspace = folders.workspace
    verdict = verify(workspace, point, store="local")
    assert verdict.outcome == "bad"
    assert "cannot be one of restic's" in str(verdict.reason)
    canary.assert_unharmed()
    assert left_in(workspace.places.scratch) == []


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("postgres", {"format": "custom", "encoding": "UTF8", "collate": "C", "ctype": "C", "locale": "",
                      "locale_provider": "c"}),
        ("mysql", {"client_product": "MariaDB", "charset": "utf8mb4", "collation": "utf8mb4_bin"}),
        ("mongodb", {"accounts": True, "oplog": True}),
        ("files", {"snapshot": "", "tag": ""}),
    ],
)  # fmt: skip
def test_commands_that_we_print_run_nothing_that_a_fact_says(
    canary: Canary, tmp_path: Path, kind: str, facts: Mapping[str, str], value: str
) -> None:
    """Run as they are printed, with programs that do nothing."""
    hostile = canary.filled(value)
    each = {name: hostile if isinstance(told, str) and name not in ("format", "client_product", "locale_provider")
            else told for name, told in facts.items()}  # fmt: skip
    script = "\n".join(steps(kind, {**each, "database": hostile}, []))
    empty = tmp_path / "empty"
    empty.mkdir()
    subprocess.run(["/bin/bash", "-c", script], cwd=empty, env={"PATH": str(empty)}, capture_output=True, check=False)
    subprocess.run(["/bin/bash", "-c", script.replace("touch", "/bin/touch")], cwd=empty, env={"PATH": str(empty)},
                   capture_output=True, check=False)  # fmt: skip
    canary.assert_unharmed()


def test_one_setting_of_a_database_sets_no_other(pg18: TestServer) -> None:
    here = Server(pg18.superuser.url(), connect=timedelta(seconds=10))
    fact = "C -c default_transaction_read_only=on"
    options = as_dumped(here, {"lc_monetary": fact}).parameters["options"]
    assert options.endswith(r"lc_monetary=C\ -c\ default_transaction_read_only=on")
    with (
        pytest.raises(Exception, match="lc_monetary"),
        postgres_session(as_dumped(here, {"lc_monetary": fact}), limit=timedelta(seconds=10)),
    ):
        pass


def test_a_library_to_be_loaded_lies_where_libraries_are(tmp_path: Path) -> None:
    programs = clients.for_server(DEBIAN)
    planted = tmp_path / "evil"
    planted.with_suffix(".so").touch()
    up = "../" * 12 + str(planted).lstrip("/")
    assert extensions.preloading(programs, [up, "*", "-c", "a,b"], "crm") == {}


def test_the_name_of_a_database_ends_no_address() -> None:
    url = with_credentials("127.0.0.1", 1, "a/b?authSource=x", "u", "p")
    assert url == "mongodb://u:p@127.0.0.1:1/a%2Fb%3FauthSource%3Dx?authSource=admin&directConnection=true"
