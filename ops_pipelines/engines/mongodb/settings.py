"""A MongoDB database in `ops.yaml`."""

from typing import Literal

from pydantic import Field, model_validator

from ops_pipelines.engines.base import Engine
from ops_pipelines.engines.examiner import Examiner
from ops_pipelines.engines.source import ServerSource, Source
from ops_pipelines.extras import needed
from ops_pipelines.settings.checks import AggregationCheck
from ops_pipelines.settings.secrets import Secret, SecretRef


class MongoDBSource(ServerSource):
    """A MongoDB database."""

    kind: Literal["mongodb"]
    url: Secret = Field(
        description="mongodb://user:password@host:27017/database", examples=[{"env": "SERVICE_MONGODB_URL"}]
    )
    tool: Literal["builtin", "mongodump"] = Field(
        "builtin", description="mongodump dumps with MongoDB's own tool when it is on PATH"
    )
    jobs: int = Field(4, ge=1, le=64, description="collections read side by side")
    accounts: bool = Field(False, description="dump the database's users and roles; needs `encrypt`")
    checks: tuple[AggregationCheck, ...] = ()

    @model_validator(mode="after")
    def _accounts_are_encrypted(self) -> "MongoDBSource":
        if self.accounts and self.encrypt is None:
            raise ValueError("accounts needs encrypt: password hashes are not written in the clear")
        return self

    def detached(self, password: SecretRef | None) -> Source:
        """See `Source.detached`."""
        return self.model_copy(update={"url": SecretRef.model_validate({"literal": "mongodb://127.0.0.1:1/drill"})})

    def engine(self, name: str) -> Engine:
        """See `Source.engine`."""
        with needed("mongodb"):
            from ops_pipelines.engines.mongodb.engine import MongoDBEngine  # noqa: PLC0415

        return MongoDBEngine(name, self)

    def examiner(self, name: str) -> Examiner:
        """See `Source.examiner`."""
        with needed("mongodb"):
            from ops_pipelines.engines.mongodb.examine import MongoDBExaminer  # noqa: PLC0415

        return MongoDBExaminer(name, self)
