"""Where Zstandard frames end: a stream that was cut off inside one is told from a whole one.

The library gives what it could make of a stream and says nothing when the last frame has no end; `zstd -d` does.
Only headers are followed here (RFC 8878, section 3.1): nothing is decompressed twice, and next to nothing is kept.
"""

from collections.abc import Generator

_FRAME, _SKIPPABLE = 0xFD2FB528, range(0x184D2A50, 0x184D2A60)
_DICTIONARY_ID_BYTES, _CONTENT_SIZE_BYTES = (0, 1, 2, 4), (0, 2, 4, 8)
_RLE = 1  # a block that is one byte, to be repeated


class Frames:
    """Follows a stream by what is fed to it. What is no frame at all is left to the decompressor to complain of."""

    def __init__(self) -> None:
        self._count, self._held = 0, b""
        self._steps = self._follow()
        self._wanted = next(self._steps)

    @property
    def whole(self) -> bool:
        """Whether there was a frame, and the last one has ended."""
        return self._count > 0 and self._between and not self._held

    def feed(self, chunk: bytes | memoryview) -> None:
        """The next bytes of the stream."""
        at = 0
        while at < len(chunk):
            if self._wanted < 0:  # bytes of no meaning here
                passed = min(-self._wanted, len(chunk) - at)
                self._wanted += passed
            else:
                passed = min(self._wanted - len(self._held), len(chunk) - at)
                self._held += bytes(chunk[at : at + passed])
            at += passed
            if self._wanted == len(self._held):
                held, self._held = self._held, b""
                self._wanted = self._steps.send(held)

    def _follow(self) -> Generator[int, bytes, None]:
        """Yields how many bytes it wants to see next; of how many it does not, as a number below zero."""
        while True:
            self._between = True
            magic = int.from_bytes((yield 4), "little")
            self._between = False
            if magic in _SKIPPABLE:
                if size := int.from_bytes((yield 4), "little"):
                    yield -size
            else:
                yield from self._frame()
            self._count += magic == _FRAME

    def _frame(self) -> Generator[int, bytes, None]:
        descriptor = (yield 1)[0]
        single, checksum = bool(descriptor & 0x20), bool(descriptor & 0x04)
        content_size = _CONTENT_SIZE_BYTES[descriptor >> 6] or single
        if header := _DICTIONARY_ID_BYTES[descriptor & 3] + content_size + (not single):
            yield -header
        last = False
        while not last:
            block = int.from_bytes((yield 3), "little")
            last, form, size = bool(block & 1), block >> 1 & 3, block >> 3
            if stored := 1 if form == _RLE else size:
                yield -stored
        if checksum:
            yield -4
