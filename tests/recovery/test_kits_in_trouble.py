"""Kits that are damaged, sealed otherwise, made without a key, or older than what they are to open."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ops_pipelines import durable
from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import CorruptCopy, OpsError, SafetyRefusal
from ops_pipelines.recovery.kit import seal
from ops_pipelines.recovery.kit.check import Checked, check_kit
from ops_pipelines.recovery.kit.kit import BELIEVED, INDEX, Made, Sealing, make_kit
from ops_pipelines.recovery.kit.runbook import write_runbook
from ops_pipelines.recovery.kit.secrets import SECOND, gather
from ops_pipelines.vault.manifest import SUMS
from ops_pipelines.workspace import Workspace
from tests.engines.sqlite.conftest import House
from tests.recovery.test_small_houses import changed, house_in

PASSPHRASE = "five random words of mine"


def kit_of(workspace: Workspace, house: House, sealing: Sealing | None = None, *, second: bool = False) -> Made:
    """Write the kit of a house into `kit`."""
    sealing = sealing or Sealing(PASSPHRASE)
    return make_kit(workspace, house.path / "ops.yaml", house.path / "kit", sealing, new_identity=second)


def told(checked: Checked) -> dict[str, str]:
    """What was found, after a ! where it does not hold."""
    return {each.name: each.detail if each.passed else f"! {each.detail}" for each in checked.checks}


def test_a_kit_is_not_written_over_what_would_be_lost(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    workspace = house.configure()
    with pytest.raises(OpsError, match="the passphrase has 5 characters, 12 are needed"):
        kit_of(workspace, house, Sealing("short"))
    first = kit_of(workspace, house, second=True).index.second
    assert first is not None
    with pytest.raises(SafetyRefusal, match="has a second identity already") as again:
        kit_of(workspace, house, second=True)
    assert first in again.value.why
    assert kit_of(workspace, house).index.second == first, "what exists there alone is kept"
    with pytest.raises(SafetyRefusal, match="cannot be rewritten") as other:
        kit_of(workspace, house, Sealing("another passphrase"))
    assert "what only this kit has would be lost" in other.value.why
    (tmp_path / "kit" / INDEX).unlink()
    with pytest.raises(SafetyRefusal, match="holds other files"):
        kit_of(workspace, house)
    (tmp_path / "file").touch()
    with pytest.raises((OpsError, OSError)):
        make_kit(workspace, tmp_path / "ops.yaml", tmp_path / "file", Sealing(PASSPHRASE), new_identity=False)


def test_each_thing_that_is_wrong_with_a_kit_is_said(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    workspace, config, kit = house.configure(), tmp_path / "ops.yaml", tmp_path / "kit"
    kit_of(workspace, house)
    assert told(check_kit(workspace, config, kit, passphrase=PASSPHRASE))["app"] == "no backup yet"
    taken = take_backup(workspace, "app")
    for words, said in (
        ({"passphrase": PASSPHRASE}, f"opened {taken.id} from local"),
        ({}, f"has a key of {taken.id}"),
    ):
        found = check_kit(workspace, config, kit, **words)
        assert found.current and told(found)["app"] == said
    with pytest.raises(seal.CannotOpen, match="the passphrase does not open this kit"):
        check_kit(workspace, config, kit, passphrase="not this one")
    with pytest.raises(seal.CannotOpen, match="cannot be opened"):
        check_kit(workspace, config, kit, identity=str(pyrage.x25519.Identity.generate()))

    # Another key from now on: what is taken with it, this kit does not open.
    another = str(pyrage.x25519.Identity.generate().to_public())
    workspace = changed(house, defaults={"encrypt": {"age": [another], "identity": {"file": "age.key"}}})
    (kit / BELIEVED).unlink()
    later = take_backup(workspace, "app")
    found = check_kit(workspace, config, kit)
    assert not found.opens and told(found) == {
        "files": f"! damaged: {BELIEVED}",
        "app": f"! has no key of {later.id}",
        "ops.yaml": told(found)["ops.yaml"],
        "signatures": "! changed since: rewrite the kit (ops kit --to DIR)",
        "keys": "! the next backup of app will not open: no identity of the kit is in encrypt.age",
    }
    assert told(found)["ops.yaml"].startswith("! changed since ")
    opened = check_kit(workspace, config, kit, passphrase=PASSPHRASE)
    assert told(opened)["app"].startswith(f"! does not open {later.id}: ")
    assert any("no identity in the kit opens the backups of app" in each for each in kit_of(workspace, house).warnings)

    (kit / SUMS).write_text("no sums\n", encoding="utf-8")
    assert told(check_kit(workspace, config, kit))["files"].startswith("! ")
    for name, why in ((seal.KIT_KEY, "is damaged"), (seal.ENCRYPTED, "cannot be opened")):
        kept = (kit / name).read_bytes()
        (kit / name).write_bytes(b"garbage")
        with pytest.raises(seal.CannotOpen, match=why):
            seal.open_secrets(kit, passphrase=PASSPHRASE)
        (kit / name).write_bytes(kept)
    (kit / seal.ENCRYPTED).unlink()
    with pytest.raises(seal.CannotOpen, match="cannot be read"):
        seal.open_secrets(kit, passphrase=PASSPHRASE)
    (kit / INDEX).write_text("{}", encoding="utf-8")
    with pytest.raises(CorruptCopy, match="cannot be read"):
        check_kit(workspace, config, kit)
    with pytest.raises(seal.CannotOpen, match="the sealed part of the kit is damaged"):
        seal.unpack(b"no archive" * 100)


def test_a_kit_for_a_recipient_and_one_that_is_open(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    workspace, kit = house.configure(), tmp_path / "kit"
    mine = pyrage.x25519.Identity.generate()
    made = kit_of(workspace, house, Sealing(recipients=[str(mine.to_public())]))
    assert made.index.sealed == ["recipient"]
    with pytest.raises(seal.CannotOpen, match="was sealed for a recipient"):
        seal.open_secrets(kit, passphrase=PASSPHRASE)
    assert "keys/app.key" in seal.open_secrets(kit, identity=str(mine))
    opened = kit_of(workspace, house, Sealing())
    assert any("are not sealed" in each for each in opened.warnings) and not (kit / seal.ENCRYPTED).exists()
    assert check_kit(workspace, tmp_path / "ops.yaml", kit).proved


def test_what_cannot_be_carried_is_named_and_passwords_stay_out_of_the_open_half(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    house.configure()
    (tmp_path / "up").mkdir()
    sources: dict[str, Any] = {
        "crm": {"kind": "postgres", "url": {"literal": "postgres://u:canary@h/crm"}, "copies": []},
        "files": {"kind": "files", "paths": ["up"], "password": {"env": "UNSET_PASSWORD"}, "with": "crm"},
    }
    stores = {"far": {"kind": "s3", "bucket": "abc", "endpoint": "http://127.0.0.1:1", "credentials": {"env": "UNSET"}}}
    workspace = changed(house, sources=sources, stores=stores)
    (tmp_path / "age.key").unlink()
    made = kit_of(workspace, house, second=True)
    missing = "\n".join(made.index.missing)
    assert "age.key" in missing and "UNSET_PASSWORD" in missing, missing
    assert any("is not encrypted for the second identity yet" in each for each in made.warnings)
    assert b"canary" not in (tmp_path / "kit" / "ops.yaml").read_bytes()
    carried = gather(workspace)
    carried.identities[SECOND] = "a second one"
    page = write_runbook(
        workspace.config, workspace.stores, workspace.catalogue, carried, ["passphrase"], made_at=workspace.clock.now()
    )
    assert "Nothing of it was verified when this was written." in page and "**Not in this kit:**" in page
    assert f"opened/{SECOND}" in page and json.dumps("abc") not in page
    czech = workspace.config.model_copy(update={"language": "cs"})
    told = write_runbook(
        czech, workspace.stores, workspace.catalogue, carried, ["passphrase"], made_at=workspace.clock.now()
    )
    assert told.startswith("# Postup obnovy\n") and "**Není v této sadě:**" in told
    assert [line for line in told.splitlines() if line.startswith("    sh ")] == [
        line for line in page.splitlines() if line.startswith("    sh ")
    ], "commands are the same in each language"


@pytest.mark.parametrize("at", [1, 4, 8])
@pytest.mark.parametrize("step", ["write", "replace"])
@pytest.mark.daily(3)
def test_a_stop_while_a_kit_is_written_anew_leaves_one_that_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, at: int
) -> None:
    house = house_in(tmp_path)
    workspace = house.configure()
    take_backup(workspace, "app")
    kit_of(workspace, house)
    owner, name = (durable, "write") if step == "write" else (Path, "replace")
    real, calls = getattr(owner, name), 0

    def stopping(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*given, **more)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(owner, name, stopping)
        kit_of(workspace, house)
    assert calls >= at
    checked = check_kit(workspace, house.path / "ops.yaml", house.path / "kit", passphrase=PASSPHRASE)
    assert all(each.passed for each in checked.checks), told(checked)
    kit_of(workspace, house)
    assert not (house.path / "kit" / ".unfinished").exists()
