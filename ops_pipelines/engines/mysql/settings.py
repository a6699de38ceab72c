"""A MySQL or MariaDB database in `ops.yaml`."""

from typing import Literal

from pydantic import Field, model_validator

from ops_pipelines.engines.base import Engine
from ops_pipelines.engines.examiner import Examiner
from ops_pipelines.engines.source import ServerSource, Source
from ops_pipelines.extras import needed
from ops_pipelines.settings.checks import SqlCheck
from ops_pipelines.settings.secrets import Secret, SecretRef


class MySQLSource(ServerSource):
    """A MySQL or MariaDB database."""

    kind: Literal["mysql"]
    url: Secret = Field(
        description="mysql://user:password@host:3306/database; ?socket=/path, ?ssl-ca=/path and so on",
        examples=[{"env": "CRM_DATABASE_URL"}],
    )
    jobs: int = Field(2, ge=1, le=64, description="sessions that fingerprint, and load a proof, side by side")
    accounts: bool = Field(False, description="dump the accounts the database's users log in with; needs `encrypt`")
    checks: tuple[SqlCheck, ...] = ()

    @model_validator(mode="after")
    def _accounts_are_encrypted(self) -> "MySQLSource":
        if self.accounts and self.encrypt is None:
            raise ValueError("accounts needs encrypt: password hashes are not written in the clear")
        return self

    def detached(self, password: SecretRef | None) -> Source:
        """See `Source.detached`."""
        return self.model_copy(
            update={"url": SecretRef.model_validate({"literal": "mysql://nobody@127.0.0.1:1/drill"})}
        )

    def engine(self, name: str) -> Engine:
        """See `Source.engine`."""
        with needed("mysql"):
            from ops_pipelines.engines.mysql.engine import MySQLEngine  # noqa: PLC0415

        return MySQLEngine(name, self)

    def examiner(self, name: str) -> Examiner:
        """See `Source.examiner`."""
        with needed("mysql"):
            from ops_pipelines.engines.mysql.examine import MySQLExaminer  # noqa: PLC0415

        return MySQLExaminer(name, self)
