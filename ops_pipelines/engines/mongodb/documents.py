"""Streams of BSON documents, whole and never decoded: split, check, count and digest them. Knows no server."""

import struct
from collections.abc import Callable, Iterator
from hashlib import blake2b
from zlib import crc32

from ops_pipelines.engines.base import DIGESTED, Level, TableFacts
from ops_pipelines.engines.sampling import ONE_IN, WHOLE_UP_TO
from ops_pipelines.errors import OpsError
from ops_pipelines.streams import Reader

CHUNK = 1024 * 1024
LARGEST = 64 * 1024 * 1024
"""No server stores or sends a larger document; a length beyond it is damage."""

_SMALLEST = 5
_length_at: Callable[[bytes, int], tuple[int]] = struct.Struct("<i").unpack_from
_DIGEST_BYTES = 16
_KEY_BYTES = 64
_MODULUS = 1 << (8 * _DIGEST_BYTES)


class TornDocument(OpsError):
    """A stream of documents breaks off inside one, or is not one."""


class Tally:
    """Counts documents and digests their bytes; the order in which they come changes nothing.

    Args:
        level: of the fingerprint. `sample` digests the documents whose beginning hashes to it, and all of a small
            collection.
        seed: decides which documents a sample consists of.
    """

    def __init__(self, level: Level, seed: int = 0) -> None:
        self._digest, self._sample, self._seed = level in DIGESTED, level == "sample", seed
        self._sum = self._sampled = self._digested = 0
        self.rows = 0
        self.size_bytes = 0

    def add(self, batch: bytes) -> None:
        """Take in some whole documents, one after the other. Raises TornDocument."""
        at, end, rows, total = 0, len(batch), 0, 0
        # How many there are is known at the end only: until it is large, both the whole and its sample are kept.
        whole = self._digest and not (self._sample and self.rows > WHOLE_UP_TO)
        view = memoryview(batch)
        while at < end:
            stop = end_of(batch, at)
            chosen = self._sample and crc32(_key(batch, at, stop), self._seed) % ONE_IN == 0
            if whole or chosen:
                number = int.from_bytes(blake2b(view[at:stop], digest_size=_DIGEST_BYTES).digest(), "little")
                total += number
                if chosen:
                    self._sampled += number
                    self._digested += 1
            rows += 1
            at = stop
        self._sum = (self._sum + total) % _MODULUS
        self.rows += rows
        self.size_bytes += end

    def facts(self) -> TableFacts:
        """What was counted so far."""
        if not self._digest:
            return TableFacts(rows=self.rows)
        large = self._sample and self.rows > WHOLE_UP_TO
        digest = f"{(self._sampled if large else self._sum) % _MODULUS:0{2 * _DIGEST_BYTES}x}"
        digested = (self._digested if large else self.rows) if self._sample else None
        return TableFacts(rows=self.rows, digest=digest, digested=digested)


def _key(batch: bytes, at: int, stop: int) -> bytes:
    """The first bytes of a document: `_id` stands first wherever the server made it so."""
    return batch[at + 4 : min(at + _KEY_BYTES, stop)]


def end_of(batch: bytes, at: int) -> int:
    """Where the document that begins at `at` ends. Raises TornDocument when it does not end in `batch`."""
    if len(batch) - at < _SMALLEST:
        raise TornDocument("a document breaks off", why=f"{len(batch) - at} bytes are left of it")
    (length,) = _length_at(batch, at)
    stop = at + length
    if not _SMALLEST <= length <= LARGEST:
        raise TornDocument("the bytes are no document", why=f"its length would be {length}")
    if stop > len(batch):
        raise TornDocument("a document breaks off", why=f"{len(batch) - at} of its {length} bytes are there")
    if batch[stop - 1]:
        raise TornDocument("the bytes are no document", why="it does not end with a zero")
    return stop


def batches(source: Reader, *, size_bytes: int | None = None) -> Iterator[bytes]:
    """Whole documents of a stream, as many at a time as one read brings.

    Args:
        size_bytes: read this much and no more; to the end unless given.
    Raises:
        TornDocument: the stream ends inside a document.
    """
    held, left = b"", size_bytes
    while chunk := source.read(CHUNK if left is None else min(CHUNK, left)):
        if left is not None:
            left -= len(chunk)
        held += chunk
        whole = _whole(held)
        if whole:
            yield held[:whole]
            held = held[whole:]
        elif len(held) >= 4 and not _SMALLEST <= _length_at(held, 0)[0] <= LARGEST:
            end_of(held, 0)
    if left:
        raise TornDocument("a stream of documents breaks off", why=f"{left} of its bytes are missing")
    if held:
        end_of(held, 0)


def _whole(held: bytes) -> int:
    """How many of these bytes are whole documents."""
    at = 0
    while len(held) - at >= 4:
        (length,) = _length_at(held, at)
        if length < _SMALLEST or at + length > len(held):
            break
        at += length
    return at
