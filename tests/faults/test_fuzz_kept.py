"""Files that a store and `base/keys` keep: a damaged one is called so, and believed by nobody."""

import shutil
from datetime import datetime, timezone
from pathlib import Path

from ops_pipelines.errors import OpsError
from ops_pipelines.vault.manifest import read_manifest
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.signing.minisign import BadSignature, Signature
from ops_pipelines.vault.verdict import read_verdict
from tests.faults.fuzz import each_try, only, twisted_or_torn
from tests.faults.mutate import torn
from tests.unit import vaults

ID = "20261121T020000Z-0a1b2c3d"


def test_a_manifest_and_a_verdict_are_read_or_called_unreadable(tmp_path: Path) -> None:
    directory = tmp_path / ID
    directory.mkdir()
    manifest = vaults.seal(directory, ID).to_bytes()
    verdict = vaults.verdict(ID, "verified").to_bytes()
    for random, name in each_try("a manifest and a verdict", 400):
        with only(OpsError, name):
            point = read_manifest(twisted_or_torn(random, manifest), where="here")
            assert point.to_bytes() and point.size_bytes is not None and point.contents.rows_text, name
            list(point.notes)
        with only(OpsError, name):
            proof = read_verdict(twisted_or_torn(random, verdict), where="here")
            assert proof.words and proof.file_name and proof.reason is not None and proof.took_s >= 0, name
            list(proof.missing)


def test_a_signature_is_whole_or_none(tmp_path: Path) -> None:
    directory = tmp_path / ID
    directory.mkdir()
    vaults.seal(directory, ID)
    content, signed = ((directory / each).read_bytes() for each in ("manifest.json", "manifest.json.minisig"))
    for random, name in each_try("a signature", 400):
        damaged = torn(random, signed)
        with only(BadSignature, name):
            signature = Signature.read(damaged)
            key = vaults.TRUST.keys.trusted.get(signature.number)
            if key is None:
                continue  # it says that it is somebody else's
            signature.check(key, content)
            assert damaged == signed, f"{name}: believed"


def test_keys_are_read_or_the_kit_is_named(tmp_path: Path) -> None:
    vaults.TRUST.keys.signer(datetime.now(timezone.utc))
    kept = vaults.TRUST.keys.files()
    for random, name in each_try("keys", 150):
        directory = tmp_path / name
        directory.mkdir()
        for file, content in kept.items():
            damage = random.choice((lambda _random, whole: whole, twisted_or_torn if ".json" in file else torn))
            (directory / file).write_bytes(damage(random, content))
        with only(OpsError, name):
            keys = Keys(directory)
            assert keys.installation is None or keys.installation.ids
            keys.signer(datetime.now(timezone.utc))
        shutil.rmtree(directory)
