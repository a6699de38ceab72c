"""The end of a Zstandard stream is known from its headers, as `zstd -t` knows it, whoever wrote it and however."""

import io
import shutil
import subprocess

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ops_pipelines.vault.frames import Frames

needs_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="needs zstd")
SKIPPABLE = (0x184D2A53).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"abcde"


def whole(data: bytes, piece: int = 1000) -> bool:
    frames = Frames()
    for at in range(0, len(data), piece):
        frames.feed(data[at : at + piece])
    return frames.whole


@settings(max_examples=100, deadline=None)
@given(
    data=st.binary(max_size=3000), repeat=st.integers(0, 200), piece=st.integers(1, 5000), kept=st.floats(0, 1),
    checksum=st.booleans(), sized=st.booleans(), threads=st.sampled_from([0, 2]), frames=st.integers(1, 3),
)  # fmt: skip
def test_it_is_whole_at_its_end_and_nowhere_before(
    data: bytes, repeat: int, piece: int, kept: float, checksum: bool, sized: bool, threads: int, frames: int
) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, write_checksum=checksum, write_content_size=sized, threads=threads
    )
    one = zstandard.ZstdCompressor(compression_params=parameters).stream_reader(io.BytesIO(data * repeat)).read()
    assert whole(one * frames, piece)
    cut = int(kept * (len(one) - 2)) + 1
    assert not whole((one * frames)[:-cut], piece)
    assert whole(SKIPPABLE + one, piece)
    assert whole(one + SKIPPABLE, piece)
    assert not whole(one + SKIPPABLE[:-1], piece)


def test_nothing_at_all_is_not_whole() -> None:
    assert not whole(b"")
    assert not whole(SKIPPABLE)


@needs_zstd
@pytest.mark.parametrize("options", ["-1", "-19", "--long=27", "--no-check", "--rsyncable", "--ultra -22"])
def test_the_standard_tool_agrees(options: str) -> None:
    made = subprocess.run(
        ["zstd", "-c", *options.split()], input=b"abc" * 99_999, capture_output=True, check=True
    ).stdout
    for data in (made, made[:-1], made[: len(made) // 2], made + made[:3], made + made):
        tested = subprocess.run(["zstd", "-t", "-q"], input=data, capture_output=True, check=False)
        assert whole(data) == (tested.returncode == 0)


@pytest.mark.parametrize("dictionary", range(4))
@pytest.mark.parametrize("single", [False, True], ids=["window", "single"])
@pytest.mark.parametrize("form", range(4))
def test_a_header_of_any_length_is_followed_to_the_end_of_its_frame(form: int, single: bool, dictionary: int) -> None:
    """By hand: a size of eight bytes is otherwise in none below 4 GiB. Dictionary 0 is none."""
    content = bytes(300) if form else b"short"
    size = len(content) - 256 if form == 1 else len(content)  # RFC 8878, section 3.1.1.1.4
    header = (
        bytes([form << 6 | single << 5 | dictionary])
        + (b"" if single else b"\x10")
        + bytes((0, 1, 2, 4)[dictionary])
        + size.to_bytes(8, "little")[: (int(single), 2, 4, 8)[form]]
    )
    block = (1 | len(content) << 3).to_bytes(3, "little") + content
    frame = (0xFD2FB528).to_bytes(4, "little") + header + block
    assert zstandard.ZstdDecompressor().decompressobj().decompress(frame) == content, "it is one to the library, too"
    assert whole(frame) and whole(frame * 2, 7)
    assert not any(whole(frame[:end]) for end in range(len(frame)))
