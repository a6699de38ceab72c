"""The connection to a bucket: where the keys come from, how long it waits, and its errors in our words."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import urllib3.exceptions
from botocore import exceptions as boto
from botocore.config import Config

from ops_pipelines import limits, redact
from ops_pipelines.errors import StoreError
from ops_pipelines.settings.secrets import SecretMissing, SecretRef
from ops_pipelines.vault.stores.plain import NotPlain
from ops_pipelines.vault.stores.s3.settings import S3Settings as Settings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_CONNECT_S = 15
GONE = frozenset({"NoSuchKey", "404", "NotFound"})
_UNTOUCHED = "restore points that are complete are untouched, here and in other stores"
_NOT_PERMITTED = frozenset({"AccessDenied", "403"})


class Connection:
    """A bucket, and the keys to it; nothing is asked of it before the first use.

    Args:
        name: the store's name in `ops.yaml`.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name, self.settings, self.bucket = name, settings, settings.bucket
        self.prefix = f"{settings.prefix.strip('/')}/".lstrip("/")
        self.place = f"s3://{self.bucket}/{self.prefix}"
        self.timeout = limits.Limit.of(settings.timeout, f"stores.{name}.timeout")
        self._session: Any = None
        self._client: S3Client | None = None

    @property
    def client(self) -> "S3Client":
        """The client; safe to use from several threads. Raises StoreError, SecretMissing."""
        if self._client is None:
            with self.errors("opened"):
                try:
                    self._client = self._connect()
                except ValueError as error:  # an address that botocore cannot use
                    raise StoreError(
                        f"store {self.name} ({self.place}) cannot be opened",
                        why=str(error),
                        safe=_UNTOUCHED,
                        next=f"correct stores.{self.name}.endpoint in ops.yaml",
                    ) from None
        return self._client

    def _connect(self) -> "S3Client":
        settings = self.settings
        own = settings.path_style if settings.path_style is not None else settings.endpoint is not None
        config = Config(
            signature_version="s3v4",
            connect_timeout=min(_CONNECT_S, settings.timeout.total_seconds()),
            read_timeout=settings.timeout.total_seconds(),
            retries={"mode": "standard", "total_max_attempts": settings.retries + 1},
            max_pool_connections=settings.concurrency + 2,
            tcp_keepalive=True,
            # Several endpoints choke on the CRC32 trailers of newer clients. Content-MD5 is checked everywhere.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Content-MD5 is part of the signature, so the body need not be hashed once more for it.
            s3={"addressing_style": "path" if own else "auto", "payload_signing_enabled": False},
        )
        client: S3Client = self._opened().client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            verify=str(settings.ca_file) if settings.ca_file is not None else None,
            config=config,
        )
        return client

    def _opened(self) -> Any:
        """The session, with its secrets registered for redaction."""
        if self._session is None:
            import boto3

            keys: dict[str, Any] = {**self._keys()}
            session = boto3.Session(**keys)
            if (credentials := session.get_credentials()) is not None:
                frozen = credentials.get_frozen_credentials()
                for secret in (frozen.secret_key, frozen.token):
                    redact.register(secret or "")
            self._session = session
        return self._session

    def _keys(self) -> dict[str, str]:
        given = self.settings.credentials
        if given.profile is not None:
            return {"profile_name": given.profile}
        access, secret = given.access_key, given.secret_key
        keys: dict[str, str] = {}
        if given.env is not None:
            access = SecretRef(env=f"{given.env}_ACCESS_KEY_ID")
            secret = SecretRef(env=f"{given.env}_SECRET_ACCESS_KEY")
            if token := os.environ.get(f"{given.env}_SESSION_TOKEN"):
                keys["aws_session_token"] = redact.register(token)
        if access is not None and secret is not None:
            keys["aws_access_key_id"] = access.reveal(purpose=f"store {self.name}, access key")
            keys["aws_secret_access_key"] = secret.reveal(purpose=f"store {self.name}, secret key")
        return keys

    def environment(self) -> Mapping[str, str]:
        """The keys as another program finds them in its environment. Raises StoreError, SecretMissing."""
        with self.errors("opened"):
            credentials = self._opened().get_credentials()
            if credentials is None:
                raise boto.NoCredentialsError
            frozen = credentials.get_frozen_credentials()
        found = {"AWS_ACCESS_KEY_ID": frozen.access_key, "AWS_SECRET_ACCESS_KEY": frozen.secret_key}
        return {
            **found,
            **({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {}),
            "AWS_DEFAULT_REGION": self.settings.region,
        }

    @contextmanager
    def errors(self, verb: str) -> Iterator[None]:
        """Raise what botocore raises in the block as StoreError.

        Args:
            verb: what could not be done with the store: `read`, `written`.
        """
        what = f"store {self.name} ({self.place}) cannot be {verb}"
        try:
            yield
        except SecretMissing as error:
            raise StoreError(what, why=error.what, safe=_UNTOUCHED, next=error.next) from None
        except NotPlain as error:
            raise StoreError(what, why=f"{error.filename}: {error.why}", safe=_UNTOUCHED) from None
        except (boto.BotoCoreError, boto.ClientError, urllib3.exceptions.HTTPError) as error:
            why, advice = self._explained(error)
            if verb == "changed" and code_of(error) in _NOT_PERMITTED:
                why, advice = f"{why}; these keys may write and not delete", self._advice_where_all_stays()
            raise StoreError(what, why=why, safe=_UNTOUCHED, next=advice) from None

    def _explained(self, error: Exception) -> tuple[str, str]:
        """Why it failed, and what to do."""
        if isinstance(error, boto.ClientError):
            code = code_of(error)
            message = error.response.get("Error", {}).get("Message") or code
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            said = f"{error.operation_name}: {message} ({code}, HTTP {status})"
            return said, self._advice(code)
        there = self.settings.endpoint or f"AWS, region {self.settings.region}"
        if isinstance(error, boto.ProfileNotFound | boto.PartialCredentialsError | boto.NoCredentialsError):
            return str(error), (
                f"set stores.{self.name}.credentials to {{env: PREFIX}}, {{profile: NAME}} or access_key and secret_key"
            )
        if isinstance(error, boto.SSLError):
            return f"{there}: {error}", f"name the endpoint's certificate authority: stores.{self.name}.ca_file"
        if isinstance(error, boto.ConnectTimeoutError | boto.ReadTimeoutError | urllib3.exceptions.TimeoutError):
            tries = self.settings.retries + 1
            return (
                f"{there} gave no answer within {limits.describe(self.timeout)}, asked {tries} times: {error}",
                f"is it up? curl -I {self.settings.endpoint or ''}".strip()
                + f"; where it is only slow, raise {self.timeout.name} in ops.yaml",
            )
        return f"{there}: {error}", f"check the network and stores.{self.name}.endpoint"

    def _advice_where_all_stays(self) -> str:
        return (
            f"where that is on purpose, give stores.{self.name} a keep of its own that keeps more, and let a lifecycle "
            f"rule of the bucket delete what is old; else allow these keys to delete s3://{self.bucket}/{self.prefix}*"
        )

    def _advice(self, code: str) -> str:
        mine = f"stores.{self.name}"
        return {
            "NoSuchBucket": f"make the bucket {self.bucket}, or correct {mine}.bucket",
            "InvalidAccessKeyId": f"the endpoint does not know this access key: check {mine}.credentials",
            "SignatureDoesNotMatch": f"the secret key is wrong: check {mine}.credentials",
            "RequestTimeTooSkewed": "this machine's clock is wrong: timedatectl; set it, then run this again",
            "ExpiredToken": "the session token has expired: get new credentials",
            "AccessDenied": f"allow these keys to list, read and write s3://{self.bucket}/{self.prefix}*",
            "403": f"allow these keys to list, read and write s3://{self.bucket}/{self.prefix}*",
            "PermanentRedirect": f"the bucket is in another region: correct {mine}.region",
            "AuthorizationHeaderMalformed": f"the bucket is in another region: correct {mine}.region",
            "QuotaExceeded": "the quota of the bucket or of its owner is used up: raise it, or prune",
        }.get(code, f"check {mine} in ops.yaml and the state of the endpoint, then run this again")


def code_of(error: Exception) -> str:
    """The endpoint's own code for what went wrong; empty when it did not answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, boto.ClientError) else ""
