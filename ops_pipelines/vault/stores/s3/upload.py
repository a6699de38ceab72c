"""Send one file into the bucket: in parts, side by side, from where a broken attempt ended.

What is proved when `send` returns:

* The bytes that were read have the SHA-256 of the manifest, and they are the ones that were sent: each part is hashed
  and sent from the same buffer.
* The endpoint received each part as it was sent: it checks the Content-MD5 of each before it accepts it.
* The object has the size of the file, and its ETag is the one that the MD5s of our parts give. An endpoint that
  encrypts with keys of a customer or a key service has ETags of its own: there, the size and the Content-MD5s are all.

An object that is complete already, and parts of an unfinished upload, are not sent again when their ETags are the MD5s
of the bytes at hand.
"""

import hashlib
import io
import math
import queue
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ops_pipelines.errors import CorruptCopy, StoreError
from ops_pipelines.vault.manifest import Part
from ops_pipelines.vault.stores import incoming, plain
from ops_pipelines.vault.stores.base import Copied
from ops_pipelines.vault.stores.s3.client import GONE, Connection, code_of

_MIB = 1024 * 1024
_MOST_PARTS = 10_000
_BLOCK = 128 * 1024
_CANNOT_BE_FINISHED = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall"})
_FINISHED = frozenset({"NoSuchUpload", "NoSuchKey"})
"""What is said of an upload that somebody else finished; Ceph says the second of its parts."""
_CLOCKS_DIFFER = timedelta(seconds=2)
in_progress: set[str] = set()
"""Ids of the uploads that this process works on: not litter, however old."""


def digest(content: bytes | bytearray | memoryview) -> str:
    """Base64 of an MD5, for Content-MD5: a checksum of the transport, not of security."""
    return b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


class Throttle:
    """Bytes a second, for all threads together."""

    def __init__(self, bytes_per_s: float | None) -> None:
        self._rate, self._lock, self._free_at = bytes_per_s, threading.Lock(), 0.0

    def spend(self, size_bytes: int) -> None:
        """Wait until so many bytes may be sent."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            start = max(now, self._free_at)
            self._free_at = start + size_bytes / self._rate
        time.sleep(start - now)


class _Body:
    """A buffer as a file, so that a slow link is given up for standing still, not for being slow."""

    def __init__(self, content: memoryview, throttle: Throttle) -> None:
        self._content, self._at, self._throttle = content, 0, throttle

    def __len__(self) -> int:
        return len(self._content)

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, len(self._content))[whence]
        return self._at

    def read(self, size: int = -1) -> memoryview:
        """More than was asked for: http.client asks for 16 KiB at a time, and takes what comes."""
        block = self._content[self._at : self._at + (_BLOCK if size >= 0 else len(self._content))]
        self._at += len(block)
        self._throttle.spend(len(block))
        return block


@dataclass(frozen=True)
class _Sent:
    """What the endpoint has of an unfinished upload."""

    upload_id: str
    etags: Mapping[int, str]


class Upload:
    """One part of a restore point on its way.

    Args:
        options: of the new object: storage class, encryption, lock.
        locked_until: the date the endpoint must hold it until, at least.
    """

    def __init__(
        self,
        connection: Connection,
        key: str,
        path: Path,
        part: Part,
        *,
        options: Mapping[str, Any],
        locked_until: datetime | None,
        throttle: Throttle,
        copied: Copied,
    ) -> None:
        self._connection, self._client, self._key = connection, connection.client, key
        self._where: dict[str, Any] = {"Bucket": connection.bucket, "Key": key}
        self._path, self._part, self._options, self._locked_until = path, part, options, locked_until
        self._throttle, self._copied, self._progress_lock = throttle, copied, threading.Lock()
        # An upload has at most 10,000 parts.
        fewest = math.ceil(part.size_bytes / _MOST_PARTS / _MIB)
        self._piece_bytes = max(connection.settings.part_mib, fewest) * _MIB

    def send(self, *, anew: bool = False) -> None:
        """Send it, unless it is there, and check what the endpoint has.

        Args:
            anew: send it even so: what is there is known to be damaged, whatever its ETag says.
        Raises:
            CorruptCopy: the file is not what the manifest says.
            StoreError, ClientError, BotoCoreError: it could not be sent; the next attempt goes on from there.
        """
        there = None if anew else self._head()
        if there is not None and there["ContentLength"] == self._part.size_bytes:
            etag = self._pieces(lambda number, md5, content: None)
            if _plain(there["ETag"]) == etag:
                self._keep_locked(there)
                self._copied(self._part.size_bytes)
                return
        etag = self._send_small() if self._part.size_bytes <= self._piece_bytes else self._send_in_pieces()
        self._check(etag)

    def _send_small(self) -> str:
        content = bytearray()

        def keep(number: int, md5: bytes, piece: memoryview) -> None:
            content.extend(piece)

        etag = self._pieces(keep, report=True)
        body = _Body(memoryview(content), self._throttle)
        self._client.put_object(**self._where, Body=body, ContentMD5=digest(content), **self._options)  # type: ignore[arg-type]
        return etag

    def _send_in_pieces(self) -> str:
        sent = self._unfinished() or _Sent(
            self._client.create_multipart_upload(**self._where, **self._options)["UploadId"], {}
        )
        upload: dict[str, Any] = {**self._where, "UploadId": sent.upload_id}
        etags: dict[int, str] = {}

        def deliver(number: int, md5: bytes, content: memoryview) -> None:
            if sent.etags.get(number) == md5.hex():
                etags[number] = sent.etags[number]
                return
            answer = self._client.upload_part(
                **upload,
                PartNumber=number,
                Body=_Body(content, self._throttle),  # type: ignore[arg-type]
                ContentMD5=b64encode(md5).decode(),
            )
            etags[number] = _plain(answer["ETag"])

        in_progress.add(sent.upload_id)
        try:
            etag = self._pieces(deliver, report=True)
            parts = [{"PartNumber": number, "ETag": f'"{etags[number]}"'} for number in sorted(etags)]
            self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})  # type: ignore[typeddict-item]
        except ClientError as error:
            # Somebody else may have finished it, with the same bytes or with others: `_check` tells.
            if code_of(error) not in (*_FINISHED, *_CANNOT_BE_FINISHED):
                raise
            if self._head() is None:
                self._abandon(upload)
                raise
            etag = self._pieces(lambda number, md5, content: None)
        except CorruptCopy:
            self._abandon(upload)
            raise
        finally:
            in_progress.discard(sent.upload_id)
        return etag

    def _pieces(self, deliver: Callable[[int, bytes, memoryview], None], *, report: bool = False) -> str:
        """Read the file once: each piece to `deliver` with its number and MD5, several at a time.

        Memory is bounded: as many buffers as there are threads, and one that is being read into.

        Returns:
            The ETag an endpoint gives to an object of these pieces.
        Raises:
            CorruptCopy: it was not the file of the manifest; pieces may have been delivered.
        """
        threads = min(self._connection.settings.concurrency, max(1, self._part.size_bytes // self._piece_bytes))
        size = min(self._piece_bytes, self._part.size_bytes + 1)
        buffers: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(threads + 1):
            buffers.put(bytearray(size))
        md5s: dict[int, bytes] = {}
        failed = threading.Event()

        def work(number: int, buffer: bytearray, length: int) -> None:
            try:
                if failed.is_set():
                    return
                with memoryview(buffer) as whole, whole[:length] as content:
                    md5s[number] = hashlib.md5(content, usedforsecurity=False).digest()
                    deliver(number, md5s[number], content)
                if report:
                    with self._progress_lock:
                        self._copied(length)
            except BaseException:
                failed.set()
                raise
            finally:
                buffers.put(buffer)

        sha256, total, waiting = hashlib.sha256(), 0, set[Future[None]]()
        with self._opened() as file, ThreadPoolExecutor(threads) as pool:
            for number in range(1, _MOST_PARTS + 2):
                buffer = buffers.get()
                try:
                    length = _fill(file, buffer)
                except OSError as error:
                    raise incoming.unreadable(self._path, error) from None
                if (not length and number > 1) or total > self._part.size_bytes:
                    break
                task = pool.submit(work, number, buffer, length)
                waiting.add(task)
                sha256.update(memoryview(buffer)[:length])
                total += length
                done = {each for each in waiting if each.done()}
                waiting -= done
                for each in done:
                    _result(each, pool)
            for each in wait(waiting, return_when=FIRST_EXCEPTION).done:
                _result(each, pool)
        if (sha256.hexdigest(), total) != (self._part.sha256, self._part.size_bytes):
            raise incoming.damaged(self._connection.name, self._path, incoming.other_sum(sha256.hexdigest()))
        if self._part.size_bytes <= self._piece_bytes:
            return md5s[1].hex()
        joined = b"".join(md5s[number] for number in sorted(md5s))
        return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(md5s)}"

    @contextmanager
    def _opened(self) -> Iterator[io.BufferedReader]:
        with ExitStack() as stack:
            try:
                file = stack.enter_context(incoming.opened(self._path))
            except FileNotFoundError:
                raise incoming.missing(self._connection.name, self._path) from None
            except plain.NotPlain as error:
                raise incoming.damaged(self._connection.name, self._path, error.why) from None
            yield file

    def _unfinished(self) -> _Sent | None:
        """The newest unfinished upload of this object, and its parts."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._connection.bucket, Prefix=self._key
        )
        found = [each for page in pages for each in page.get("Uploads", []) if each["Key"] == self._key]
        if not found:
            return None
        upload: dict[str, Any] = {**self._where, "UploadId": max(found, key=lambda each: each["Initiated"])["UploadId"]}
        parts = self._client.get_paginator("list_parts").paginate(**upload)
        try:
            etags = {each["PartNumber"]: _plain(each["ETag"]) for page in parts for each in page.get("Parts", [])}
        except ClientError as error:
            if code_of(error) in _FINISHED:
                return None
            raise
        if max(etags, default=0) > math.ceil(self._part.size_bytes / self._piece_bytes):
            # Of smaller pieces, or of another file: not every endpoint lets the surplus go when it is finished.
            self._abandon(upload)
            return None
        return _Sent(upload["UploadId"], etags)

    def _abandon(self, upload: dict[str, Any]) -> None:
        with suppress(ClientError):
            self._client.abort_multipart_upload(**upload)

    def _head(self) -> Any:
        try:
            return self._client.head_object(**self._where)
        except ClientError as error:
            if code_of(error) in GONE:
                return None
            raise

    def _check(self, etag: str) -> None:
        """What the endpoint says it has, against what we read."""
        there = self._head()
        found = (there["ContentLength"], _plain(there["ETag"])) if there is not None else (None, None)
        opaque = there is not None and (
            there.get("SSECustomerAlgorithm") or str(there.get("ServerSideEncryption", "")).startswith("aws:kms")
        )
        if found[0] != self._part.size_bytes or (found[1] != etag and not opaque):
            raise StoreError(
                f"store {self._connection.name} has other bytes than were sent as {self._key}",
                why=f"it has {found[0]} bytes with ETag {found[1]}, sent were {self._part.size_bytes} with {etag}",
                safe="without its manifest the copy is not listed; copies in other stores are untouched",
                next="run this again; if it comes back, the endpoint or something before it changes data",
            )
        self._keep_locked(there)

    def _keep_locked(self, there: Mapping[str, Any]) -> None:
        """A resumed object has the date of its first attempt, and an endpoint may not have heard of dates at all."""
        until = self._locked_until
        if until is None:
            return
        held = there.get("ObjectLockRetainUntilDate")
        if held is None or held < until - _CLOCKS_DIFFER:
            self._client.put_object_retention(**self._where, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})


def _fill(file: io.BufferedReader, buffer: bytearray) -> int:
    """Read until the buffer is full or the file ends."""
    filled = 0
    with memoryview(buffer) as view:
        while filled < len(view) and (got := file.readinto(view[filled:])):
            filled += got
    return filled


def _result(task: "Future[None]", pool: ThreadPoolExecutor) -> None:
    """Raise what a task raised, without starting those that wait."""
    if task.exception() is not None:
        pool.shutdown(wait=False, cancel_futures=True)
    task.result()


def _plain(etag: str) -> str:
    return etag.strip('"')
