"""`fingerprint: sample`: rows chosen by their key, the same ones in the source and in what was restored from it."""

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.base import Contents, Way
from ops_pipelines.engines.postgres import digests
from ops_pipelines.engines.postgres.engine import PostgresEngine
from ops_pipelines.engines.postgres.settings import PostgresSource
from ops_pipelines.recovery.compare import compare
from ops_pipelines.recovery.verify import fingerprint_of, verify
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace
from tests.conftest import MakeWorkspace, TestServer

ROWS = 11_000
_TABLES = (
    f"create table wide (id bigint primary key, v text); insert into wide select i, md5(i::text)"
    f" from generate_series(1, {ROWS}) i",
    'create table "two keys" (b bytea, at timestamptz, v text, primary key (at, b));'
    " insert into \"two keys\" select i::text::bytea, now() - i * interval '1 s', 'v'"
    f" from generate_series(1, {ROWS}) i",
    f"create table keyless (v int); insert into keyless select i from generate_series(1, {ROWS}) i",
    "create table small (id int primary key, v text); insert into small select i, 'v' from generate_series(1, 300) i",
    "create table bare ()",
    "do $$ begin for i in 1..3 loop perform lo_from_bytea(0, 'large'); end loop; end $$",
)


@pytest.fixture(scope="module")
def sampled(pg18: TestServer) -> str:
    """A database with tables of every kind that a sample has to do with."""
    name = pg18.new_database()
    pg18.sql(*_TABLES, database=name)
    return name


def proved(workspace: Workspace) -> tuple[Contents, Verdict]:
    manifest = take_backup(workspace, "crm")
    point = workspace.catalogue("crm").newest
    assert point is not None
    held = fingerprint_of(Copy(workspace.local, manifest, lambda: workspace.identities("crm")))
    return held, verify(workspace, point)


def test_a_sample_holds_the_same_rows_after_a_restore_and_says_how_many(
    pg18: TestServer, sampled: str, make_workspace: MakeWorkspace
) -> None:
    workspace = make_workspace(pg18.url(sampled), fingerprint="sample", copies=[]).workspace
    held, verdict = proved(workspace)
    assert (verdict.outcome, verdict.failed) == ("verified", [])
    digested = {name: facts.digested or 0 for name, facts in held.tables.items()}
    for name in ("public.wide", 'public."two keys"'):
        assert ROWS / 200 < digested[name] < ROWS / 50, "about one row in a hundred"
    assert digested["public.keyless"] == ROWS, "without a key all rows are digested"
    assert (digested["public.small"], digested["large objects"]) == (300, 3), "and all of a small table"
    [content] = [check.detail for check in verdict.checks if check.name == "content"]
    assert content == f"{sum(digested.values())} of {held.rows} rows, in 6 of 6 tables, with the same content"
    again = fingerprint_of(Copy(workspace.local, take_backup(workspace, "crm"), lambda: workspace.identities("crm")))
    assert again.seed != held.seed, "the next backup's sample is another one"
    assert again.tables["public.wide"].digest != held.tables["public.wide"].digest


def test_a_changed_row_of_the_sample_is_found_and_one_outside_of_it_is_not(pg18: TestServer, sampled: str) -> None:
    url = pg18.url(sampled)
    engine = PostgresEngine("crm", PostgresSource.model_validate({"kind": "postgres", "url": url}))
    held = engine.contents(url, "sample", way=Way(42, digests.NEWEST))
    chosen = 'hashtextextended(id::text collate "C", 42) % 100 = 0'

    def change(where: str, table: str = "wide", column: str = "v", value: str = "'other'") -> list[str]:
        ids = f"(select ctid from {table} where {where} limit 1)"
        [(before,)] = pg18.sql(f"select {column} from {table} where ctid in {ids}", database=sampled)
        pg18.sql(f"update {table} set {column} = {value} where ctid in {ids}", database=sampled)
        wrong = [
            each
            for each in compare(held, engine.contents(url, "sample", way=Way(42, digests.NEWEST)))
            if not each.passed
        ]
        back = f"'{before}'" if isinstance(before, str) else before
        pg18.sql(f"update {table} set {column} = {back} where {column} = {value}", database=sampled)
        return [f"{each.name}: {each.detail}" for each in wrong]

    rows = held.tables["public.wide"].digested
    assert change(chosen) == [f"content: public.wide has different content in its {rows} sampled of its {ROWS} rows"]
    assert change(f"not ({chosen})") == []
    assert change("true", "small") == ["content: public.small has different content in its 300 rows"]
    assert change("true", "keyless", value="-1") == [
        f"content: public.keyless has different content in its {ROWS} rows"
    ]
