"""What is sealed opens again, with our own code and with the standard tools; what is damaged does not."""

import hashlib
import io
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ops_pipelines.errors import CorruptCopy
from ops_pipelines.vault import codec
from tests.unit.vaults import DUMP, IDENTITY, RECIPIENT

needs_tools = pytest.mark.skipif(not (shutil.which("age") and shutil.which("zstd")), reason="needs age and zstd")


class InPieces(io.RawIOBase):
    """A source that hands out its bytes in odd pieces, as pipes do."""

    def __init__(self, data: bytes, piece: int) -> None:
        self._data, self._piece = io.BytesIO(data), piece

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(self._piece if size < 0 else min(size, self._piece))


def sealed(data: bytes, *, encrypted: bool = True, compressed: bool = True) -> bytes:
    sink = io.BytesIO()
    codec.encode(io.BytesIO(data), sink, [RECIPIENT] if encrypted else [], compress=compressed)
    return sink.getvalue()


def opened(data: bytes, *, identity: str = IDENTITY, encrypted: bool = True, compressed: bool = True) -> bytes:
    sink = io.BytesIO()
    codec.decode(io.BytesIO(data), sink, [identity], encrypted=encrypted, compressed=compressed)
    return sink.getvalue()


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=5000), repeat=st.integers(1, 60), piece=st.integers(1, 70000), flags=st.integers(0, 3))
def test_whatever_goes_in_comes_out(data: bytes, repeat: int, piece: int, flags: int) -> None:
    data, sink = data * repeat, io.BytesIO()
    encrypted, compressed = bool(flags & 1), bool(flags & 2)
    plain, size, sha256 = codec.encode(
        InPieces(data, piece), sink, [RECIPIENT] if encrypted else [], compress=compressed
    )
    written = sink.getvalue()
    assert (plain, size, sha256) == (len(data), len(written), hashlib.sha256(written).hexdigest())
    assert opened(written, encrypted=encrypted, compressed=compressed) == data


@needs_tools
@pytest.mark.parametrize("data", [b"", b"x", DUMP * 300], ids=["nothing", "a-byte", "megabytes"])
def test_the_standard_tools_open_what_we_seal(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"# created by us\n{IDENTITY}\n", encoding="utf-8")
    (tmp_path / "part").write_bytes(sealed(data))
    command = "set -o pipefail; age -d -i key part | zstd -dc"
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True).stdout == data


@needs_tools
def test_we_open_what_the_standard_tools_seal(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(DUMP)
    subprocess.run(
        ["bash", "-c", f"set -o pipefail; zstd -c plain | age -r {RECIPIENT} > part"], cwd=tmp_path, check=True
    )
    assert opened((tmp_path / "part").read_bytes()) == DUMP


@needs_tools
def test_a_key_file_as_age_keygen_writes_it_opens(tmp_path: Path) -> None:
    subprocess.run(["age-keygen", "-o", tmp_path / "key"], check=True, capture_output=True)
    key = (tmp_path / "key").read_text(encoding="utf-8")
    sink = io.BytesIO()
    codec.encode(io.BytesIO(DUMP), sink, [codec.public_key(key)])
    assert opened(sink.getvalue(), identity=key) == DUMP


def test_another_key_does_not_open_it() -> None:
    other = str(codec.pyrage.x25519.Identity.generate())
    with pytest.raises(CorruptCopy) as caught:
        opened(sealed(DUMP), identity=other)
    assert caught.value.check == "decrypt"


@settings(max_examples=150, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), encrypted=st.booleans())
@example(at=0.002, bit=7, encrypted=False)  # a frame of another size of header: the library gave back nothing at all
def test_one_flipped_bit_never_opens_as_if_nothing_were(at: float, bit: int, encrypted: bool) -> None:
    data = bytearray(sealed(DUMP, encrypted=encrypted))
    data[int(at * len(data))] ^= 1 << bit
    try:
        found = opened(bytes(data), encrypted=encrypted)
    except CorruptCopy as error:
        assert error.check in ("decrypt", "decompress")
    else:
        # A bit that carries no meaning (the frame's checksum flag, say): the part's SHA-256 notices it.
        assert found == DUMP


@settings(max_examples=120, deadline=None)
@given(kept=st.floats(0, 1, exclude_max=True), encrypted=st.booleans(), data=st.sampled_from([b"", b"x", DUMP]))
@example(kept=0.0, encrypted=False, data=DUMP)
@example(kept=0.5, encrypted=False, data=DUMP)
def test_a_part_cut_off_anywhere_does_not_open(kept: float, encrypted: bool, data: bytes) -> None:
    whole = sealed(data, encrypted=encrypted)
    with pytest.raises(CorruptCopy):
        opened(whole[: int(kept * len(whole))], encrypted=encrypted)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(("more", "said"), [(-1, "holds more"), (1, "holds less")])
def test_a_part_holds_what_its_manifest_says_to_the_byte(more: int, said: str, compressed: bool) -> None:
    whole = io.BytesIO(sealed(DUMP, encrypted=False, compressed=compressed))
    size = len(DUMP) + more
    with pytest.raises(CorruptCopy, match=said):
        codec.decode(whole, io.BytesIO(), (), encrypted=False, compressed=compressed, plain_bytes=size)


class Broken(io.RawIOBase):
    """A disk that gives up: on every read and every write."""

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        raise OSError(5, "Input/output error")

    def readinto(self, buffer: object) -> int:
        raise OSError(5, "Input/output error")

    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_disk_that_gives_up_is_not_taken_for_a_damaged_backup(encrypted: bool, compressed: bool) -> None:
    data = sealed(DUMP * 300, encrypted=encrypted, compressed=compressed)
    with pytest.raises(OSError, match="No space left"):
        codec.decode(io.BytesIO(data), Broken(), [IDENTITY], encrypted=encrypted, compressed=compressed)
    with pytest.raises(OSError, match="Input/output"):
        codec.decode(Broken(), io.BytesIO(), [IDENTITY], encrypted=encrypted, compressed=compressed)
    with pytest.raises(OSError, match="No space left"):
        codec.encode(io.BytesIO(DUMP * 300), Broken(), [RECIPIENT] if encrypted else [], compress=compressed)
    with pytest.raises(OSError, match="Input/output"):
        codec.encode(Broken(), io.BytesIO(), [RECIPIENT] if encrypted else [], compress=compressed)


@pytest.mark.parametrize("text", ["", "age1nonsense", "ssh-rsa nonsense", "AGE-SECRET-KEY-1"])
def test_a_recipient_that_is_none_is_named(text: str) -> None:
    with pytest.raises(codec.BadKey):
        codec.parse_recipient(text)


@pytest.mark.parametrize(
    "text", ["", "# only a comment", "AGE-SECRET-KEY-1QQ", "-----BEGIN OPENSSH PRIVATE KEY-----\n"]
)
def test_an_identity_that_is_none_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(codec.BadKey) as caught:
        codec.parse_identity(text)
    assert "SECRET-KEY" not in str(caught.value)
