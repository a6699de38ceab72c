"""A bucket in `ops.yaml`, at AWS or anywhere that speaks S3."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from ops_pipelines.extras import needed
from ops_pipelines.settings.common import Model
from ops_pipelines.settings.secrets import Secret
from ops_pipelines.settings.values import Span
from ops_pipelines.text import shell
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.settings import StoreSettings
from ops_pipelines.vault.trust import Trust

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HOST = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9.])?|[0-9a-fA-F:]+")
_CANNOT_BE_READ_AT_ONCE = ("GLACIER", "DEEP_ARCHIVE")


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
        raise ValueError("3 to 63 of a-z, 0-9, - and ., with a letter or a digit at both ends, as bucket names must be")
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


class S3Settings(StoreSettings):
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
    offsite: bool = Field(True, description="it is off-site: unencrypted parts are refused")
    object_lock: Span | None = Field(None, description="retention in COMPLIANCE mode; the bucket must have it enabled")
    storage_class: str | None = Field(
        None, description="of the parts; one that can be read at once, or nothing is verified", examples=["STANDARD_IA"]
    )
    sse: Literal["AES256", "aws:kms"] | None = Field(None, description="encryption at rest by the server, on top")
    sse_kms_key: str | None = None
    concurrency: int = Field(4, ge=1, le=64, description="parts of one upload sent side by side")
    part_mib: int = Field(16, ge=5, le=1024, description="size of one part of an upload")
    bandwidth_mib_s: float | None = Field(None, gt=0, description="upper limit of an upload")
    timeout: Span = Field(timedelta(seconds=60), description="a request without progress for this long is given up")
    retries: int = Field(5, ge=0, le=50, description="how often a request is tried again, waiting longer each time")

    @model_validator(mode="after")
    def _fits_together(self) -> "S3Settings":
        if self.storage_class in _CANNOT_BE_READ_AT_ONCE:
            raise ValueError(f"storage_class {self.storage_class} takes hours to read: no copy in it can be verified")
        if self.sse_kms_key is not None and self.sse != "aws:kms":
            raise ValueError("sse_kms_key needs sse: aws:kms")
        return self

    @property
    def lockable(self) -> bool:
        """See `StoreSettings.lockable`."""
        return True

    @property
    def locked_for(self) -> timedelta | None:
        """See `StoreSettings.locked_for`."""
        return self.object_lock

    @property
    def shell_address(self) -> str:
        """See `StoreSettings.shell_address`."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def shell_environment(self) -> Mapping[str, str]:
        """See `StoreSettings.shell_environment`."""
        endpoint = {"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint is not None else {}
        return {"AWS_DEFAULT_REGION": self.region, **endpoint}

    @property
    def key_variables(self) -> Sequence[str]:
        """See `StoreSettings.key_variables`."""
        return "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"

    @property
    def fetcher(self) -> str:
        """See `StoreSettings.fetcher`."""
        return "rclone|aws"

    def open(self, name: str, base: Path, trust: Trust) -> Store:
        """Its driver takes a third of a second to import: who has no bucket does not pay for it."""
        with needed("s3"):
            from ops_pipelines.vault.stores.s3.store import S3Store  # noqa: PLC0415

        return S3Store(name, self, trust, cache=base / "cache" / name)

    def as_here(self, today: StoreSettings | None) -> StoreSettings:
        """The certificate authority is a file of this machine, and so may be the keys."""
        found = today if isinstance(today, S3Settings) else self
        return self.model_copy(update={"credentials": found.credentials, "ca_file": found.ca_file})

    def with_keys(self, keys: Mapping[str, str]) -> StoreSettings:
        """See `StoreSettings.with_keys`."""
        given = {"access_key": keys.get("AWS_ACCESS_KEY_ID"), "secret_key": keys.get("AWS_SECRET_ACCESS_KEY")}
        if not all(given.values()):
            return self
        literal = {name: {"literal": value} for name, value in given.items()}
        return self.model_copy(update={"credentials": S3Credentials.model_validate(literal)})

    def fetched(self, copy: str, folder: str) -> Iterator[str]:
        """See `StoreSettings.fetched`."""
        endpoint = f" --endpoint-url {shell(self.endpoint)}" if self.endpoint else ""
        yield "# AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment; rclone copy does the same"
        yield f"aws s3 cp --recursive --region {shell(self.region)}{endpoint} {copy}/ {folder}/"
        yield f"cd {folder}"
