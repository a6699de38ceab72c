"""Signatures: checked by minisign itself where it is installed, and by a reading of its format written here."""

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ops_pipelines.errors import OpsError
from ops_pipelines.vault.signing.minisign import open_signer
from tests.sample import flip_byte


def check(data: bytes, signature: str, public: str) -> str:
    """minisign's format as its page describes it; returns the trusted comment. Raises InvalidSignature."""
    key = base64.b64decode(public)
    _untrusted, first, trusted, second = signature.splitlines()
    body = base64.b64decode(first)
    assert (key[:2], body[:2]) == (b"Ed", b"ED") and key[2:10] == body[2:10]
    comment = trusted.removeprefix("trusted comment: ")
    verifier = Ed25519PublicKey.from_public_bytes(key[10:])
    verifier.verify(body[10:], hashlib.blake2b(data, digest_size=64).digest())
    verifier.verify(base64.b64decode(second), body[10:] + comment.encode())
    return comment


def test_a_signature_holds_and_a_changed_byte_or_comment_breaks_it(tmp_path: Path) -> None:
    signer = open_signer(tmp_path / "drills" / "signing.key", lost="make a new one")
    signature = signer.sign(b"a report", comment="drill 1 passed")
    assert check(b"a report", signature, signer.public) == "drill 1 passed"
    with pytest.raises(InvalidSignature):
        check(b"a report.", signature, signer.public)
    with pytest.raises(InvalidSignature):
        check(b"a report", signature.replace("passed", "failed"), signer.public)


def test_the_key_is_made_once_private_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    assert open_signer(path, lost="make a new one").public == open_signer(path, lost="make a new one").public
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["signing.key"]
    assert len(base64.b64decode(path.read_text("ascii").splitlines()[1])) == 158, "as minisign's own is"
    path.write_text("untrusted comment: x\n" + "A" * 212, encoding="ascii")
    with pytest.raises(OpsError, match="damaged"):
        open_signer(path, lost="make a new one")


@pytest.mark.skipif(shutil.which("minisign") is None, reason="minisign is not installed")
def test_minisign_itself_accepts_it_and_our_key_file(tmp_path: Path) -> None:
    signer, file = open_signer(tmp_path / "signing.key", lost="make a new one"), tmp_path / "SHA256SUMS"
    file.write_bytes(b"0" * 64 + b"  report.json\n")
    (tmp_path / "SHA256SUMS.minisig").write_text(signer.sign(file.read_bytes(), comment="drill 1"), encoding="utf-8")
    (tmp_path / "drill.pub").write_text(signer.public_file, encoding="utf-8")

    def minisign(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["minisign", *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "drill 1" in minisign("-Vm", "SHA256SUMS", "-P", signer.public).stdout
    assert minisign("-Vm", "SHA256SUMS", "-p", "drill.pub").returncode == 0
    flip_byte(file)
    assert minisign("-Vm", "SHA256SUMS", "-P", signer.public).returncode == 1
    assert minisign("-Sm", "drill.pub", "-s", "signing.key").returncode == 0  # it reads our key, too
    assert minisign("-Vm", "drill.pub", "-P", signer.public).returncode == 0
