"""What is refused before anything is connected to: mistakes in `ops.yaml` and in addresses, each in its own words."""

from base64 import b64decode, b64encode
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.config.document import plain
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.mongodb.address import read as mongodb
from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql.address import OFF, REQUIRED, VERIFIED
from ops_pipelines.engines.mysql.address import read as mysql
from ops_pipelines.engines.mysql.archive import Watched, check
from ops_pipelines.engines.postgres.address import parameters as postgres
from ops_pipelines.errors import OpsError, SourceError, ToolMissing
from ops_pipelines.settings.values import parse_size, sqlite_file
from ops_pipelines.vault.signing.keys import INSTALLATION, Keys
from ops_pipelines.vault.signing.minisign import BadSignature, PublicKey, Signature, open_signer
from tests.unit.conftest import Load, Mistakes

CRM = "sources:\n  crm: {kind: postgres, url: {env: X}}\n"
UPLOADS = CRM + "  uploads: {kind: files, paths: [up], password: {env: P}, %s}\n"
DOCUMENTS = "sources:\n  crm: {kind: mongodb, url: {env: X}, checks: [%s]}\n"
S3 = "stores:\n  far: {kind: s3, bucket: acme-backups, %s}\n" + CRM
RECORDS = "sources:\n  crm: {kind: postgres, url: {env: X}, checks: [%s]}\n"


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("alerts: {channels: {mail: {env: M}}, route: [slack]}\n" + CRM, "alerts.route", "no channel is called"),
        ("drills: {stores: [moon]}\n" + CRM, "drills.stores", "no store is called 'moon'"),
        ("drills: {applications: {a: {sources: [shop]}}}\n" + CRM, "drills.applications.a", "no source is called"),
        (
            "drills: {applications: {a: {sources: [crm], checks: [{name: n, source: b, sql: s, min: 1}]}}}\n" + CRM,
            "drills", "check n asks b, which is not one of its sources",
        ),
        ("web: {legacy_metrics: [{path: /a, prefix: a_, source: shop}]}\n" + CRM,
         "web.legacy_metrics.0.source", "no source is called 'shop'"),
        ("web: {legacy_metrics: [{path: /health/x, prefix: a_}]}\n" + CRM,
         "web.legacy_metrics.0.path", "/health/x is taken"),
        ("web: {trusted_proxies: [example.com]}\n" + CRM, "web.trusted_proxies", "is no address and no network"),
        ("sentry: {dsn: {literal: 'https://host/1'}}\n" + CRM, "sentry.dsn", "a DSN such as https://key@host/project"),
        ("probes: {services: {crm: {env: S}}}\n" + CRM, "probes.services.crm", "a source has this name"),
        ("sources:\n  crm: {url: {env: X}}\n", "sources.crm.kind", "is required: it says what this is"),
        (UPLOADS % "with: shop", "sources.uploads.with", "no source is called 'shop'"),
        (UPLOADS % "with: uploads", "sources.uploads.with", "is a set of folders; name the database"),
        (UPLOADS % "with: crm, every: 0 1 * * *, rpo: 72h", "sources.uploads.with", "give both the same every"),
        (RECORDS % "{name: n, sql: select 1, newest: a.b, min: 1}", "sources.crm.checks.0", "ask one thing: sql, or"),
        (RECORDS % "{name: n, newest: a.b, min: 1}", "sources.crm.checks.0", "how old may the newest be?"),
        (RECORDS % "{name: n, sql: select 1}", "sources.crm.checks.0", "say what to expect"),
        (DOCUMENTS % "{name: n, collection: c, newest: a.b, max_age: 1h}", "sources.crm.checks.0", "ask one thing"),
        (DOCUMENTS % "{name: n, collection: c, pipeline: [{$out: x}], min: 1}", "sources.crm", "$out would write"),
        ("sources:\n  crm: {kind: sqlite, paths: ['sqlite://']}\n", "sources.crm.paths.0", "a database in memory"),
        (S3 % "credentials: {access_key: {env: A}}", "stores.far", "access_key and secret_key belong together"),
        (S3 % "credentials: {env: A, profile: b}", "stores.far", "name one place: env, profile, or access_key"),
        (S3 % "storage_class: GLACIER", "stores.far", "takes hours to read: no copy in it can be verified"),
        (S3 % "sse_kms_key: k", "stores.far", "sse_kms_key needs sse: aws:kms"),
        (S3 % "timeout: 0s", "stores.far.timeout", "must be longer than 0s"),
        (S3 % "timeout: 60", "stores.far.timeout", "a duration needs a unit"),
        (S3 % "timeout: soon", "stores.far.timeout", "a duration such as 24h, 30m or 35d, not 'soon'"),
        ("sources:\n  crm: {kind: mysql, url: {env: X}, accounts: true}\n", "sources.crm", "accounts needs encrypt"),
        ("sources:\n  crm: {kind: mongodb, url: {env: X}, accounts: true}\n", "sources.crm", "accounts needs encrypt"),
        ("sources:\n  crm: {kind: mysql, url: {env: X, file: y}}\n", "sources.crm.url", "name exactly one place"),
        ("sources:\n  up: {kind: files, paths: [up], references: {sql: s}}\n", "sources.up", "references needs with"),
        ("timezone: Moon/Base\n" + CRM, "timezone", "an IANA time zone, not 'Moon/Base'"),
        ("defaults: {every: 61 * * * *}\n" + CRM, "defaults.every", "a cron line of five fields"),
        ("sources:\n  up: {kind: files, paths: [up], verify_all_below: ten}\n", "sources.up", "a size such"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_a_sentence_of_its_own(text: str, field: str, expected: str, mistakes: Mistakes) -> None:
    found = mistakes(text)
    assert any(each.field.startswith(field) and expected in each.expected for each in found), found


def test_references_are_asked_in_sql_alone(mistakes: Mistakes) -> None:
    text = DOCUMENTS % "" + "  up: {kind: files, paths: [up], with: crm, references: {sql: select 1}}\n"
    assert [each.expected for each in mistakes(text)] == ["references are queried in SQL, which 'crm' does not support"]


def test_what_needs_no_words_is_taken(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(
        "defaults: {every: 0 * * * *}\n" + UPLOADS % "with: crm" + "  sole: {kind: files, paths: [sole]}\n",
        ALERT_SLACK_WEBHOOK="https://hooks", SENTRY_DSN="https://key@host/1",
    )  # fmt: skip
    assert {name: each.sources for name, each in config.applications.items()} == {
        "crm": ("crm", "uploads"), "sole": ("sole",),
    }  # fmt: skip
    assert list(config.alerts.channels) == ["slack"] and config.sentry.environment_name == "production"
    assert (parse_size("500 MB"), parse_size("1.5GiB"), parse_size(7)) == (500_000_000, 3 * 2**29, 7)
    assert (sqlite_file("sqlite:////srv/a.db?mode=ro"), sqlite_file(Path("/a"))) == ("/srv/a.db", Path("/a"))
    assert plain("a: 1\n---\nb: [2, {c: 3}]\n") == [{"a": 1}, {"b": [2, {"c": 3}]}]
    monkeypatch.chdir("/")  # no ops.yaml is in it, nor above
    monkeypatch.delenv("OPS_CONFIG", raising=False)
    with pytest.raises(OpsError):
        load_config(None, environ={})


ADDRESSES = [
    (mysql, "mysql://u:canary@one,two/d", "it names several hosts"),
    (mysql, "mysql://u:canary@h:99999/d", "a port is no number from 1 to 65535"),
    (mysql, "mysql://u:canary@x?a=b@host/db", "can be read in more than one way"),
    (mysql, "mysql://u:canary@h/d/e?[", "user, host and port cannot be separated"),
    (mysql, "postgres://u:canary@h/d", "it is an address of PostgreSQL"),
    (mysql, "u:canary@h/d", "it does not begin like one"),
    (mysql, "mysql://u:can%41ry%@h/d", "some characters of its password are written as codes"),
    (mysql, "mysql://h/d?useSSL=perhaps", "usessl"),
    (mysql, "mysql://h/d?ssl_check_hostname=false", "ssl_check_hostname"),
    (mysql, "mysql://h/d?tlsmode=2", "tlsmode"),
    (mysql, "mysql://h/d?ssl={no-json", "ssl"),
    (mysql, 'mysql://h/d?ssl={"rejectUnauthorized":false,"ca":"x"}', "ssl"),
    (mysql, "mysql://h/d?sslmode=perhaps", "sslmode"),
    (mysql, "mysql://h/d?sslaccept=perhaps", "sslaccept"),
    (postgres, "postgres://h/d?sslkey=/k&sslpassword=canary", "has an sslpassword"),
    (postgres, "postgres://h/d?sslaccept=perhaps", "write sslmode=verify-full"),
    (postgres, "postgres://h/d?sslmode=perhaps", "sslmode"),
    (postgres, "jdbc:postgresql://h/d?sslfactory=mine", "say it in libpq's words: sslmode"),
    (postgres, "jdbc:postgresql://h/d?targetServerType=primary", "target_session_attrs=primary"),
    (postgres, "host=h canary", "libpq does not know one of its words"),
    (mongodb, "mongodb://h/d?tlsCAFile=/no/such/file", "the file of tlsCAFile cannot be read"),
    (mongodb, "mongodb://h/d?tlsCertificateKeyFilePassword=canary&unheard=1", "unheard"),
    (mongodb, "mongodb://h/d?retryWrites=perhaps", "retryWrites"),
]


@pytest.mark.parametrize(("reader", "url", "said"), ADDRESSES)
def test_an_address_that_is_not_understood_is_refused_without_its_secrets(reader: object, url: str, said: str) -> None:
    assert callable(reader)
    with pytest.raises(SourceError) as refused:
        reader(url)
    told = f"{refused.value.what} {refused.value.why} {refused.value.next}"
    assert said in told and "canary" not in told.replace(said, "")


@pytest.mark.parametrize(
    ("query", "level"),
    [
        ("ssl_ca=/ca&ssl-mode=DISABLED", REQUIRED), ("ssl_disabled=true", OFF), ("ssl_disabled=0", REQUIRED),
        ("trustServerCertificate=true", REQUIRED), ("trustServerCertificate=", None), ("ssl_verify_cert=", None),
        ("ssl=", None), ("ssl=true", REQUIRED), ("ssl_key=/k&ssl_cert=/c", REQUIRED), ("tlsmode=0", None),
        ("ssl_ca=/ca&ssl_verify_cert=false", REQUIRED), ("ssl_ca=/ca", VERIFIED),
    ],
)  # fmt: skip
def test_drivers_of_mysql_mean_the_same_in_other_words(query: str, level: int | None) -> None:
    assert mysql(f"mysql://h/d?{query}").encryption.level == level


def test_programs_of_mysql_that_do_not_fit_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    monkeypatch.setattr(clients, "_PLACES", ())
    for name, said in {"mysqldump": "mysqldump  Ver 8.0.36 for Linux", "mysql": "no version", "mysqld": "gone"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{said}'\n{'exit 1' if said == 'gone' else ''}", "utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "mariadbd").mkdir()
    newest = clients.for_dump(clients.MYSQL, (9, 0))
    assert (newest.version, clients.for_dump(clients.MYSQL, (5, 7)).path) == ("8.0.36", newest.path)
    with pytest.raises(ToolMissing, match=r"no dump program for MariaDB 10\.11") as missing:
        clients.for_dump(clients.MARIADB, (10, 11))
    assert f"MySQL 8.0.36 in {tmp_path}" in missing.value.why and "mariadb-client" in missing.value.next
    with pytest.raises(ToolMissing, match=r"no client program for MySQL 8\.0"):
        clients.for_restore(clients.MYSQL, (8, 0))
    with pytest.raises(ToolMissing, match=r"no server program for MySQL 8\.0") as none:
        clients.for_server(clients.MYSQL, (8, 0))
    assert none.value.why == "found: none"
    with pytest.raises(ToolMissing, match="is no version"):
        clients.series_of("unknown")


class _Text:
    """A dump as a stream, in pieces of a few bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, _size: int = -1, /) -> bytes:
        piece, self._content = self._content[:7], self._content[7:]
        return piece


@pytest.mark.parametrize(
    ("tables", "end", "why"),
    [
        (["a", "b`c"], "\n-- Dump completed on 2026-11-21 10:00:00\n", ""),
        (["a", *(f"t{n}" for n in range(7))], "\n-- Dump completed\n", "it lacks the tables t0, t1, t2, t3, t4 and 2"),
        (["a"], "\n-- Table structure for table `c", "the trailer '-- Dump completed' is missing"),
    ],
)  # fmt: skip
def test_a_dump_of_mysql_is_whole_or_says_what_it_lacks(tables: list[str], end: str, why: str) -> None:
    begun: list[int] = []
    text = "-- head" + "".join(f"\n-- Table structure for table `{name}`\n" for name in ("a", "b``c")) + end
    watched = Watched(
        _Text(text.encode()), begun=lambda: begun.append(1), progress=lambda *_: None, expected_bytes=timedelta().days
    )
    while watched.read():
        pass
    assert begun == [1]
    if not why:
        check(watched, tables)
        return
    with pytest.raises(SourceError, match="the dump is incomplete") as refused:
        check(watched, tables)
    assert refused.value.why.startswith(why)


def test_what_is_no_key_and_no_signature_is_refused(tmp_path: Path) -> None:
    for text, why in (("AAAA", "no public key of minisign"), ("!", "base64")):
        with pytest.raises(ValueError, match=why):
            PublicKey.read(text)
    good = open_signer(tmp_path / "key", lost="").sign(b"x", comment="c").encode()
    first, over_data, trusted, over_all, last = good.split(b"\n")
    for lines, why in {
        (b"other",): "no signature of minisign",
        (first, b"!", trusted, over_all, last): "not written as base64",
        (first, over_all, trusted, over_all, last): "over BLAKE2b",
        (first, b64encode(b"Ed" + b64decode(over_data)[2:]), trusted, over_all, last): "over BLAKE2b",
        (first, over_data, b"trusted comment: \xff", over_all, last): "its comment is no text",
    }.items():
        with pytest.raises(BadSignature, match=why):
            Signature.read(b"\n".join(lines))
    for content, why in (("one line", "cannot be used"), ("a\n" + "QUJD" * 60, "is damaged or has a password")):
        (tmp_path / "broken").write_text(content, encoding="ascii")
        with pytest.raises(OpsError, match=why):
            open_signer(tmp_path / "broken", lost="")
    (keys := tmp_path / "keys").mkdir()
    (keys / INSTALLATION).write_text('{"id": "x", "name": "n", "created": "2026-11-21T00:00:00+00:00"}', "utf-8")
    with pytest.raises(OpsError, match="cannot be read") as refused:
        _ = Keys(keys).installation
    assert "an id is no 32 hexadecimal digits" in refused.value.why
