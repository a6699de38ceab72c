"""What can be protected: one model per kind of source."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ops_pipelines.config.checks import AggregationCheck, CommandCheck, SqlCheck
from ops_pipelines.config.drills import OutageCommands
from ops_pipelines.config.secrets import Secret, SecretRef
from ops_pipelines.config.settings import Model, Settings
from ops_pipelines.config.values import Name, Size, sqlite_file

_BIN_DIRS = "where to look for client tools first"
_DRILL = "with these, an outage drill stops the real server; else one of its own"


class PostgresSource(Settings):
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
    bin_dirs: tuple[Path, ...] = Field((), description=_BIN_DIRS)
    checks: tuple[SqlCheck, ...] = ()
    commands: tuple[CommandCheck, ...] = ()
    drill: OutageCommands | None = Field(None, description=_DRILL)

    @model_validator(mode="after")
    def _passwords_are_encrypted(self) -> "PostgresSource":
        if self.role_passwords and self.encrypt is None:
            raise ValueError("role_passwords needs encrypt: password hashes are not written in the clear")
        return self


class MySQLSource(Settings):
    """A MySQL or MariaDB database."""

    kind: Literal["mysql"]
    url: Secret = Field(
        description="mysql://user:password@host:3306/database; ?socket=/path, ?ssl-ca=/path and so on",
        examples=[{"env": "CRM_DATABASE_URL"}],
    )
    jobs: int = Field(2, ge=1, le=64, description="sessions that fingerprint side by side")
    accounts: bool = Field(False, description="dump the accounts the database's users log in with; needs `encrypt`")
    bin_dirs: tuple[Path, ...] = Field((), description=_BIN_DIRS)
    checks: tuple[SqlCheck, ...] = ()
    commands: tuple[CommandCheck, ...] = ()
    drill: OutageCommands | None = Field(None, description=_DRILL)

    @model_validator(mode="after")
    def _accounts_are_encrypted(self) -> "MySQLSource":
        if self.accounts and self.encrypt is None:
            raise ValueError("accounts needs encrypt: password hashes are not written in the clear")
        return self


class MongoDBSource(Settings):
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
    bin_dirs: tuple[Path, ...] = Field((), description=_BIN_DIRS)
    checks: tuple[AggregationCheck, ...] = ()
    commands: tuple[CommandCheck, ...] = ()
    drill: OutageCommands | None = Field(None, description=_DRILL)

    @model_validator(mode="after")
    def _accounts_are_encrypted(self) -> "MongoDBSource":
        if self.accounts and self.encrypt is None:
            raise ValueError("accounts needs encrypt: password hashes are not written in the clear")
        return self


class References(Model):
    """Files that the restored database names must exist in the restored folders."""

    sql: str = Field(description="returns one path a row", examples=["select path from attachments"])
    sample: int = Field(200, ge=1, description="how many of them are looked up")
    below: str = Field("", description="folder the paths are relative to, when they are not absolute")


class FilesSource(Settings):
    """Folders: uploads, documents, logs. Backed up with restic."""

    kind: Literal["files"]
    paths: tuple[Path, ...] = Field(min_length=1, examples=[["/srv/crm/uploads"]])
    exclude: tuple[str, ...] = Field((), description="restic's exclude patterns", examples=[["*.tmp"]])
    password: Secret = Field(
        SecretRef(env="RESTIC_PASSWORD"),
        description="of the restic repositories",
        examples=[{"env": "RESTIC_PASSWORD"}],
    )
    tags: tuple[str, ...] = Field((), description="tags of every snapshot", examples=[["uploads"]])
    tied_to: Name | None = Field(
        None, alias="with", description="the database these files belong to; backed up right after it"
    )
    verify_all_below: Size = Field(
        10 * 1024**3,
        description="a verification restores everything up to this size; of more a sample of that size, while the "
        "repository's packs are read in rotation",
    )
    allow_links_out: bool = Field(
        False, description="links may lead out of the folders: that what they point to is not in the backup is known"
    )
    allow_empty: bool = Field(
        False, description="a folder that had files and has none any more is backed up nonetheless"
    )
    references: References | None = Field(None, description="asked of the database named by `with`")
    bin_dirs: tuple[Path, ...] = Field((), description=_BIN_DIRS)
    checks: tuple[SqlCheck, ...] = Field((), max_length=0, description="folders answer no questions")
    commands: tuple[CommandCheck, ...] = ()

    @model_validator(mode="after")
    def _references_need_a_database(self) -> "FilesSource":
        if self.references is not None and self.tied_to is None:
            raise ValueError("references needs with: the database to ask")
        return self


class SQLiteSource(Settings):
    """SQLite databases of this machine: single files, or every one in some folders."""

    kind: Literal["sqlite"]
    paths: tuple[Annotated[Path, BeforeValidator(sqlite_file)], ...] = Field(
        min_length=1,
        description="database files (sqlite:///… as well), or folders: every SQLite database below them",
        examples=[["/srv/app/app.sqlite3"]],
    )
    bin_dirs: tuple[Path, ...] = Field((), description=_BIN_DIRS)
    checks: tuple[SqlCheck, ...] = Field((), description="asked of a source that is one database")
    commands: tuple[CommandCheck, ...] = ()


Source = Annotated[
    PostgresSource | MySQLSource | MongoDBSource | SQLiteSource | FilesSource, Field(discriminator="kind")
]
"""Any source."""
ON_SERVERS = (PostgresSource, MySQLSource, MongoDBSource)
"""The sources that live on a server, which has a URL."""
ON_DISK = (FilesSource, SQLiteSource)
"""The sources that are files of this machine, restored into folders."""
