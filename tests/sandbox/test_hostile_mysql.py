"""A dump of MySQL or MariaDB from somebody else is text that a client reads and a server obeys with every right.

Each attack lies in a dump that is taken in as a legacy backup and proved. What the client could do is done to nothing
by the client's own modes; what the server does is done in its sandbox.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ops_pipelines.backup.adopt import adopt, look
from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql.connection import options_for_programs
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sandbox import isolation
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace
from tests.conftest import Made
from tests.engines.mysql.conftest import TestServer
from tests.sandbox.conftest import Canary, left_in

Protect = Callable[..., Made]
needs_sandbox = pytest.mark.skipif(isolation.standing().best != "sandbox", reason="no sandbox can be had here")

# Commands of the client. On a line each: what it does not know it sends to the server as a part of a statement.
CLIENT = r"""
\! touch {canary}/shell
system touch {canary}/system
tee {canary}/tee
pager cat > {canary}/pager
select 1;
source {canary}/../sourced.sql
\. {canary}/../sourced.sql
\T {canary}/short_tee
\P cat > {canary}/short_pager
select 2;
nopager
notee
"""
SOURCED = "\\! touch {canary}/sourced\n"

# What the server does, each statement by itself: what is refused does not stop the next.
SERVER = (
    "select 'x' into outfile '{canary}/outfile'",
    "select 'x' into dumpfile '{canary}/dumpfile'",
    "create table stolen (line text)",
    "load data infile '{secret}' into table stolen",
    "load data local infile '{secret}' into table stolen",
    "insert into stolen values (load_file('{secret}'))",
    "set global general_log_file = '{canary}/general.log'",
    "set global general_log = 1",
    "set global slow_query_log_file = '{canary}/slow.log'",
    "set global slow_query_log = 1",
    "create table placed (i int) engine=myisam data directory='{canary}' index directory='{canary}'",
    "create table placed_too (i int) engine=innodb data directory='{canary}'",
    "create function evil returns integer soname 'evil.so'",
    "install plugin evil soname 'evil.so'",
    "install plugin server_audit soname 'server_audit'",
    "set global server_audit_file_path = '{canary}/audit.log'",
    "set global server_audit_logging = 1",
    "install plugin federated soname 'ha_federatedx.so'",
    "create table far (i int) engine=federated connection='mysql://root:x@127.0.0.1:{port}/x/far'",
    "select * from far",
    "install plugin connect soname 'ha_connect'",
    "create table read_by_connect (line char(80)) engine=connect table_type=dos file_name='{secret}'",
    "create trigger t_writes after insert on t for each row select 'x' into outfile '{canary}/trigger'",
    "create trigger t_reads before insert on t for each row set new.v = load_file('{secret}')",
    "insert into t values ('fires the triggers')",
    "create event every_second on schedule every 1 second do select 'x' into outfile '{canary}/event'",
    "set global event_scheduler = on",
    "change master to master_host='127.0.0.1', master_port={port}, master_user='x', master_password='x'",
    "start slave",
    "change replication source to source_host='127.0.0.1', source_port={port}, source_user='x', source_password='x'",
    "start replica",
    "set global wsrep_notify_cmd = 'touch {canary}/wsrep'",
    "clone instance from x@127.0.0.1:{port} identified by 'x'",
)


@pytest.fixture(params=["mariadb", "mysqld"])
def server(request: pytest.FixtureRequest) -> TestServer:
    """The distribution's MariaDB, and a newer MySQL."""
    found: TestServer = request.getfixturevalue(request.param)
    return found


def planted(server: TestServer, text: str, directory: Path) -> tuple[str, Path]:
    """A database, and a dump of it in which somebody wrote more."""
    name = server.new_database()
    server.sql("create table t (v varchar(80))", "insert into t values ('one')", database=name)
    path = directory / "full-20260203-0415.sql"
    program = next(each for each in clients.installed("dump", server.bin_dirs) if each.product == server.product)
    with options_for_programs(server.root) as login:
        more = ["--set-gtid-purged=OFF"] if server.product == clients.MYSQL else []
        argv = [program.path, login, *more, name]
        dumped = subprocess.run(argv, capture_output=True, check=True).stdout
    # Without MariaDB's own first line, which puts its client into the sandbox mode: an attacker leaves it out.
    whole = b"".join(line for line in dumped.splitlines(keepends=True) if b"enable the sandbox mode" not in line)
    head, mark, tail = whole.rpartition(b"\n-- Dump completed")
    path.write_bytes(head + b"\n" + text.encode() + mark + tail)
    return name, path


def proved(server: TestServer, protect: Protect, name: str, path: Path, **source: object) -> tuple[Workspace, Verdict]:
    """The verdict on such a dump."""
    workspace = protect(server.url(name), **server.source(**source)).workspace
    (candidate,) = look(workspace, "crm", path)
    adopt(workspace, "crm", candidate)
    point = workspace.catalogue("crm").newest
    assert point is not None
    return workspace, verify(workspace, point)


def statements(canary: Canary) -> str:
    return "".join(f"{canary.filled(each)};\n" for each in SERVER)


@needs_sandbox
@pytest.mark.daily(1)
def test_what_a_server_is_told_to_do_is_done_to_nothing_outside(
    server: TestServer, protect: Protect, canary: Canary, tmp_path: Path
) -> None:
    name, path = planted(server, statements(canary), tmp_path)
    workspace, verdict = proved(server, protect, name, path)
    canary.assert_unharmed()
    assert verdict.outcome in ("bad", "inconclusive")
    assert "error 1290 at line" in str(verdict.reason), "what the server refused is told"
    assert left_in(workspace.places.scratch) == []


def test_without_a_sandbox_it_would_be_done(
    server: TestServer, protect: Protect, canary: Canary, tmp_path: Path
) -> None:
    """The attack is a real one: else the other test would prove nothing."""
    name, path = planted(server, statements(canary), tmp_path)
    proved(server, protect, name, path, verify={"isolation": "none"})
    assert {"general.log", "slow.log"} <= {path.name for path in canary.folder.iterdir()}
    assert canary.called


@pytest.mark.parametrize("way", ["none", pytest.param("sandbox", marks=needs_sandbox)])
@pytest.mark.daily(2)
def test_no_client_obeys_what_lies_in_data(
    server: TestServer, protect: Protect, canary: Canary, tmp_path: Path, way: str
) -> None:
    """Not even where there is no sandbox: the client is told to know no commands."""
    (tmp_path / "sourced.sql").write_text(canary.filled(SOURCED), encoding="utf-8")
    name, path = planted(server, canary.filled(CLIENT), tmp_path)
    workspace, verdict = proved(server, protect, name, path, verify={"isolation": way})
    canary.assert_unharmed()
    assert verdict.outcome in ("bad", "inconclusive"), verdict.reason
    assert left_in(workspace.places.scratch) == []


def test_a_client_that_was_not_told_would(server: TestServer, canary: Canary, tmp_path: Path) -> None:
    (tmp_path / "sourced.sql").write_text(canary.filled(SOURCED), encoding="utf-8")
    name, path = planted(server, canary.filled(CLIENT), tmp_path)
    program = clients.for_restore(server.product, (8, 0), server.bin_dirs)
    with options_for_programs(server.root) as login, path.open("rb") as fed:
        # Newer clients of MySQL want to be asked for it.
        allowed = [f"--{each}" for each in ("commands", "system-command") if program.has(each)]
        argv = [program.path, login, "--force", *allowed]
        subprocess.run([*argv, f"--database={name}"], stdin=fed, capture_output=True, check=False)
    assert {"shell", "sourced"} <= {path.name for path in canary.folder.iterdir()}


@needs_sandbox
@pytest.mark.parametrize(
    "statement",
    ["shutdown", "drop user {user}", "kill connection_id()", "set global read_only = 1; flush tables with read lock"],
)
@pytest.mark.daily(2)
def test_a_dump_that_ends_its_own_server_gets_no_good_verdict(
    mariadb: TestServer, protect: Protect, canary: Canary, tmp_path: Path, statement: str
) -> None:
    text = statement.replace("{user}", "current_user()")
    name, path = planted(mariadb, f"{text};\n", tmp_path)
    workspace, verdict = proved(mariadb, protect, name, path)
    assert verdict.outcome in ("bad", "inconclusive") or "read lock" in statement, verdict.reason
    canary.assert_unharmed()
    assert left_in(workspace.places.scratch) == []
