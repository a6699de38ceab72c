"""The user's own checks: a question to what was restored, and the answer that is acceptable."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import Field, model_validator

from ops_pipelines.settings.common import Model
from ops_pipelines.settings.values import Duration, Name, Span

MASK_DESCRIPTION = "personal data in what it prints (mail addresses, telephone numbers, IBANs, cards, IPs) is masked"


class Expectation(Model):
    """What an answer has to be like. All that is given must hold."""

    name: Name
    min: float | None = None
    max: float | None = None
    equals: str | float | bool | None = None
    max_age: Duration | None = Field(None, description="the value is a time, no older than this at the dump's start")
    attention: bool = Field(False, description="an unexpected answer asks for a look and marks no backup bad")
    mask: bool = Field(True, description=MASK_DESCRIPTION)

    @model_validator(mode="after")
    def _expects_something(self) -> "Expectation":
        if self.min is None and self.max is None and self.equals is None and self.max_age is None:
            raise ValueError("say what to expect: min, max, equals or max_age")
        return self


_Asking = TypeVar("_Asking", bound=Expectation)


def _aged(check: _Asking, newest: str | None) -> _Asking:
    if newest is not None and check.max_age is None:
        raise ValueError("how old may the newest be? max_age: 48h")
    return check


class SqlCheck(Expectation):
    """A question in SQL, or the age of a table's newest row."""

    sql: str | None = Field(
        None, description="one SELECT that returns one value", examples=["select count(*) from companies"]
    )
    newest: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*){1,2}$",
        description="instead of sql: table.column, whose latest time must be within `max_age`",
        examples=["contacts.created_at"],
    )

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "SqlCheck":
        if (self.sql is None) == (self.newest is None):
            raise ValueError("ask one thing: sql, or newest")
        return _aged(self, self.newest)

    @property
    def question(self) -> str:
        """What to ask the engine."""
        if self.newest is None:
            return self.sql or ""
        table, _, column = self.newest.rpartition(".")
        return f"select max({column}) from {table}"


class CommandCheck(Model):
    """A program of the user's own, run against every restored copy."""

    name: Name
    command: tuple[str, ...] = Field(
        min_length=1,
        description="run with the restored copy's address in OPS_TARGET; status 0 is good",
        examples=[["/srv/crm/bin/smoke-test", "--read-only"]],
    )
    limit: Span = Field(timedelta(minutes=5), description="then it is stopped, and has failed")
    attention: bool = Field(False, description="a failure asks for a look and marks no backup bad")
    mask: bool = Field(True, description=MASK_DESCRIPTION)


class AggregationCheck(Expectation):
    """A question to MongoDB, or the age of a collection's newest document."""

    collection: str | None = None
    pipeline: Sequence[Mapping[str, Any]] = Field(
        (),
        description="an aggregation; the first field of its first document, `_id` aside, is the answer",
        examples=[[{"$count": "n"}]],
    )
    newest: str | None = Field(
        None,
        pattern=r"^[^.$]+(\.[^.$]+)+$",
        description="instead of collection and pipeline: collection.field, whose latest time must be within `max_age`",
        examples=["contacts.createdAt"],
    )

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "AggregationCheck":
        if (self.newest is None) == (self.collection is None) or bool(self.pipeline) != (self.collection is not None):
            raise ValueError("ask one thing: a collection with a pipeline, or newest")
        return _aged(self, self.newest)

    @model_validator(mode="after")
    def _only_reads(self) -> "AggregationCheck":
        writing = {key for stage in self.pipeline for key in stage} & {"$out", "$merge"}
        if writing:
            raise ValueError(f"a check only reads: {', '.join(sorted(writing))} would write")
        return self

    @property
    def question(self) -> Mapping[str, object]:
        """What to ask the engine."""
        if self.newest is None:
            return {"collection": self.collection, "pipeline": list(self.pipeline)}
        collection, _, field = self.newest.partition(".")
        return {"collection": collection, "pipeline": [{"$group": {"_id": None, "newest": {"$max": f"${field}"}}}]}
