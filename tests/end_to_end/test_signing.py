"""Signatures as a user meets them: after an upgrade, with a second machine on the same NAS, when keys change."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ops_pipelines.config.load import load_config
from ops_pipelines.engines.postgres.connection import Server
from ops_pipelines.workspace import Workspace
from tests.end_to_end.conftest import Shell, back_up
from tests.sample import write_config
from tests.web.pages import status_page


def test_after_an_upgrade_everything_says_what_to_type_and_one_command_makes_it_good(shell: Shell) -> None:
    back_up(shell)
    for path in shell.folder.rglob("*.minisig"):
        path.unlink()
    printed = shell.ops("status", expect=2)
    assert "1 restore point is not signed" in printed and "ops sign crm" in printed
    assert "not signed" in shell.ops("list", expect=1)
    assert "ops sign crm" in shell.ops("restore", "crm", "--to", "crm_new", expect=2)
    shown = shell.ops("sign", expect=1)
    assert "would be" in shown and "nothing was signed" in shown
    assert not list(shell.folder.rglob("manifest.json.minisig"))
    assert "with 1 verdicts" in shell.ops("sign", "--yes")
    shell.ops("status")
    assert "everything there is signed" in shell.ops("sign")


@pytest.mark.daily(0)
def test_what_the_ledger_did_not_see_is_signed_only_with_a_word_of_its_own(shell: Shell) -> None:
    back_up(shell)
    for path in (*shell.folder.rglob("*.minisig"), *shell.folder.rglob("ledger.sqlite*")):
        path.unlink()
    assert "it is not in the ledger" in shell.ops("sign", "--yes", expect=1)
    assert "signed as number" in shell.ops("sign", "--yes", "--unknown")
    (point,) = shell.json("list", "crm", expect=1)["crm"]["restore_points"]
    assert point["verdict"] is None  # nobody vouches for the old proof


@pytest.mark.daily(0)
def test_two_machines_on_one_nas_see_each_other_and_leave_each_other_alone(
    shell: Shell, crm: Server, tmp_path: Path
) -> None:
    back_up(shell)
    other = Shell(tmp_path / "other")
    other.folder.mkdir()
    write_config(other.folder, crm)
    shutil.copy(shell.folder / "dagster.yaml", other.folder)
    config = other.folder / "ops.yaml"
    config.write_text(config.read_text("utf-8").replace("path: nas", f"path: {shell.folder / 'nas'}"), encoding="utf-8")
    told = other.ops("status", expect=2)
    assert "NEVER" in told and "belong to another installation" in told and "ops key import" in told
    assert "belong to another installation" in other.ops("restore", "crm", "--to", "crm_new", expect=2)
    listed = other.json("list", "crm")["crm"]
    assert listed["restore_points"] == [] and [each["standing"] for each in listed["strangers"]] == ["foreign"]
    back_up(other)
    assert [each["standing"] for each in shell.json("list", "crm")["crm"]["strangers"]] == ["foreign"]
    for told in (shell.ops("status"), shell.ops("list", "crm")):
        assert "crm: 1 there belong to another installation" in told
    assert "1 there belong to another installation" in status_page(Workspace(load_config(shell.folder / "ops.yaml")))

    assert "dry run" in other.ops("adopt", "--source", "crm", "--foreign")
    assert "signed" in other.ops("adopt", "--source", "crm", "--foreign", "--apply")
    assert len(other.json("list", "crm")["crm"]["restore_points"]) == 2
    assert [each["standing"] for each in shell.json("list", "crm")["crm"]["strangers"]] == ["foreign", "foreign"]


def test_a_key_is_rotated_lost_and_brought_back(shell: Shell) -> None:
    assert "no key yet" in shell.ops("key", "show")
    back_up(shell)
    first = shell.json("key", "show")
    keys = shell.folder / "base" / "keys"
    kept = shutil.copytree(keys, shell.folder / "kept")
    shell.ops("key", "rotate")
    second = shell.json("key", "show")
    assert len(second["trusted"]) == 2 and second["installation"] == first["installation"]
    shell.ops("status")

    (keys / "signing.key").unlink()
    assert "is gone" in shell.ops("key", "show", expect=2)
    shell.ops("key", "import", str(kept))
    shell.ops("status")
    assert "holds no signing key" in shell.ops("key", "import", str(shell.folder), expect=2)

    shutil.rmtree(keys)
    assert "ops sign" in shell.ops("key", "new")
    shell.ops("sign", "--yes")
    shell.ops("status")


def test_a_new_machine_becomes_the_lost_one_with_what_its_kit_carries(shell: Shell, tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    shell.ops("kit", "--to", str(kit), "--unsealed", expect=1)  # before the first backup
    back_up(shell)
    shutil.rmtree(shell.folder / "base")
    assert "never backed up here; 1 there belong to another installation" in shell.ops("status", expect=2)
    opened = shell.folder / "opened"
    subprocess.run(["sh", kit / "recover.sh", "open", opened], check=True, stdout=subprocess.DEVNULL)
    assert "this is installation" in shell.ops("key", "import", str(opened / "signing"))
    (point,) = shell.json("list", "crm")["crm"]["restore_points"]
    assert point["verdict"]["outcome"] == "verified" and point["number"] == 1
    back_up(shell)
    newest = shell.json("list", "crm")["crm"]["restore_points"][0]
    assert newest["number"] == 2 and newest["previous"]
