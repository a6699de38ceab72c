"""How old the newest document is: told of every database, judged where the user says how old it may be."""

from datetime import datetime, timezone

from bson import ObjectId

from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.mongodb.engine import MongoDBEngine
from ops_pipelines.engines.mongodb.settings import MongoDBSource
from ops_pipelines.recovery.assertions import run_check
from ops_pipelines.settings.checks import AggregationCheck
from tests.engines.mongodb.conftest import TestServer


def test_the_newest_document_is_told_and_judged(mongo: TestServer) -> None:
    def at(day: int) -> datetime:
        return datetime(2026, 11, day, 12, tzinfo=timezone.utc)

    database = mongo.new_database()
    database["jobs"].insert_many(
        {"_id": ObjectId.from_datetime(at(day)), "meta": {"doneAt": at(day - 7)}} for day in (10, 18, 12)
    )
    database["by_name"].insert_one({"_id": "x", "name": "no time in it"})
    url = mongo.url(database.name)
    engine = MongoDBEngine("crm", MongoDBSource.model_validate({"kind": "mongodb", "url": url}))
    findings = {each.name: each.detail for each in engine.assertions(url, Contents(level="off"))}
    assert findings["newest document"] == "2026-11-18 12:00:00 UTC in jobs"

    def judged(max_age: str) -> bool:
        asked = AggregationCheck.model_validate({"name": "done", "newest": "jobs.meta.doneAt", "max_age": max_age})
        return run_check(engine, url, asked, as_of=at(20)).passed

    assert (judged("10d"), judged("8d")) == (True, False)
