"""Where a restore may go, how a source is recognised, and what it can be asked."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ops_pipelines import redact
from ops_pipelines.engines.mongodb.connection import Identity, Server
from ops_pipelines.engines.mongodb.engine import MongoDBEngine
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.errors import SafetyRefusal, SourceError
from ops_pipelines.settings.checks import AggregationCheck
from tests.engines.mongodb.conftest import PASSWORD, Mongo, TestServer


@pytest.fixture
def database(mongo: TestServer) -> Mongo:
    """A database with one collection."""
    made = mongo.new_database()
    made["visits"].insert_many([{"_id": i, "at": datetime.datetime(2026, 1, 1 + i)} for i in range(3)])
    return made


def engine(url: str) -> MongoDBEngine:
    return MongoDBEngine("crm", MongoDBSource.model_validate({"kind": "mongodb", "url": url}))


@pytest.mark.parametrize(
    "spelling",
    ["{db}", "{url}", "{localhost}", "{shouted}", "{seeds}", "{other_path_same_db}"],
)
def test_the_source_is_recognised_however_it_is_spelled(spelling: str, mongo: TestServer, database: Mongo) -> None:
    url = mongo.url(database.name)
    target = {
        "{db}": database.name,
        "{url}": url,
        "{localhost}": url.replace("127.0.0.1", "localhost"),
        "{shouted}": url.replace(database.name, database.name.upper()),
        "{seeds}": url.replace(f"127.0.0.1:{mongo.port}", f"localhost:{mongo.port},127.0.0.1:{mongo.port}").replace(
            "&directConnection=true", "&replicaSet=secantus"
        ),
        "{other_path_same_db}": url.replace("?", "?appName=another&"),
    }[spelling]
    protected = engine(url)
    assert protected.is_source(target)
    with pytest.raises(SafetyRefusal, match="is the source crm itself"):
        protected.create_target(target, {"database": database.name})


def test_another_database_of_the_same_server_is_no_source(mongo: TestServer, database: Mongo) -> None:
    assert not engine(mongo.url(database.name)).is_source("another")
    for other_kind in ("postgresql://127.0.0.1/crm", "host=/run dbname=crm", "/srv/folder", "mysql://h/crm"):
        assert not engine(mongo.url(database.name)).is_source(other_kind)


def test_a_server_that_does_not_answer_is_compared_by_its_address() -> None:
    url = "mongodb://127.0.0.1:1/crm?serverSelectionTimeoutMS=1"
    source = MongoDBSource.model_validate({"kind": "mongodb", "url": url, "limits": {"connect": "1s"}})
    protected = MongoDBEngine("crm", source)
    assert protected.is_source("mongodb://localhost:1/crm")
    assert protected.is_source("mongodb://[::1]:1/CRM")
    assert not protected.is_source("mongodb://localhost:2/crm")
    assert not protected.is_source("mongodb://localhost:1/other")


def test_members_of_one_replica_set_are_one_source() -> None:
    def member(process: str, *hosts: str, replica_set: str = "rs0", database: str = "crm") -> Identity:
        return Identity(process, replica_set, frozenset(hosts), "", database)

    here = member("p1", "a:27017", "b:27017")
    assert here.same(member("p2", "b:27017", "c:27017"))
    assert not here.same(member("p2", "b:27017", replica_set="rs1"))
    assert not here.same(member("p2", "x:27017"))
    assert not here.same(member("p1", "a:27017", database="other"))


def test_a_target_that_is_not_empty_is_refused(mongo: TestServer, database: Mongo) -> None:
    other = mongo.new_database()
    other.create_collection("something")
    with pytest.raises(SafetyRefusal, match="is not empty"):
        engine(mongo.url(database.name)).create_target(other.name, {})
    with pytest.raises(SafetyRefusal, match="belongs to the server"):
        engine(mongo.url(database.name)).create_target("admin", {})


def test_an_aggregation_is_answered_with_its_first_field(mongo: TestServer, database: Mongo) -> None:
    url = mongo.url(database.name)
    counted = AggregationCheck(name="n", min=1, collection="visits", pipeline=[{"$count": "n"}])
    newest = AggregationCheck.model_validate(
        {"name": "age", "max_age": "24h", "collection": "visits",
         "pipeline": [{"$group": {"_id": None, "newest": {"$max": "$at"}}}]}
    )  # fmt: skip
    nothing = AggregationCheck(name="none", min=1, collection="visits", pipeline=[{"$match": {"_id": "none"}}])
    assert engine(url).ask(url, counted.question) == 3
    assert engine(url).ask(url, newest.question) == datetime.datetime(2026, 1, 3, tzinfo=datetime.timezone.utc)
    assert engine(url).ask(url, nothing.question) is None
    with pytest.raises(SourceError):
        engine(url).ask(url, {"collection": "visits", "pipeline": [{"$nonsense": 1}]})


@pytest.mark.parametrize("stage", ["$out", "$merge"])
def test_a_check_that_would_write_is_refused_in_the_configuration(stage: str) -> None:
    with pytest.raises(ValidationError, match="would write"):
        AggregationCheck(name="x", min=1, collection="a", pipeline=[{stage: "b"}])


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mongodb://host:27017", "names no database"),
        ("mongodb://host:27017/", "names no database"),
        ("mongodb://host/a.b", "no name of a database"),
        ("postgres://host/db", "an address of PostgreSQL"),
        ("mongodb://user:pass@word?a=b@host/db", "more than one way"),
    ],
)
def test_a_url_that_cannot_be_used_is_told(url: str, why: str) -> None:
    with pytest.raises(SourceError) as caught:
        engine(url).probe()
    assert why in caught.value.why


def test_a_url_keeps_its_parts_in_another_database() -> None:
    second = datetime.timedelta(seconds=1)
    server = Server("mongodb://u:p%40ss@a:1,b:2/crm?tls=true&replicaSet=rs", connect=second, stall=second)
    assert server.at("x").url() == "mongodb://u:p%40ss@a:1,b:2/x?tls=true&replicaSet=rs&authSource=crm"
    srv = Server("mongodb+srv://u:p%40ss@cluster.example/crm", connect=second, stall=second)
    assert srv.at("x").url() == "mongodb+srv://u:p%40ss@cluster.example/x?authSource=admin"
    assert "p%40ss" not in str(server)
    assert "p@ss" not in redact.redact("it was p@ss")


def test_a_database_that_does_not_exist_is_an_error(mongo: TestServer) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        engine(mongo.url("no_such_database")).probe()


def test_a_wrong_password_is_told_without_it(mongo: TestServer, tmp_path: Path) -> None:
    good: Any = mongo.url("admin")
    with pytest.raises(SourceError) as caught:
        engine(good.replace("canary-pw", "canary-wrong")).probe()
    assert "uthentication failed" in caught.value.why
    assert "canary" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
