"""What every source has, and the small models it is made of. The reference for their keys and defaults."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from ops_pipelines.limits import Limit
from ops_pipelines.sandbox.isolation import Isolation
from ops_pipelines.settings.secrets import Secret
from ops_pipelines.settings.values import Cron, Duration, Name, Span, may_be_off, none_if_off, recipient


class Model(BaseModel):
    """A frozen part of `ops.yaml` that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Encryption(Model):
    """Who can read the parts. The backup host needs the recipients only; the verifier also the identity."""

    age: tuple[Annotated[str, Field(pattern="^(age1|ssh-)"), AfterValidator(recipient)], ...] = Field(
        min_length=1,
        description="age or SSH public keys; any one of their identities opens the backup",
        examples=[["age1qxyz…"]],
    )
    identity: Secret | None = Field(
        None, description="the private key the verifier restores with", examples=[{"file": "/etc/ops/age.key"}]
    )


class Limits(Model):
    """Bounded time for everything that talks to somebody else."""

    model_config = ConfigDict(validate_default=True)

    connect: Span = Field(timedelta(seconds=15), description="connecting to the server")
    stall: Span = Field(timedelta(minutes=10), description="a dump without progress for this long is stopped")
    total: Span = Field(timedelta(hours=6), description="one dump or one restore in total")
    lock: Duration = Field(
        timedelta(minutes=10),
        description="wait for another run of the same source, or for tables or a restic repository that others lock",
    )

    @field_validator("connect", "stall", "total", "lock")
    @classmethod
    def _known_by_name(cls, span: timedelta, info: ValidationInfo) -> timedelta:
        return Limit.of(span, f"limits.{info.field_name}")


class LegacyFolder(Model):
    """Where the backups from before us are; a past day's partition takes in the one of its day."""

    folder: Path = Field(examples=["/var/backups/crm"])
    passphrase: Secret | None = Field(None, description="of files encrypted with openssl -aes-256-cbc -pbkdf2")


class Keep(Model):
    """Retention: how many restore points stay in each store. What no rule keeps is deleted."""

    last: int = Field(4, ge=1, description="the newest ones, whenever they were taken")
    daily: int = Field(14, ge=0, description="the newest of each of the last days that have one")
    weekly: int = Field(8, ge=0, description="the newest of each of the last ISO weeks")
    monthly: int = Field(12, ge=0, description="the newest of each of the last months")
    yearly: int = Field(0, ge=0, description="the newest of each of the last years")
    min_verified: int = Field(3, ge=1, description="verified ones that always stay, however old")


class ScratchServer(Model):
    """A server that verifications may use where no server programs are installed."""

    url: Secret = Field(description="URL of a database on it; databases `verify_…` are created and dropped beside it")
    disposable: Literal[True] = Field(description="confirm that nothing on this server is needed")


class Verification(Model):
    """How backups are proved, beyond what is compared."""

    auto: bool = Field(True, description="scheduled runs verify what they back up")
    every: Annotated[Cron | None, BeforeValidator(none_if_off)] = Field(
        "30 4 * * 0",
        description="where `auto` is false: when the newest backup is verified instead; `off` for by hand only. The "
        "RPO counts from what is proved: `ops check` says whether it can hold",
        json_schema_extra=may_be_off,
    )
    retries: int = Field(2, ge=0, description="an inconclusive verification is tried again this often")
    retry_after: Span = Field(timedelta(minutes=1), description="doubled with each try")
    overdue_after: Duration | None = Field(None, description="time without a successful verification; `rpo` by default")
    reprove_within: Span = Field(
        timedelta(days=30), description="every retained copy in every store is verified again within this time"
    )
    reprove_daily: Duration = Field(timedelta(hours=1), description="time per day for verifying older copies again")
    shrink_percent: int = Field(
        30, ge=1, le=100, description="smaller than the last verified ones by more than this: needs a look"
    )
    grow_percent: int = Field(
        50, ge=1, description="larger than the last verified ones by more than this: needs a look"
    )
    isolation: Isolation = Field(
        "account",
        description="how a verification is isolated from this machine: `sandbox` with bubblewrap only; `account` the "
        "same, or as root, where there are no namespaces, as another account; `none` not at all, and every verdict "
        "says so",
    )
    server: ScratchServer | None = Field(None, description="restore there instead of into a scratch server")


class Heartbeats(Model):
    """URLs that are told of each attempt: `URL/start`, `URL` when it went well, `URL/fail` with the reason.

    `{source}` in a URL becomes the source's name, so that one under `defaults:` serves them all.
    """

    backup: Secret | None = Field(None, examples=[{"env": "HEARTBEAT_CRM_BACKUP"}])
    verify: Secret | None = Field(None, examples=[{"env": "HEARTBEAT_CRM_VERIFY"}])
    drill: Secret | None = Field(None, examples=[{"env": "HEARTBEAT_CRM_DRILL"}])


class DaemonHeartbeat(Model):
    """A URL that hears every few minutes that the daemon is alive."""

    daemon: Secret | None = Field(None, examples=[{"env": "HEARTBEAT_DAEMON"}])


def _yaml_off(value: object) -> object:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


Fingerprint = Annotated[Literal["off", "counts", "sample", "full"], BeforeValidator(_yaml_off)]


class Settings(Model):
    """What every source has; the defaults of all are set once under `defaults:`."""

    every: Cron = Field("0 2,8,14,20 * * *", description="when to back up, in `timezone`")
    rpo: Duration = Field(
        timedelta(hours=24),
        description="tolerable data loss: the greatest age of the newest verified backup",
        examples=["24h"],
    )
    warn_after: Duration | None = Field(None, description="5/6 of `rpo` by default", examples=["20h"])
    rto: Duration = Field(timedelta(minutes=30), description="tolerable time to restore", examples=["30m"])
    accept_risk: bool = Field(False, description="accept a schedule that breaks the RPO after one missed run")
    encrypt: Encryption | None = Field(None, description="age encryption of every part")
    copies: tuple[Name, ...] = Field(
        (), description="stores that get a copy of every restore point", examples=[["nas"]]
    )
    keep: Keep | None = Field(
        None, description="retention; without it, nothing is ever deleted", examples=[{"last": 4}]
    )
    legacy: LegacyFolder | None = Field(None, description="backups made by other means, to be adopted")
    fingerprint: Fingerprint = Field(
        "full",
        description="what is recorded of the contents and asserted after the restore: schema and row counts; with "
        "`sample` the content of one row in 100 as well, other ones each time; with `full` of every row",
    )
    verify: Verification = Verification()
    limits: Limits = Limits()
    heartbeats: Heartbeats = Field(
        Heartbeats(), description="URLs that are called for each attempt, and notice when none comes"
    )

    @property
    def warn_window(self) -> timedelta:
        """Age of the recovery point at which to warn."""
        return self.warn_after if self.warn_after is not None else self.rpo * 5 / 6
