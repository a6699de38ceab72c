"""Where copies live: one model per kind of store. The local store below `base` needs none."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from ops_pipelines.config.secrets import Secret
from ops_pipelines.config.settings import Keep, Model
from ops_pipelines.config.values import Span

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HOST = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9.])?|[0-9a-fA-F:]+")
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


def _bucket(text: str) -> str:
    """The name of a bucket, and nothing else."""
    bare = text.strip().rstrip("/")
    if "://" in bare:
        bare = bare.split("://", 1)[1]
        raise ValueError(f"the bucket's name alone, not an address: {bare.split('/')[0]}{_rest(bare)}")
    if "/" in bare:
        raise ValueError(f"the bucket's name alone: {bare.split('/')[0]}{_rest(bare)}")
    if bare.startswith("arn:"):
        return bare
    if bare != text or not _BUCKET.fullmatch(bare):
        raise ValueError("3 to 63 of a-z, 0-9, - and ., with a letter or a digit at both ends, as buckets are called")
    return bare


def _rest(address: str) -> str:
    """What to do with a path behind a bucket's name."""
    below = address.partition("/")[2].strip("/")
    return f", and prefix: {below}" if below else ""


def _prefix(text: str) -> str:
    """Steps with single slashes between them; what stands around them is taken away."""
    steps = text.strip("/").split("/")
    if "://" in text:
        raise ValueError("only what comes after the bucket's name, not an address")
    if not text.isprintable() or text != text.strip() or (text and any(step in ("", ".", "..") for step in steps)):
        raise ValueError("names with a single / between them, none of them . or .., no space at the ends")
    return "/".join(steps)


def _endpoint(text: str, info: ValidationInfo) -> str:
    """Where a service is: scheme, host, port; the bucket stands neither in its path nor before its host."""
    bare, bucket = text.strip().rstrip("/"), str(info.data.get("bucket", ""))
    if "://" not in bare:
        raise ValueError(f"a scheme is missing: https://{bare}, or http://{bare} where there is no TLS")
    address = urlsplit(bare)
    if address.scheme not in ("https", "http"):
        raise ValueError(f"https:// or http://, not {address.scheme}://; a bucket's name stands in bucket:")
    if "@" in address.netloc:
        raise ValueError("no keys in the address: put them where credentials: says")
    if address.query or address.fragment:
        raise ValueError("scheme, host and port alone, without ? and #")
    if not _HOST.fullmatch(address.hostname or "") or not _port_is_one(address):
        raise ValueError("a host of letters, digits, - and ., and a port of 1 to 65535 where it is another one")
    if bucket and bucket in address.path.split("/"):
        raise ValueError(f"without the bucket in its path: {address.scheme}://{address.netloc}")
    if bucket and (address.hostname or "").startswith(f"{bucket}."):
        raise ValueError(
            f"without the bucket before its host: {address.scheme}://{address.netloc.removeprefix(f'{bucket}.')}"
        )
    return bare


def _port_is_one(address: SplitResult) -> bool:
    try:
        return address.port != 0
    except ValueError:
        return False


class S3Store(Model):
    """A bucket, at AWS or anywhere that speaks S3."""

    kind: Literal["s3"]
    bucket: Annotated[str, AfterValidator(_bucket)] = Field(examples=["acme-backups"])
    prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        "", description="key prefix of everything in it", examples=["office/backups"]
    )
    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = Field(None, examples=["https://s3.example.com"])
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
        if self.sse_kms_key is not None and self.sse != "aws:kms":
            raise ValueError("sse_kms_key needs sse: aws:kms")
        return self


AnyStore = Annotated[DirectoryStore | S3Store, Field(discriminator="kind")]
"""Any store."""
