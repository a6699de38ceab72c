"""Read an object as a stream that survives a broken connection, in bounded memory."""

import hashlib
import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import urllib3.exceptions
from botocore.exceptions import BotoCoreError

from ops_pipelines.vault.stores.s3.client import Connection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 1024 * 1024


def stream(connection: Connection, key: str) -> io.BufferedReader:
    """An object from its first byte to its last. Raises ClientError when it is not there."""
    return io.BufferedReader(_Resuming(connection, key), _BUFFER)


def sha256_of(connection: Connection, key: str) -> str:
    """The SHA-256 of an object, read to its end. Raises ClientError when it is not there."""
    sha256 = hashlib.sha256()
    with stream(connection, key) as opened:
        while chunk := opened.read(_BUFFER):
            sha256.update(chunk)
    return sha256.hexdigest()


class _Resuming(io.RawIOBase):
    """Asks for the rest when the connection breaks, of the same object, as often as the store's `retries` say."""

    def __init__(self, connection: Connection, key: str) -> None:
        self._connection = connection
        self._where: dict[str, Any] = {"Bucket": connection.bucket, "Key": key}
        self._left_retries = connection.settings.retries
        first = connection.client.get_object(**self._where)
        self._etag, self._size, self._at = first["ETag"], first["ContentLength"], 0
        self._body: Any = first["Body"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        while self._at < self._size:
            with self._connection.errors("read"):
                try:
                    # One byte fewer or more than promised is an error of its own, raised here.
                    content = self._body.read(len(view))
                    if not content:
                        raise urllib3.exceptions.IncompleteRead(self._at, self._size - self._at)
                except (BotoCoreError, urllib3.exceptions.HTTPError, OSError):
                    if self._left_retries == 0:
                        raise
                    self._left_retries -= 1
                    self._ask_for_the_rest()
                    continue
            view[: len(content)] = content
            self._at += len(content)
            return len(content)
        return 0

    def _ask_for_the_rest(self) -> None:
        self._body.close()
        self._body = self._connection.client.get_object(**self._where, Range=f"bytes={self._at}-", IfMatch=self._etag)[
            "Body"
        ]

    def close(self) -> None:
        if not self.closed:
            with suppress(OSError):
                self._body.close()
        super().close()
