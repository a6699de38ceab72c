"""The objects of a repository in a bucket, one by one; see `stores.objects`."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from ops_pipelines.vault.stores.objects import layout
from ops_pipelines.vault.stores.s3.client import GONE, Connection


@dataclass(frozen=True)
class S3Objects:
    """A repository below a prefix of a bucket."""

    connection: Connection
    prefix: str

    def names(self, kind: str) -> list[tuple[str, int]]:
        """See `Objects.names`."""
        with self.connection.errors("read"):
            pages = self.connection.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.connection.bucket, Prefix=f"{self.prefix}/{kind}/"
            )
            return [
                (str(each["Key"]).rpartition("/")[2], int(each["Size"]))
                for page in pages
                for each in page.get("Contents", ())
            ]

    def size(self, kind: str, name: str) -> int | None:
        """See `Objects.size`."""
        with self.connection.errors("read"):
            try:
                found = self.connection.client.head_object(Bucket=self.connection.bucket, Key=self._key(kind, name))
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in GONE:
                    return None
                raise
            return int(found["ContentLength"])

    def read(self, kind: str, name: str, offset: int, length: int) -> bytes:
        """See `Objects.read`."""
        if length == 0:
            return b""
        piece = f"bytes={offset}-{offset + length - 1}"
        with self.connection.errors("read"):
            found = self.connection.client.get_object(
                Bucket=self.connection.bucket, Key=self._key(kind, name), Range=piece
            )
            return found["Body"].read()

    def write_lock(self, name: str, content: bytes) -> None:
        """See `Objects.write_lock`."""
        with self.connection.errors("written"):
            self.connection.client.put_object(Bucket=self.connection.bucket, Key=self._key("locks", name), Body=content)

    def remove_lock(self, name: str) -> None:
        """See `Objects.remove_lock`."""
        with self.connection.errors("written"):
            self.connection.client.delete_object(Bucket=self.connection.bucket, Key=self._key("locks", name))

    def put_aside(self, kind: str, name: str) -> None:
        """See `Objects.put_aside`."""
        client, bucket, key = self.connection.client, self.connection.bucket, self._key(kind, name)
        with self.connection.errors("changed"):
            client.copy({"Bucket": bucket, "Key": key}, bucket, f"{self.prefix}/damaged/{kind}/{name}")
            client.delete_object(Bucket=bucket, Key=key)

    def _key(self, kind: str, name: str) -> str:
        return f"{self.prefix}/{layout(kind, name)}"
