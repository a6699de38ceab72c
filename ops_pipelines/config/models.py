"""The shape of `ops.yaml`, as frozen models. This is the reference for every key and its default.

Reading files, line numbers and `${VAR}` belong to `load`; rules across fields to `cadence`.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ops_pipelines.config.secrets import Secret
from ops_pipelines.config.values import Cron, Duration, Name, Span, TimeZone


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Encryption(_Model):
    """Who can read the parts. The backup host needs the recipients only; the verifier also the identity."""

    age: tuple[Annotated[str, Field(pattern="^(age1|ssh-)")], ...] = Field(
        min_length=1,
        description="age or SSH public keys; any one of their identities opens the backup",
        examples=[["age1qxyz…"]],
    )
    identity: Secret | None = Field(
        None, description="the private key the verifier restores with", examples=[{"file": "/etc/ops/age.key"}]
    )


class Limits(_Model):
    """Bounded time for everything that talks to somebody else."""

    connect: Span = Field(timedelta(seconds=15), description="to reach the server")
    stall: Span = Field(timedelta(minutes=10), description="without a byte, a dump is stopped")
    total: Span = Field(timedelta(hours=6), description="one dump or one restore, altogether")
    lock: Duration = Field(timedelta(minutes=10), description="wait for another run of the same source")


def _yaml_off(value: object) -> object:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


Fingerprint = Annotated[Literal["off", "counts", "full"], BeforeValidator(_yaml_off)]


class Settings(_Model):
    """What every source has; the defaults of all are set once under `defaults:`."""

    every: Cron = Field("0 2,8,14,20 * * *", description="when to back up, in `timezone`")
    rpo: Duration = Field(
        timedelta(hours=24), description="tolerable loss: age of the newest verified backup", examples=["24h"]
    )
    warn_after: Duration | None = Field(None, description="5/6 of `rpo` unless given", examples=["20h"])
    rto: Duration = Field(timedelta(minutes=30), description="tolerable time to restore", examples=["30m"])
    accept_risk: bool = Field(False, description="accept a cadence that breaks the RPO after one missed run")
    encrypt: Encryption | None = Field(None, description="age encryption of every part")
    copies: tuple[Name, ...] = Field(
        (), description="stores that get a copy of every restore point", examples=[["nas"]]
    )
    fingerprint: Fingerprint = Field(
        "full", description="what is recorded of the contents and asserted after the restore"
    )
    limits: Limits = Limits()

    @property
    def warn_window(self) -> timedelta:
        """Age of the recovery point at which to warn."""
        return self.warn_after if self.warn_after is not None else self.rpo * 5 / 6


class SqlCheck(_Model):
    """A question to the restored database, and the answer that is acceptable."""

    name: Name
    sql: str = Field(description="one SELECT that returns one value", examples=["select count(*) from companies"])
    min: float | None = None
    max: float | None = None
    equals: str | float | bool | None = None
    max_age: Duration | None = Field(None, description="the value is a time, no older than this at the dump's start")

    @model_validator(mode="after")
    def _expects_something(self) -> "SqlCheck":
        if self.min is None and self.max is None and self.equals is None and self.max_age is None:
            raise ValueError("say what to expect: min, max, equals or max_age")
        return self


class PostgresSource(Settings):
    """A PostgreSQL database."""

    kind: Literal["postgres"]
    url: Secret = Field(
        description="libpq URI or key=value string (TCP, socket, TLS, service=)", examples=[{"env": "CRM_DATABASE_URL"}]
    )
    format: Literal["custom", "directory", "sql"] = Field(
        "custom", description="custom streams; directory dumps in parallel"
    )
    jobs: int = Field(2, ge=1, le=64, description="parallel workers for directory dumps, fingerprints and restores")
    role_passwords: bool = Field(
        False, description="keep role password hashes in globals.sql; needs `encrypt` and superuser"
    )
    bin_dirs: tuple[Path, ...] = Field((), description="where to look for client tools first")
    checks: tuple[SqlCheck, ...] = ()

    @model_validator(mode="after")
    def _passwords_are_encrypted(self) -> "PostgresSource":
        if self.role_passwords and self.encrypt is None:
            raise ValueError("role_passwords needs encrypt: password hashes are not written in the clear")
        return self


Source = PostgresSource
"""Any source; a union discriminated by `kind` once there is a second kind."""


class DirectoryStore(_Model):
    """A directory: a NAS mount, a USB disk, another volume."""

    kind: Literal["directory"]
    path: Path = Field(examples=["/mnt/nas/backups"])
    medium: str = Field("disk", description="what it is stored on, for the 3-2-1 rule", examples=["nas"])
    offsite: bool = Field(False, description="it leaves this building: unencrypted parts are refused")


class Config(_Model):
    """The whole of `ops.yaml`, paths made absolute, defaults filled in."""

    timezone: TimeZone = Field(
        "UTC", description="IANA name; cron lines and day partitions are in it", examples=["Europe/Prague"]
    )
    base: Path = Field(Path("var/backups"), description="local store, ledger, locks and scratch space, on a local disk")
    history_from: date | None = Field(
        None, description="first day of the partition strip; the oldest restore point's day unless given"
    )
    bin_dirs: tuple[Path, ...] = Field((), description="where to look for client and server tools first")
    defaults: Settings = Settings()
    stores: dict[Name, DirectoryStore] = {}
    sources: dict[Name, Source] = Field(min_length=1, description="what to protect")
    ledger: Secret | None = Field(None, description="SQLAlchemy URL; SQLite below `base` unless given")
