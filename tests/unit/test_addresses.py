"""Addresses as people have them in their `.env`: what each means, and that nothing of what cannot be read is told."""

import textwrap
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipelines.engines import address
from ops_pipelines.engines.mongodb.connection import Server as MongoDB
from ops_pipelines.engines.mysql.address import PREFERRED, REQUIRED, VERIFIED, read
from ops_pipelines.engines.mysql.connection import parse as mysql
from ops_pipelines.engines.postgres.address import parameters
from ops_pipelines.engines.postgres.connection import Server as Postgres
from ops_pipelines.errors import SourceError
from ops_pipelines.redact import redact
from ops_pipelines.settings.values import sqlite_file

LIMIT = timedelta(seconds=1)
PLAIN = {"user": "u", "password": "p", "host": "h", "dbname": "d"}


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("postgres://u:p@h/d", {}),
        ("postgresql+psycopg2://u:p@h/d", {}),
        ("postgresql+asyncpg://u:p@h/d?ssl=require", {"sslmode": "require"}),
        ("postgis://u:p@h/d", {}),
        ("\"postgres://u:p@h/d\"", {}),
        ("'postgres://u:p@h/d?schema=public' ", {}),
        ("postgres://u:p@h/d?pgbouncer=true&connection_limit=1&pool_timeout=0", {}),
        ("postgres://u:p@h/d?statusColor=686B6F&env=local&name=shop&tLSMode=2&usePrivateKey=false", None),
        ("postgres://u:p@h/d?statusColor=686B6F&env=local&name=shop&tLSMode=0&usePrivateKey=false", {}),
        (
            "postgres://u:p@h/d?sslmode=require&channel_binding=require&options=endpoint%3Dep-1",
            {"sslmode": "require", "channel_binding": "require", "options": "endpoint=ep-1"},
        ),
        ("postgres://u:p@h/d?ssl=true", {"sslmode": "require"}),
        ("postgres://u:p@h/d?sslmode=no-verify", {"sslmode": "require"}),
        ("postgres://u:p@h/d?sslmode=disable&ssl=true", {"sslmode": "require"}),
        ("postgres://u:p@h/d?ssl-mode=VERIFY_FULL&ssl-ca=/ca", {"sslmode": "verify-full", "sslrootcert": "/ca"}),
        ("postgres://u:p@h/d?sslmode=require&sslaccept=accept_invalid_certs", {"sslmode": "require"}),
        ("jdbc:postgresql://h/d?user=u&password=p&ssl=true", {"sslmode": "verify-full"}),
        (
            "jdbc:postgresql://h/d?user=u&password=p&ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory",
            {"sslmode": "require"},
        ),
        ("postgres://u:p@h/d?sslfactory=com.example.Own", None),
        ("postgres://u:p@h/d?sslmode=perhaps", None),
        ("postgres://u:p@h/d?sslidentity=/x.p12", None),
        ("postgres://u:p@h/d?unheard_of=1", None),
    ],
)  # fmt: skip
def test_a_postgresql_address_keeps_its_encryption_and_drops_what_is_an_applications_own(
    url: str, more: dict[str, str] | None
) -> None:
    if more is None:
        with pytest.raises(SourceError, match="not understood"):
            parameters(url)
    else:
        assert parameters(url) == PLAIN | more


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u@[::1]:5433/d", {"user": "u", "host": "::1", "port": "5433", "dbname": "d"}),
        ("postgresql://h1:1,h2:2/d", {"host": "h1,h2", "port": "1,2", "dbname": "d"}),
        ("postgresql:///d?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "d"}),
        ("postgresql://%2Frun%2Fpostgresql/d", {"host": "/run/postgresql", "dbname": "d"}),
        ("postgresql://u@/a%2Fb?host=%2Frun", {"user": "u", "host": "/run", "dbname": "a/b"}),
        ("host=h user=u password='p q' dbname=d", {"host": "h", "user": "u", "password": "p q", "dbname": "d"}),
    ],
)
def test_where_a_postgresql_address_leads(url: str, expected: dict[str, str]) -> None:
    assert parameters(url) == expected


def test_who_checks_certificates_with_the_systems_gets_them_from_us_as_well() -> None:
    found = parameters("postgres://u:p@h/d?sslmode=require&sslaccept=strict")
    assert found["sslmode"] == "verify-full"
    assert found["sslrootcert"] == "system" or Path(found["sslrootcert"]).exists()


@pytest.mark.parametrize(
    ("url", "direct"),
    [
        ("postgres://u:secret@ep-a-1-pooler.eu.aws.neon.tech/d?sslmode=require", "ep-a-1.eu.aws.neon.tech"),
        ("postgres://u:secret@aws-0-eu.pooler.supabase.com:6543/postgres?pgbouncer=true", "port 5432"),
    ],
)
def test_a_pooler_by_its_name_is_refused_with_the_direct_address(url: str, direct: str) -> None:
    with pytest.raises(SourceError, match="pooler") as caught:
        parameters(url)
    assert direct in caught.value.next
    assert "secret" not in str(caught.value)


def test_the_page_of_addresses_shows_what_is_printed_for_a_pooler() -> None:
    with pytest.raises(SourceError) as caught:
        parameters("postgres://u:secret@ep-cool-1-pooler.eu.aws.neon.tech/d")
    page = (Path(__file__).parents[2] / "docs/addresses.md").read_text(encoding="utf-8")
    assert textwrap.indent(str(caught.value), "    ") in page


@pytest.mark.parametrize(
    ("query", "level"),
    [
        ("", None),
        ("charset=utf8mb4&serverVersion=8.0&parseTime=true", None),
        ("sslmode=require", REQUIRED),
        ("sslmode=verify-full", VERIFIED),
        ("tls=true", VERIFIED),
        ("tls=skip-verify", REQUIRED),
        ("tls=preferred", PREFERRED),
        ("sslaccept=strict", VERIFIED),
        ("sslaccept=accept_invalid_certs", REQUIRED),
        ("useSSL=true", REQUIRED),
        ("useSSL=true&verifyServerCertificate=true", VERIFIED),
        ("ssl-mode=REQUIRED", REQUIRED),
        ("sslMode=VERIFY_IDENTITY", VERIFIED),
        ('ssl={"rejectUnauthorized":true}', VERIFIED),
        ("ssl=%7B%22rejectUnauthorized%22%3Afalse%7D", REQUIRED),
        ("sslcert=/ca.pem", VERIFIED),
        ("sslca=/ca.pem", VERIFIED),
        ("tls=custom", "tls"),
        ("ssl=Amazon RDS", "ssl"),
        ("trustCertificateKeyStoreUrl=file:/x", "trustCertificateKeyStoreUrl"),
        ("unheard_of=1", "unheard_of"),
    ],
)
def test_a_mysql_address_keeps_its_encryption(query: str, level: int | str | None) -> None:
    url = f"mysql://u:p@h/d?{query}"
    if isinstance(level, str):
        with pytest.raises(SourceError, match=f"not understood: {level}"):
            read(url)
        return
    assert read(url).encryption.level == level
    server = mysql(url, connect=LIMIT)
    assert mysql(server.url(), connect=LIMIT) == server


@pytest.mark.parametrize(
    "url",
    [
        "mysql2://u:p@h/d", "mysql+pymysql://u:p@h/d", "pdo-mysql://u:p@h/d", "pdo_mysql://u:p@h/d", '"mysql://u:p@h/d"',
        "jdbc:mysql://h/d?user=u&password=p", "jdbc:mariadb://h:3306/d?user=u&password=p", "mariadb+mariadbconnector://u:p@h/d",
    ],
)  # fmt: skip
def test_a_mysql_address_by_any_name(url: str) -> None:
    assert mysql(url, connect=LIMIT) == mysql("mysql://u:p@h/d", connect=LIMIT)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mongodb://u:p@h/d", "mongodb://u:p@h/d?authSource=d"),
        ("mongodb+srv://u:p@c.example.net/d?retryWrites=true&w=majority",
         "mongodb+srv://u:p@c.example.net/d?retryWrites=true&w=majority&authSource=admin"),
        ("mongodb://u:a+b@h/d?useNewUrlParser=true&useUnifiedTopology=true", "mongodb://u:a%2Bb@h/d?authSource=d"),
        ("mongodb://h1:1,h2:2/d?replicaSet=r", "mongodb://h1:1,h2:2/d?replicaSet=r"),
        ("mongodb://[::1]:27018/d?tls=true", "mongodb://[::1]:27018/d?tls=true"),
        ("mongodb://h/d?tls=ture", None),
        ("mongodb://h/d?sslmode=require", None),
        ("mongodb://h/d?ssl_cert_reqs=CERT_REQUIRED", None),
        ("mongodb://h/d?unheard_of=1", None),
    ],
)  # fmt: skip
def test_a_mongodb_address_passes_on_what_the_driver_knows_and_nothing_in_silence(
    url: str, expected: str | None
) -> None:
    if expected is None:
        with pytest.raises(SourceError, match="not understood"):
            MongoDB(url, connect=LIMIT, stall=LIMIT)
    else:
        assert MongoDB(url, connect=LIMIT, stall=LIMIT).url() == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///app.db", "app.db"), ("sqlite:////srv/app.db", "/srv/app.db"), ("sqlite3:db/app.db", "db/app.db"),
        ("sqlite+aiosqlite:////srv/app.db?timeout=5", "/srv/app.db"), ("file:./dev.db", "./dev.db"),
        ("jdbc:sqlite:/srv/app.db", "/srv/app.db"), ("file:///srv/a%20b.db", "/srv/a b.db"),
        ("/srv/app.db", "/srv/app.db"),
    ],
)  # fmt: skip
def test_an_sqlite_address_is_a_path(text: str, path: str) -> None:
    assert sqlite_file(text) == path


# -- passwords that nobody encoded -----------------------------------------------------------------------

RAW = st.text(st.sampled_from("aZ09/@#?%:+&=,;!$ ~é"), max_size=12).map(lambda text: f"Qq{text}Zz")


def _password(url: str, of: str) -> str | None:
    if of == "postgres":
        return str(Postgres(url, connect=LIMIT).parameters["password"])
    if of == "mysql":
        return mysql(url, connect=LIMIT).password
    return address.parse(url, "mongodb").password


@given(
    password=RAW,
    of=st.sampled_from(("postgres", "mysql", "mongodb")),
    query=st.sampled_from(("", "?connect_timeout=5")),
)
def test_a_password_that_nobody_encoded_is_understood_or_refused_without_a_word_of_it(
    password: str, of: str, query: str
) -> None:
    url = f"{of}://somebody:{password}@db.example.org/crm{query if of != 'mongodb' else ''}"
    try:
        understood = _password(url, of)
    except SourceError as error:
        assert not any(part in error.as_dict().values() for part in (password, url))
        assert "Qq" not in str(error)
        assert "Zz" not in str(error)
        assert address.shown(url) == "the address given"
    else:
        # Codes are decoded where nothing else stands against it: then it was encoded.
        assert understood == password or "%" in password
        assert address.shown(url) == "crm on db.example.org"


@pytest.mark.parametrize("password", ["a/b", "a@b", "a#b", "a?b", "a%b", "a:b", "p@ss/w#rd?100%:x", "//", "@@", "1/x"])
def test_each_special_character_is_understood(password: str) -> None:
    for of in ("postgres", "mysql", "mongodb"):
        assert _password(f"{of}://u:{password}@h:1234/d", of) == password


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("crm_restored", "crm_restored"),
        ("/srv/a:b@c", "/srv/a:b@c"),
        ("file:///srv/x", "file:///srv/x"),
        ("postgresql://u:canary@h:5433/d", "d on h:5433"),
        ("mysql://u:canary@/d?socket=/run/s", "d on /run/s"),
        ("host=h dbname=d password='can ary'", "d on h"),
        ("host=h dbname=d password=canary x", "the address given"),
        ("application_name=x password=canary", "no database on localhost"),
        ("u:canary@tcp(h:3306)/d", "the address given"),
        ("redis://u:canary@h/d", "the address given"),
    ],
)
def test_a_target_is_shown_by_its_parts(target: str, shown: str) -> None:
    assert address.shown(target) == shown


def test_a_foreign_text_with_an_unencoded_password_is_masked_up_to_the_last_at() -> None:
    assert redact("cannot parse amqp://me:ca/na@ry@host/x") == "cannot parse amqp://me:•••@host/x"
