"""A PostgreSQL database in `ops.yaml`."""

from typing import Literal

from pydantic import Field, model_validator

from ops_pipelines.engines.base import Engine
from ops_pipelines.engines.examiner import Examiner
from ops_pipelines.engines.source import ServerSource, Source
from ops_pipelines.extras import needed
from ops_pipelines.settings.checks import SqlCheck
from ops_pipelines.settings.secrets import Secret, SecretRef

_NOWHERE = "host=127.0.0.1 port=1 dbname=drill user=nobody"


class PostgresSource(ServerSource):
    """A PostgreSQL database."""

    kind: Literal["postgres"]
    url: Secret = Field(
        description="URL or libpq's key=value string (TCP, socket, TLS, service=)",
        examples=[{"env": "CRM_DATABASE_URL"}],
    )
    format: Literal["custom", "directory", "sql"] = Field(
        "custom", description="custom streams; directory dumps in parallel"
    )
    jobs: int = Field(2, ge=1, le=64, description="parallel workers for directory dumps, fingerprints and restores")
    role_passwords: bool = Field(
        False, description="keep role password hashes in globals.sql; needs `encrypt` and superuser"
    )
    checks: tuple[SqlCheck, ...] = ()

    @model_validator(mode="after")
    def _passwords_are_encrypted(self) -> "PostgresSource":
        if self.role_passwords and self.encrypt is None:
            raise ValueError("role_passwords needs encrypt: password hashes are not written in the clear")
        return self

    def detached(self, password: SecretRef | None) -> Source:
        """See `Source.detached`."""
        return self.model_copy(update={"url": SecretRef.model_validate({"literal": _NOWHERE})})

    def engine(self, name: str) -> Engine:
        """See `Source.engine`."""
        with needed("postgres"):
            from ops_pipelines.engines.postgres.engine import PostgresEngine  # noqa: PLC0415

        return PostgresEngine(name, self)

    def examiner(self, name: str) -> Examiner:
        """See `Source.examiner`."""
        with needed("postgres"):
            from ops_pipelines.engines.postgres.examine import PostgresExaminer  # noqa: PLC0415

        return PostgresExaminer(name, self)
