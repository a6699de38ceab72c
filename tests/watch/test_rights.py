"""The rights that docs/rights.md asks for are enough: a login made by exactly these statements is saved and probed."""

import re
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import yaml

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.engines.figures import Figures
from ops_pipelines.engines.mongodb import measure as mongodb
from ops_pipelines.engines.mongodb.connection import with_credentials
from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql import measure as mysql
from ops_pipelines.engines.mysql.connection import session
from ops_pipelines.engines.mysql.server import private_server
from ops_pipelines.engines.postgres import measure as postgres
from ops_pipelines.recovery.verify import verify
from tests.conftest import DEBIAN, Made, MakeWorkspace, TestServer, start_server
from tests.engines.mongodb.conftest import TestServer as MongoServer
from tests.engines.mongodb.conftest import mongo  # noqa: F401 - a fixture
from tests.engines.mysql.conftest import TestServer as MariaServer
from tests.engines.mysql.conftest import mysqld  # noqa: F401 - a fixture
from tests.watch.receivers import certificate

PAGE = (Path(__file__).parents[2] / "docs" / "rights.md").read_text(encoding="utf-8")
PASSWORD = f"canary {secrets.token_hex(8)}"
LIMIT, SLOW = timedelta(seconds=20), timedelta(seconds=1)


def statements(title: str, database: str) -> str:
    """What the page says to type, for this database and password."""
    (section,) = (text for text in PAGE.split("\n## ") if text.startswith(f"{title}\n"))
    (block,) = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
    return str(block).replace("crm", database).replace("…", PASSWORD)


def sql(title: str, database: str) -> list[str]:
    """The same, each statement by itself."""
    return [line.partition(";")[0] for line in statements(title, database).splitlines() if line]


def proved(made: Made) -> list[str]:
    """Back up, copy, restore and compare; the warnings of the backup."""
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    copy_to(made.workspace, point, "nas")
    found = verify(made.workspace, point)
    assert found.outcome == "verified", found.reason
    return list(point.manifest.warnings)


def until(ask: Callable[[], Figures], holds: Callable[[Figures], bool]) -> Figures:
    """Ask until it is so."""
    deadline = time.monotonic() + 60
    while not holds(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A PostgreSQL server that speaks TLS, which the embedded one does not."""
    directory = tmp_path_factory.mktemp("tls")
    pem = certificate(directory)
    pem.chmod(0o600)
    settings = {"ssl": "on", "ssl_cert_file": str(pem), "ssl_key_file": str(pem)}
    (directory / "pg").mkdir()
    with start_server(DEBIAN, directory / "pg", settings) as server:
        yield server


def test_postgresql(secured: TestServer, make_workspace: MakeWorkspace) -> None:
    database = secured.new_database()
    secured.sql(
        "create schema shop",
        "create table shop.orders (id serial primary key, customer text)",
        "insert into shop.orders (customer) select md5(i::text) from generate_series(1, 500) i",
        "alter table shop.orders enable row level security",
        "create view shop.customers as select distinct customer from shop.orders",
        database=database,
    )
    secured.sql(*sql("PostgreSQL", database))
    login = {"host": "127.0.0.1", "port": str(secured.port), "user": "ops_backup", "password": PASSWORD}
    url = secured.url(database, **login)
    assert (
        proved(make_workspace(url, checks=[{"name": "orders", "sql": "select count(*) from shop.orders", "min": 500}]))
        == []
    )

    def ask() -> Figures:
        return postgres.measure(url, limit=LIMIT, slow_query=SLOW)[1]

    quiet = ask()
    assert quiet.slow_queries == 0
    assert quiet.password_ends_at is None
    now = secured.sql("select now()")[0][0]
    assert quiet.certificate_ends_at is not None
    assert timedelta(hours=23) < quiet.certificate_ends_at - now < timedelta(hours=25)
    with closing(psycopg.connect(secured.url(database, application_name="shop"), autocommit=True)) as other:
        other.pgconn.send_query(b"select pg_sleep(60)")
        until(ask, lambda found: found.slow_queries == 1)
    secured.sql("alter role ops_backup valid until '2030-01-01 00:00+00'")
    ends = ask().password_ends_at
    assert ends is not None
    assert f"{ends:%Y-%m-%d %H:%M}" == "2030-01-01 00:00"


@dataclass(frozen=True)
class Pair:
    """A primary that speaks TLS, its replica, and the replica's directory."""

    primary: MariaServer
    replica: MariaServer
    port: int


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Two MariaDB servers, one following the other."""
    program = clients.for_server(clients.MARIADB, (10, 5))
    with tempfile.TemporaryDirectory(prefix="ops-my-") as name, ExitStack() as stack:
        folder = Path(name)
        pem = certificate(folder)
        quick = {"innodb_flush_log_at_trx_commit": "0", "innodb_doublewrite": "0", "sync_binlog": "0"}
        tls = {"ssl_cert": str(pem), "ssl_key": str(pem), "log_bin": "binlog", "server_id": "1"}
        boss = {"user": "boss", "password": PASSWORD}
        servers = []
        for role, port, settings in (
            ("p", free_port(), {**quick, **tls}),
            ("r", free_port(), {**quick, "server_id": "2"}),
        ):
            (folder / role).mkdir()
            root = stack.enter_context(private_server(program, folder / role, **boss, port=port, settings=settings))
            servers.append((MariaServer(folder / role, root), port))
        (primary, port), (replica, _other) = servers
        primary.sql("create user follower@'127.0.0.1' identified by %s", parameters=[PASSWORD])
        primary.sql("grant replication slave on *.* to follower@'127.0.0.1'", "reset master")
        follow = f"change master to master_host='127.0.0.1', master_port={port}, master_user='follower', "
        follow += "master_password=%s, master_log_file='binlog.000001', master_log_pos=4, master_use_gtid=no"
        replica.sql(follow, parameters=[PASSWORD])
        replica.sql("start slave")
        yield Pair(primary, replica, port)


def test_mariadb_and_its_replica(pair: Pair, make_workspace: MakeWorkspace) -> None:
    database = pair.primary.new_database()
    pair.primary.sql(
        "create table orders (id int primary key auto_increment, customer text)",
        "insert into orders (customer) select md5(seq) from seq_1_to_500",
        "create view customers as select distinct customer from orders",
        "create procedure tidy() delete from orders where customer is null",
        "create trigger stamp before insert on orders for each row set new.customer = lower(new.customer)",
        "create event nightly on schedule every 1 day do delete from orders where customer is null",
        database=database,
    )
    pair.primary.sql(*sql("MariaDB", database))
    url = f"mysql://ops_backup:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{pair.port}/{database}?ssl=true"
    assert proved(make_workspace(url, kind="mysql")) == []
    found = mysql.measure(url, limit=LIMIT, slow_query=SLOW)[1]
    assert found.certificate_ends_at is not None
    assert (found.lag_s, found.replica_stopped) == (None, None), "a primary is behind nobody"

    wire = pair.replica.root.at(database).url().replace("//boss:", "//ops_backup:")

    def ask() -> Figures:
        return mysql.measure(wire, limit=LIMIT, slow_query=SLOW)[1]

    until(ask, lambda found: found.lag_s == 0)
    with held(pair.replica, database):
        pair.primary.sql("insert into orders (customer) values ('late')", database=database)
        until(ask, lambda found: (found.lag_s or 0) >= 1)
    until(ask, lambda found: found.lag_s == 0)
    pair.replica.sql("stop slave sql_thread")
    assert ask().replica_stopped == "Replica_SQL_Running is No: somebody stopped it"


def test_mysql(mysqld: MariaServer, make_workspace: MakeWorkspace) -> None:  # noqa: F811
    database = mysqld.new_database()
    mysqld.sql(
        "create table orders (id int primary key auto_increment, customer text)",
        "insert into orders (customer) values ('a'), ('b')",
        "create view customers as select distinct customer from orders",
        "create procedure tidy() delete from orders where customer is null",
        "create trigger stamp before insert on orders for each row set new.customer = lower(new.customer)",
        "create event nightly on schedule every 1 day do delete from orders where customer is null",
        database=database,
    )
    mysqld.sql(*sql("MySQL", database))
    url = replace(mysqld.root.at(database), user="ops_backup", password=PASSWORD).url()
    programs = [str(each) for each in mysqld.bin_dirs]
    assert proved(make_workspace(url, kind="mysql", bin_dirs=programs)) == []
    assert mysql.measure(url, limit=LIMIT, slow_query=SLOW)[1].replica_stopped is None


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def held(server: MariaServer, database: str) -> Iterator[None]:
    """Nobody writes to the orders, the replication neither."""
    with session(server.root.at(database), limit=LIMIT, settings=False) as opened:
        opened.rows("lock tables orders read")
        yield


def test_mongodb(mongo: MongoServer, make_workspace: MakeWorkspace) -> None:  # noqa: F811
    database = mongo.new_database()
    database["orders"].insert_many({"customer": n} for n in range(500))
    script = statements("MongoDB", database.name)
    user = yaml.safe_load(script[script.index("({") + 1 : script.rindex(")")])
    mongo.client.admin.command("createUser", user.pop("user"), pwd=user.pop("pwd"), roles=user.pop("roles"))
    assert user == {}, "nothing on the page was left out"
    url = f"{with_credentials('127.0.0.1', mongo.port, database.name, 'ops_backup', PASSWORD)}"
    assert proved(make_workspace(url, kind="mongodb")) is not None
    assert mongodb.measure(url, limit=LIMIT, slow_query=SLOW)[1].slow_queries == 0
