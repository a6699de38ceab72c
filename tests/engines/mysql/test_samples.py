"""`fingerprint: sample`: rows chosen by their key, the same ones in the source and in what was restored from it."""

from collections.abc import Callable

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.mysql.engine import MySQLEngine
from ops_pipelines.engines.mysql.settings import MySQLSource
from ops_pipelines.recovery.compare import compare
from ops_pipelines.recovery.verify import fingerprint_of, verify
from ops_pipelines.vault.reader import Copy
from tests.conftest import Made
from tests.engines.mysql.conftest import TestServer

ROWS = 11_000
_TABLES = (
    f"create table wide (id bigint primary key, v varchar(64)) as select seq as id, md5(seq) v from seq_1_to_{ROWS}",
    "create table two_keys (b varbinary(9), at timestamp(3), v text, primary key (at, b))"
    f" as select seq as b, from_unixtime(1700000000 + seq) at, 'v' as v from seq_1_to_{ROWS}",
    f"create table keyless (v int) as select seq as v from seq_1_to_{ROWS}",
    f"create table `by float` (f float primary key, v int) as select seq as f, seq as v from seq_1_to_{ROWS}",
    "create table small (id int primary key, v text) as select seq as id, 'v' as v from seq_1_to_300",
    "create table versioned (id int primary key, v text) with system versioning",
    f"insert into versioned select seq, 'v' from seq_1_to_{ROWS}",
    "update versioned set v = 'w' where id < 500",
    "create table nothing_in_it (id int primary key)",
)


def test_a_sample_holds_the_same_rows_after_a_restore_and_finds_a_changed_one(
    mariadb: TestServer, protect: Callable[..., Made]
) -> None:
    name = mariadb.new_database()
    mariadb.sql(*_TABLES, database=name)
    workspace = protect(mariadb.url(name), fingerprint="sample", copies=[]).workspace
    manifest = take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    verdict = verify(workspace, point)
    assert (verdict.outcome, verdict.failed) == ("verified", [])
    held = fingerprint_of(Copy(workspace.local, manifest, lambda: workspace.identities("crm")))
    digested = {table: facts.digested or 0 for table, facts in held.tables.items()}
    for table in ("wide", "two_keys", "versioned"):
        assert ROWS / 200 < digested[table] < ROWS / 50, "about one row in a hundred"
    assert digested["keyless"] == digested["by float"] == ROWS, "all rows where no key tells them apart exactly"
    assert (digested["small"], digested["nothing_in_it"]) == (300, 0)

    url = mariadb.url(name)
    engine = MySQLEngine("crm", MySQLSource.model_validate({"kind": "mysql", "url": url}))

    def change(where: str) -> list[str]:
        mariadb.sql(f"update wide set v = concat('x', v) where {where} limit 1", database=name)
        wrong = [each.detail for each in compare(held, engine.contents(url, "sample", way=held.way)) if not each.passed]
        mariadb.sql("update wide set v = substr(v, 2) where v like 'x%'", database=name)
        return wrong

    chosen = f"crc32(concat('{held.seed},', id)) % 100 = 0"
    told = f"wide has different content in its {digested['wide']} sampled of its {ROWS} rows"
    assert (change(f"not ({chosen})"), change(chosen)) == ([], [told])
