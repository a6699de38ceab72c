"""Files that `openssl enc` encrypted are read, and it reads ours: judged by openssl itself."""

import io
import os
import subprocess

import pytest

from ops_pipelines.vault.openssl import ITERATIONS, MAGIC, Decrypted, Encrypted, WrongPassphrase, iterations_of

PASSPHRASE = "a 'pass' phrase/ščř"
SIZES = (0, 1, 15, 16, 17, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 33)


def openssl(data: bytes, *options: str) -> bytes:
    argv = ["openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-salt", "-pass", "env:PASSPHRASE", *options]
    return subprocess.run(argv, input=data, capture_output=True, check=True, env={"PASSPHRASE": PASSPHRASE}).stdout


def whole(encrypted: bytes, passphrase: str = PASSPHRASE, iterations: int = ITERATIONS[0], size: int = -1) -> bytes:
    decrypted, pieces = Decrypted(io.BytesIO(encrypted), passphrase, iterations=iterations), []
    while piece := decrypted.read(size):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("size", SIZES)
def test_what_openssl_wrote_is_read_and_it_reads_ours(size: int) -> None:
    plain = os.urandom(size)
    assert whole(openssl(plain)) == plain
    assert whole(openssl(plain), size=1000) == plain
    sink = io.BytesIO()
    with Encrypted(sink, PASSPHRASE) as written:
        written.write(plain[: size // 3])
        written.write(plain[size // 3 :])
    assert openssl(sink.getvalue(), "-d") == plain
    assert sink.getvalue().startswith(MAGIC)


@pytest.mark.parametrize("iterations", ITERATIONS)
def test_the_usual_numbers_of_iterations_are_found_by_how_the_content_begins(iterations: int) -> None:
    encrypted = openssl(b"PGDMP and the rest of an old dump", "-iter", str(iterations))
    assert iterations_of(encrypted[:48], PASSPHRASE, [b"-- MySQL", b"PGDMP"]) == iterations
    assert whole(encrypted, iterations=iterations).startswith(b"PGDMP")
    with pytest.raises(WrongPassphrase, match="cannot be decrypted") as caught:
        iterations_of(encrypted[:48], "another", [b"PGDMP"])
    assert "neither 10,000 and 600,000 iterations" in caught.value.why


@pytest.mark.parametrize("cut", [8, 16, 17, 31, 40])
def test_a_cut_off_file_is_refused_at_its_end(cut: int) -> None:
    """Cut within a block, its padding is broken; where the salt ends, there is none."""
    with pytest.raises(WrongPassphrase, match="cannot be decrypted") as caught:
        whole(openssl(b"x" * 100)[:cut])
    assert "truncated" in caught.value.why
