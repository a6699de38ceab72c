"""Where copies live: one model per kind of store. The local store below `base` needs none."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ops_pipelines.config.secrets import Secret
from ops_pipelines.config.settings import Keep, Model
from ops_pipelines.config.values import Span


class DirectoryStore(Model):
    """A directory: a NAS mount, a USB disk, another volume."""

    kind: Literal["directory"]
    path: Path = Field(examples=["/mnt/nas/backups"])
    medium: str = Field("disk", description="what it is stored on, for the 3-2-1 rule", examples=["nas"])
    offsite: bool = Field(False, description="it leaves this building: unencrypted parts are refused")
    keep: Keep | None = Field(None, description="retention in this store, for sources that have any; else the source's")
    mounted: bool = Field(False, description="`path` lies on a volume of its own; refuse when that is not mounted")


class S3Credentials(Model):
    """Where the keys are. Without it boto3 looks where it always does: environment, profile, instance role."""

    env: str | None = Field(
        None, description="prefix: OFFSITE means OFFSITE_ACCESS_KEY_ID and OFFSITE_SECRET_ACCESS_KEY"
    )
    profile: str | None = Field(None, description="a profile of the AWS configuration files")
    access_key: Secret | None = None
    secret_key: Secret | None = None


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
    storage_class: str | None = Field(None, examples=["STANDARD_IA"])
    sse: Literal["AES256", "aws:kms"] | None = Field(None, description="encryption at rest by the server, on top")
    sse_kms_key: str | None = None
    concurrency: int = Field(4, ge=1, le=64, description="parts of one upload sent side by side")
    part_mib: int = Field(16, ge=5, le=1024, description="size of one part of an upload")
    bandwidth_mib_s: float | None = Field(None, gt=0, description="upper limit of an upload")


AnyStore = Annotated[DirectoryStore | S3Store, Field(discriminator="kind")]
"""Any store."""
