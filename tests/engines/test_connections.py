"""Every way to reach a server, and a clear error for every way not to, which never tells the password."""

import dataclasses
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.errors import OpsError, SourceError, ToolMissing
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.reader import Copy
from tests.conftest import DEBIAN, PASSWORD, Made, MakeWorkspace, TestServer, start_server


@pytest.fixture(scope="module")
def crm(pg: TestServer) -> str:
    """A small database; returns its name."""
    name = pg.new_database()
    pg.sql("create table t as select i from generate_series(1, 100) i", database=name)
    return name


def _tcp(server: TestServer, database: str, **changes: str) -> str:
    return server.superuser.at(**{"dbname": database, "host": "127.0.0.1", **changes}).url()


def _assert_proved(made: Made) -> None:
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    assert verify(made.workspace, point).outcome == "verified"


def _refused(made: Made, *, secret: str = PASSWORD) -> OpsError:
    """The error of a backup that fails; nothing is published, and it does not tell the password."""
    with pytest.raises(OpsError) as caught:
        take_backup(made.workspace, "crm")
    assert secret not in str(caught.value)
    assert secret not in str(caught.value.as_dict())
    assert made.workspace.catalogue("crm").points == ()
    [row] = made.workspace.ledger.recent(limit=1)
    assert (row.status, secret in str(row.error)) == ("failed", False)
    assert caught.value.safe and caught.value.next
    return caught.value


def test_tcp(pg: TestServer, crm: str, make_workspace: MakeWorkspace) -> None:
    _assert_proved(make_workspace(_tcp(pg, crm)))


def test_unix_socket(pg: TestServer, crm: str, make_workspace: MakeWorkspace) -> None:
    _assert_proved(make_workspace(pg.url(crm)))


def test_service_file(
    pg: TestServer, crm: str, tmp_path: Path, make_workspace: MakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = pg.superuser.at(dbname=crm).parameters
    lines = [f"{key}={known[key]}" for key in ("host", "port", "user", "dbname", "password")]
    (tmp_path / "services").write_text("\n".join(["[crm]", *lines, ""]), encoding="utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    made = make_workspace("service=crm")
    _assert_proved(made)
    manifest = made.workspace.catalogue("crm").points[0].manifest
    assert manifest.engine["database"] == crm


def test_password_file(
    pg: TestServer, crm: str, tmp_path: Path, make_workspace: MakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    (tmp_path / "pgpass").touch(mode=0o600)
    (tmp_path / "pgpass").write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    _assert_proved(make_workspace(f"host=127.0.0.1 port={pg.port} user=boss dbname={crm}"))


def test_libpq_variables_reach_every_program(
    pg: TestServer, crm: str, make_workspace: MakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(pg.port),
        "PGUSER": "boss",
        "PGPASSWORD": PASSWORD,
    }.items():
        monkeypatch.setenv(name, value)
    _assert_proved(make_workspace(f"postgresql:///{crm}"))


def test_a_hostaddr_of_the_environment_does_not_divert_a_scratch_server(
    pg: TestServer, crm: str, make_workspace: MakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    _assert_proved(make_workspace(_tcp(pg, crm)))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestServer, Path]]:
    """A server that speaks TLS, and its certificate."""
    directory = tmp_path_factory.mktemp("tls")
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o600)
    settings = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    with start_server(DEBIAN, directory, settings) as server:
        server.sql("create table t as select i from generate_series(1, 100) i")
        (directory / "data" / "pg_hba.conf").write_text(
            "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
        )
        server.sql("select pg_reload_conf()")
        yield server, certificate


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_tls(mode: str, tls: tuple[TestServer, Path], make_workspace: MakeWorkspace) -> None:
    server, certificate = tls
    url = _tcp(server, "postgres", host="localhost", hostaddr="127.0.0.1", sslmode=mode, sslrootcert=str(certificate))
    _assert_proved(make_workspace(url))


@pytest.mark.parametrize(
    "words", ["ssl=true", "sslmode=no-verify&schema=public", "ssl-mode=REQUIRED", "sslaccept=accept_invalid_certs"]
)
def test_other_drivers_words_of_tls_are_understood(words: str, tls: tuple[TestServer, Path]) -> None:
    server, _certificate = tls
    url = f"postgresql+psycopg2://boss:{PASSWORD}@127.0.0.1:{server.port}/postgres?{words}"
    with session(Server(url, connect=timedelta(seconds=5)), limit=timedelta(seconds=5)) as opened:
        assert opened.value("select ssl from pg_stat_ssl where pid = pg_backend_pid()") is True


def test_a_driver_that_checks_with_the_systems_certificates_is_not_talked_out_of_it(
    tls: tuple[TestServer, Path], make_workspace: MakeWorkspace
) -> None:
    server, _certificate = tls
    url = f"postgres://boss:{PASSWORD}@127.0.0.1:{server.port}/postgres?sslmode=require&sslaccept=strict"
    assert "certificate" in _refused(make_workspace(url)).why


def test_tls_is_asked_for_and_not_had(tls: tuple[TestServer, Path], make_workspace: MakeWorkspace) -> None:
    server, _certificate = tls
    error = _refused(make_workspace(_tcp(server, "postgres", sslmode="disable")))
    assert "no encryption" in error.why


def test_a_certificate_of_somebody_else_is_refused(
    tls: tuple[TestServer, Path], tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    server, certificate = tls
    url = _tcp(server, "postgres", host="127.0.0.1", sslmode="verify-full", sslrootcert=str(certificate))
    error = _refused(make_workspace(url))
    assert "does not match host name" in error.why or "certificate" in error.why


def test_wrong_password(pg: TestServer, crm: str, make_workspace: MakeWorkspace) -> None:
    error = _refused(make_workspace(_tcp(pg, crm, password="not the pass/word")), secret="not the pass/word")
    assert "password authentication failed" in error.why
    assert "password" in error.next


def test_server_down(pg: TestServer, crm: str, make_workspace: MakeWorkspace) -> None:
    error = _refused(make_workspace(_tcp(pg, crm, port="1")))
    assert "refused" in error.why.lower()
    assert "server runs" in error.next


def test_unknown_database(pg: TestServer, make_workspace: MakeWorkspace) -> None:
    error = _refused(make_workspace(_tcp(pg, "no_such_database")))
    assert 'database "no_such_database" does not exist' in error.why


def test_a_url_that_is_none(make_workspace: MakeWorkspace) -> None:
    error = _refused(make_workspace(f"postgresql://boss:{PASSWORD}@[::1/crm"))
    assert "cannot be read" in error.what


def test_no_rights_on_one_table(pg: TestServer, crm: str, make_workspace: MakeWorkspace) -> None:
    pg.sql("drop role if exists limited", "create role limited login password 'limited secret'")
    pg.sql("create table hidden (a int)", "grant select on t to limited", database=crm)
    made = make_workspace(_tcp(pg, crm, user="limited", password="limited secret"))
    error = _refused(made, secret="limited secret")
    pg.sql("drop table hidden", database=crm)
    assert "may not read public.hidden" in error.what
    assert "GRANT SELECT ON ALL TABLES IN SCHEMA public TO limited" in error.next


def test_a_role_that_is_no_superuser_can_be_the_source(pg: TestServer, make_workspace: MakeWorkspace) -> None:
    name = pg.new_database()
    pg.sql("drop role if exists plain", "create role plain login password 'plain secret'")
    pg.sql(f"alter database {name} owner to plain")
    pg.sql(
        "set role plain",
        "create schema own",
        "create table own.t as select i from generate_series(1, 9) i",
        "select lo_from_bytea(77, 'large')",
        database=name,
    )
    _assert_proved(make_workspace(_tcp(pg, name, user="plain", password="plain secret")))


def test_row_security_never_hides_rows_from_a_backup(pg: TestServer, make_workspace: MakeWorkspace) -> None:
    name = pg.new_database()
    pg.sql("drop role if exists filtered", "create role filtered login password 'filtered secret'")
    pg.sql(
        "create table t (a int)",
        "grant select on t to filtered",
        "alter table t enable row level security",
        "create policy half on t using (a > 1)",
        database=name,
    )
    error = _refused(make_workspace(_tcp(pg, name, user="filtered", password="filtered secret")))
    assert "row-level security" in error.why or "row security" in error.why


def test_a_client_that_is_too_old_names_the_package_to_install(
    pg18: TestServer, make_workspace: MakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [each for each in clients.installed() if each.major == 15]
    if not old:
        pytest.skip("no older client here")
    monkeypatch.setattr(clients, "installed", lambda bin_dirs=(): old)
    error = _refused(make_workspace(pg18.url("postgres")))
    assert isinstance(error, ToolMissing)
    assert "postgresql-client-18" in error.next


def test_no_server_of_that_version_leaves_a_backup_open(
    pg18: TestServer, make_workspace: MakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_workspace(pg18.url("postgres"), verify={"isolation": "none"})
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    others = [dataclasses.replace(each, major=17) for each in clients.installed() if each.major == 18]
    monkeypatch.setattr(clients, "installed", lambda bin_dirs=(): others)
    verdict = verify(made.workspace, point)
    assert verdict.outcome == "inconclusive"
    assert "no PostgreSQL 18 server programs" in verdict.reason


@pytest.mark.parametrize("asked", [False, True])
def test_role_passwords_are_kept_only_when_asked(
    asked: bool, pg: TestServer, crm: str, make_workspace: MakeWorkspace
) -> None:
    pg.sql("drop role if exists keeper", "create role keeper login password 'keeper secret'")
    made = make_workspace(pg.url(crm), role_passwords=asked)
    _assert_proved(made)
    local = made.workspace.local
    point = made.workspace.catalogue("crm").points[0]
    script = Copy(local, point.manifest, lambda: made.workspace.identities("crm")).data("globals").decode()
    assert "CREATE ROLE keeper;" in script
    assert ("SCRAM-SHA-256$" in script) is asked


def test_a_passphrase_that_a_command_line_would_show_is_refused() -> None:
    with pytest.raises(SourceError) as caught:
        Server("host=h sslkey=k sslpassword=do-not-tell", connect=timedelta(seconds=1))
    assert "do-not-tell" not in str(caught.value)


def test_commands_to_restore_by_hand_run_as_they_are_written(
    pg: TestServer, tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    name = f'it\'s a "name" = {pg.major} $(touch {tmp_path}/injected)'
    pg.sql('create database "' + name.replace('"', '""') + '"')
    pg.sql("create table t as select i from generate_series(1, 9) i", database=name)
    made = make_workspace(pg.url(name))
    manifest = take_backup(made.workspace, "crm")
    copy = Copy(made.workspace.local, manifest, lambda: made.workspace.identities("crm"))
    plain = tmp_path / "plain"
    plain.mkdir()
    for role in ("globals", "dump", "database"):
        copy.save(role, plain)
    commands = [line for line in manifest.restore_by_hand if line.startswith(("createdb", "psql", "pg_restore"))]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with start_server(pg.major, elsewhere) as other:
        environment = {
            "PATH": f"{other.programs.directory}:/usr/bin:/bin",
            "PGHOST": str(elsewhere), "PGPORT": str(other.port), "PGUSER": "boss", "PGPASSWORD": PASSWORD,
        }  # fmt: skip
        for command in commands:
            subprocess.run(["sh", "-c", command], cwd=plain, env=environment, check=True, capture_output=True)
        assert other.sql("select count(*) from t", database=name) == [(9,)]
    assert not (tmp_path / "injected").exists()
