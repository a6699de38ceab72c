"""The recovery kit: what is in it, who can open it, and whether it still opens what it must."""

import shutil
import subprocess
from pathlib import Path

import pyrage
import pytest

from ops_pipelines.errors import CorruptCopy
from ops_pipelines.recovery.kit.kit import read_index
from tests.end_to_end.clean import PASSPHRASE, CleanMachine
from tests.end_to_end.conftest import Shell, back_up, make_kit
from tests.sample import flip_byte


def test_the_second_identity_recovers_when_every_other_key_is_lost(backed_up: Shell, clean: CleanMachine) -> None:
    kit = make_kit(backed_up, "--new-identity", expect=1)  # attention: no backup is encrypted for it yet
    second = backed_up.json("kit", "--to", "kit", "--passphrase-file", "passphrase", expect=1)["second"]
    config = backed_up.folder / "ops.yaml"
    config.write_text(config.read_text("utf-8").replace('age: ["', f'age: ["{second}", "'), encoding="utf-8")
    back_up(backed_up)
    make_kit(backed_up)

    refused = backed_up.ops("kit", "--to", "kit", "--recipient", second, expect=3)
    assert "what only this kit has would be lost" in refused
    (backed_up.folder / "other").write_text("another long passphrase", encoding="utf-8")
    backed_up.ops("kit", "--to", "kit", "--passphrase-file", "other", expect=3)

    clean.sh(kit, "open", "opened", "--passphrase-file", backed_up.folder / "passphrase")
    key = clean.folder / "opened" / "keys" / "second.key"
    assert str(pyrage.x25519.Identity.from_str(key.read_text("utf-8").strip()).to_public()) == second
    printed = clean.sh(kit, "restore", backed_up.folder / "nas", "crm", "--to", "new", "-i", key)
    assert "as many as the source held" in printed


def test_a_kit_opens_by_hand_as_its_runbook_says(backed_up: Shell, clean: CleanMachine) -> None:
    kit = make_kit(backed_up)
    lines = (kit / "RUNBOOK.md").read_text("utf-8").splitlines()
    by_hand = [line for line in lines if line.startswith(("       openssl enc", "       mkdir -m 700 opened"))]
    assert len(by_hand) == 2
    argv = [shutil.which("sh") or "", "-ec", "\n".join(by_hand)]
    subprocess.run(argv, cwd=kit, env={**clean.environment, "KIT_PASSPHRASE": PASSPHRASE}, check=True)
    assert (kit / "opened" / "keys" / "crm.key").read_text("utf-8").strip() == (backed_up.folder / "age.key").read_text(
        "utf-8"
    ).strip()
    assert (kit / "opened" / "ops.yaml").read_bytes() == (backed_up.folder / "ops.yaml").read_bytes()


def test_the_runbook_has_the_commands_and_what_to_expect(backed_up: Shell, clean: CleanMachine) -> None:
    kit = make_kit(backed_up)
    runbook = (kit / "RUNBOOK.md").read_text("utf-8")
    (point,) = backed_up.json("list", "crm")["crm"]["restore_points"]
    assert f"`{point['id']}`" in runbook and "2050 rows in 2 tables" in runbook
    (command, *_) = [line.strip() for line in runbook.splitlines() if "recover.sh restore" in line]
    assert f"{backed_up.folder}/nas crm" in command  # the off-site copy first
    clean.sh(kit, "open", "opened", KIT_PASSPHRASE=PASSPHRASE)
    _sh, _script, *words = command.split()
    assert "as many as the source held" in clean.sh(kit, *words)


def test_a_kit_is_private_and_its_keys_are_never_written_open_by_accident(backed_up: Shell) -> None:
    refused = backed_up.ops("kit", "--to", "kit", expect=3)
    assert "must be sealed" in refused and not (backed_up.folder / "kit").exists()
    kit = make_kit(backed_up)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (kit, *kit.iterdir())}
    assert {name: mode for name, mode in modes.items() if mode != 0o600} == {"kit": 0o700, "recover.sh": 0o700}
    everything = b"".join(path.read_bytes() for path in kit.iterdir())
    assert (backed_up.folder / "age.key").read_bytes().strip() not in everything
    assert PASSPHRASE.encode() not in everything
    assert "not sealed" in backed_up.ops("kit", "--to", "open", "--unsealed", expect=1)
    (backed_up.folder / "full").mkdir()
    (backed_up.folder / "full" / "thesis.txt").touch()
    backed_up.ops("kit", "--to", "full", "--passphrase-file", "passphrase", expect=3)


def test_a_kit_sealed_for_an_ssh_key_opens_with_it(backed_up: Shell, clean: CleanMachine) -> None:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode()
    private = clean.folder / "id_ed25519"
    private.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption()))
    backed_up.ops("kit", "--to", "kit", "--recipient", public)
    kit = backed_up.folder / "kit"
    assert "sealed for a recipient" in clean.sh(kit, "open", "opened", expect=2)
    clean.sh(kit, "open", "opened", "-i", private)
    assert (clean.folder / "opened" / "keys" / "crm.key").is_file()
    assert backed_up.json("kit", "--check", "kit", "--identity-file", str(private))["proved"]


@pytest.mark.daily(0)
def test_checking_a_kit_opens_the_newest_backups_and_tells_what_has_changed(backed_up: Shell) -> None:
    kit, proof = make_kit(backed_up), ("--check", "kit", "--passphrase-file", "passphrase")
    assert "opened" in backed_up.ops("kit", *proof)
    assert "only public keys were compared" in backed_up.ops("kit", "--check", "kit")

    config = backed_up.folder / "ops.yaml"
    config.write_text(config.read_text("utf-8") + "# a change\n", encoding="utf-8")
    assert "changed since" in backed_up.ops("kit", *proof, expect=1)

    key = pyrage.x25519.Identity.generate()
    old = (backed_up.folder / "age.key").read_text("utf-8")
    public = str(pyrage.x25519.Identity.from_str(old).to_public())
    (backed_up.folder / "age.key").write_text(str(key), encoding="utf-8")
    config.write_text(config.read_text("utf-8").replace(public, str(key.to_public())), encoding="utf-8")
    assert "the next backup of crm will not open" in backed_up.ops("kit", *proof, expect=2)
    back_up(backed_up)
    for words in (proof, proof[:2]):
        checks = backed_up.json("kit", *words, expect=2)["checks"]
        assert {check["name"] for check in checks if not check["passed"]} == {"crm", "ops.yaml", "keys"}

    make_kit(backed_up)
    backed_up.ops("kit", *proof)
    flip_byte(kit / "recover.sh")
    assert "damaged: recover.sh" in backed_up.ops("kit", *proof, expect=2)


def test_a_folder_that_is_no_kit_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(CorruptCopy) as caught:
        read_index(tmp_path)
    assert "Errno" not in caught.value.why
    assert caught.value.next.startswith(f"make one: ops kit --to {tmp_path}")
