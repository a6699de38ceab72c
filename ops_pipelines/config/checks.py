"""The user's own checks: a question to what was restored, and the answer that is acceptable."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field, model_validator

from ops_pipelines.config.settings import Model
from ops_pipelines.config.values import Duration, Name, Span


class Expectation(Model):
    """What an answer has to be like. All that is given must hold."""

    name: Name
    min: float | None = None
    max: float | None = None
    equals: str | float | bool | None = None
    max_age: Duration | None = Field(None, description="the value is a time, no older than this at the dump's start")

    @model_validator(mode="after")
    def _expects_something(self) -> "Expectation":
        if self.min is None and self.max is None and self.equals is None and self.max_age is None:
            raise ValueError("say what to expect: min, max, equals or max_age")
        return self


class SqlCheck(Expectation):
    """A question in SQL."""

    sql: str = Field(description="one SELECT that returns one value", examples=["select count(*) from companies"])

    @property
    def question(self) -> str:
        """What to ask the engine."""
        return self.sql


class CommandCheck(Model):
    """A program of the user's own, run against every restored copy."""

    name: Name
    command: tuple[str, ...] = Field(
        min_length=1,
        description="run with the restored copy's address in OPS_TARGET; status 0 is good",
        examples=[["/srv/crm/bin/smoke-test", "--read-only"]],
    )
    limit: Span = Field(timedelta(minutes=5), description="then it is stopped, and has failed")


class AggregationCheck(Expectation):
    """A question to MongoDB."""

    collection: str
    pipeline: Sequence[Mapping[str, Any]] = Field(
        description="an aggregation; the first field of its first document, `_id` aside, is the answer",
        examples=[[{"$count": "n"}]],
    )

    @model_validator(mode="after")
    def _only_reads(self) -> "AggregationCheck":
        writing = {key for stage in self.pipeline for key in stage} & {"$out", "$merge"}
        if writing:
            raise ValueError(f"a check only reads: {', '.join(sorted(writing))} would write")
        return self

    @property
    def question(self) -> Mapping[str, object]:
        """What to ask the engine."""
        return {"collection": self.collection, "pipeline": list(self.pipeline)}
