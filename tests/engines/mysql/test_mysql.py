"""MySQL itself, not MariaDB: what its dumps hold comes back, judged by the text that its own dump client prints."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql.connection import identifier
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.verdict import Verdict
from tests.conftest import Made
from tests.engines.mysql.conftest import TestServer, start_server
from tests.oracle import texts
from tests.servers import newer

Protect = Callable[..., Made]
EVERYTHING = Path(__file__).with_name("everything_mysql.sql")
NAME = "Every `thing` ünï=çödé"


@pytest.fixture(scope="module")
def everything(mysqld: TestServer) -> str:
    """A database that holds everything a MySQL server can hold; returns its name."""
    mysqld.new_database(NAME, "character set latin1 collate latin1_german1_ci")
    mysqld.client(NAME, EVERYTHING)
    mysqld.sql(f"alter database {identifier(NAME)} character set utf8mb4 collate utf8mb4_czech_ci")
    return NAME


def proved(made: Made) -> tuple[RestorePoint, Verdict]:
    """Back up, and verify."""
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return point, verify(made.workspace, point)


def failed(verdict: Verdict) -> list[str]:
    """What a verdict holds against a backup."""
    return [f"{check.name}: {check.detail}" for check in verdict.checks if not check.passed]


def same(server: TestServer, one: str, other: str) -> str:
    """How two databases of a server differ by the dump client's text."""
    return texts.mysql_difference(server.root.at(one), server.root.at(other), server.bin_dirs)


def test_everything_comes_back(mysqld: TestServer, everything: str, protect: Protect) -> None:
    made = protect(mysqld.url(everything), **mysqld.source(accounts=True))
    point, verdict = proved(made)
    assert (verdict.outcome, failed(verdict), verdict.gaps, verdict.warnings) == ("verified", [], [], [])
    restored = restore_to(made.workspace, point, "everything_again")
    assert [check.detail for check in restored.checks if not check.passed] == []
    assert same(mysqld, everything, "everything_again") == ""


@pytest.mark.parametrize("product", [clients.MARIADB, clients.MYSQL])
def test_names_that_a_server_folds_are_folded_in_the_proof(protect: Protect, product: str) -> None:
    where = ((10, 3), ()) if product == clients.MARIADB else ((8, 0), newer.bin_dirs("mysql", "mysqld"))
    with start_server(product, *where, lower_case_table_names="1") as server:
        name = server.new_database()
        server.sql(
            "create table Parents (Id int primary key)",
            "create table Children (Id int, foreign key (Id) references PARENTS (ID))",
            "insert into parents values (1)",
            "insert into CHILDREN values (1)",
            "create view Both_Of_Them as select p.Id from PARENTS p join children C on C.id = P.ID",
            "create procedure Read_Them() select * from CHILDREN",
            database=name,
        )
        made = protect(server.url(name), **server.source())
        point, verdict = proved(made)
        assert (verdict.outcome, failed(verdict), verdict.gaps) == ("verified", [], [])
        settings = point.manifest.engine["settings"]
        assert isinstance(settings, dict) and settings["lower_case_table_names"] == "1"
        restore_to(made.workspace, point, f"{name}_back")
        assert same(server, name, f"{name}_back") == ""
