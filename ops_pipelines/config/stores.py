"""Where copies live: one model per kind of store. The local store below `base` needs none."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ops_pipelines.config.secrets import Secret
from ops_pipelines.config.settings import Keep, Model
from ops_pipelines.config.values import Span

_CANNOT_BE_READ_AT_ONCE = ("GLACIER", "DEEP_ARCHIVE")


class DirectoryStore(Model):
    """A directory: a NAS mount, a USB disk, another volume."""

    kind: Literal["directory"]
    path: Path = Field(examples=["/mnt/nas/backups"])
    medium: str = Field("disk", description="what it is stored on, for the 3-2-1 rule", examples=["nas"])
    offsite: bool = Field(False, description="it leaves this building: unencrypted parts are refused")
    keep: Keep | None = Field(None, description="retention in this store, for sources that have any; else the source's")
    mounted: bool = Field(
        False,
        description="`path` lies on a volume of its own: the first use, too, refuses when that is not mounted",
    )


class S3Credentials(Model):
    """Where the keys are. Without it boto3 looks where it always does: environment, profile, instance role."""

    env: str | None = Field(
        None,
        description="prefix: OFFSITE means OFFSITE_ACCESS_KEY_ID, OFFSITE_SECRET_ACCESS_KEY and, where there is one, "
        "OFFSITE_SESSION_TOKEN",
        examples=["OFFSITE"],
    )
    profile: str | None = Field(None, description="a profile of the AWS configuration files")
    access_key: Secret | None = Field(None, examples=[{"file": "/etc/ops/s3.access"}])
    secret_key: Secret | None = Field(None, examples=[{"file": "/etc/ops/s3.secret"}])

    @model_validator(mode="after")
    def _one_place(self) -> "S3Credentials":
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key belong together")
        if sum(place is not None for place in (self.env, self.profile, self.access_key)) > 1:
            raise ValueError("name one place: env, profile, or access_key with secret_key")
        return self


class S3Store(Model):
    """A bucket, at AWS or anywhere that speaks S3."""

    kind: Literal["s3"]
    bucket: str = Field(examples=["acme-backups"])
    prefix: str = Field("", description="key prefix of everything in it")
    endpoint: str | None = Field(None, examples=["https://s3.example.com"])
    region: str = "us-east-1"
    path_style: bool | None = Field(None, description="bucket in the path; on by default with an endpoint of one's own")
    credentials: S3Credentials = S3Credentials()
    ca_file: Path | None = Field(None, description="certificate authority of the endpoint")
    medium: str = Field("object storage", description="what it is stored on, for the 3-2-1 rule")
    offsite: bool = Field(True, description="it leaves this building: unencrypted parts are refused")
    object_lock: Span | None = Field(None, description="retention in COMPLIANCE mode; the bucket must have it enabled")
    keep: Keep | None = Field(None, description="retention in this store, for sources that have any; else the source's")
    storage_class: str | None = Field(
        None, description="of the parts; one that can be read at once, or nothing is verified", examples=["STANDARD_IA"]
    )
    sse: Literal["AES256", "aws:kms"] | None = Field(None, description="encryption at rest by the server, on top")
    sse_kms_key: str | None = None
    concurrency: int = Field(4, ge=1, le=64, description="parts of one upload sent side by side")
    part_mib: int = Field(16, ge=5, le=1024, description="size of one part of an upload")
    bandwidth_mib_s: float | None = Field(None, gt=0, description="upper limit of an upload")
    timeout: Span = Field(timedelta(seconds=60), description="without a byte, a request is given up")
    retries: int = Field(5, ge=0, le=50, description="how often a request is tried again, waiting longer each time")

    @model_validator(mode="after")
    def _fits_together(self) -> "S3Store":
        if self.storage_class in _CANNOT_BE_READ_AT_ONCE:
            raise ValueError(f"storage_class {self.storage_class} takes hours to read: no copy in it can be verified")
        steps = self.prefix.strip("/").split("/")
        if not self.prefix.isprintable() or (self.prefix and any(step in ("", ".", "..") for step in steps)):
            raise ValueError("prefix: names with single / between them, none of them . or ..")
        if self.sse_kms_key is not None and self.sse != "aws:kms":
            raise ValueError("sse_kms_key needs sse: aws:kms")
        return self


AnyStore = Annotated[DirectoryStore | S3Store, Field(discriminator="kind")]
"""Any store."""
