"""A NAS that is not mounted is an error, never an empty store and never a full system disk."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.errors import StoreError
from ops_pipelines.sweeping import sweep
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.disk_errors import refused
from ops_pipelines.vault.stores.volume import MARK, Volume
from tests.stores.test_every_store import FIRST, SECOND, nothing, read_all
from tests.unit.test_stores import IN_NAMESPACE, can_mount, workspace_in
from tests.unit.vaults import DUMP, TRUST, publish, verdict

REPOSITORY = Path(__file__).parents[2]


def nas_in(path: Path, *, base: str = "base", mounted: bool = False) -> DirectoryStore:
    root = path / "mnt" / "nas"
    return DirectoryStore("nas", root, TRUST, volume=Volume("nas", root, path / base / "nas.mark", mounted=mounted))


def test_the_first_use_needs_no_ceremony(tmp_path: Path, local: DirectoryStore) -> None:
    nas = nas_in(tmp_path)
    assert (nas.sources(), nas.ids("crm"), nas.sweep()) == ([], [], [])
    assert not nas.root.exists()
    nas.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    assert (nas.root / MARK).is_file()
    assert nas_in(tmp_path).ids("crm") == [FIRST]


@pytest.mark.parametrize("mount_point", ["empty", "gone"])
def test_an_empty_mount_point_is_neither_read_nor_written(
    tmp_path: Path, local: DirectoryStore, mount_point: str
) -> None:
    nas = nas_in(tmp_path)
    manifest, second = publish(local, FIRST), publish(local, SECOND)
    nas.receive(manifest, local.directory("crm", FIRST), nothing)
    nas.root.rename(tmp_path / "the volume")
    if mount_point == "empty":
        nas.root.mkdir()
    for attempt in (
        nas.sources,
        lambda: nas.ids("crm"),
        lambda: nas.manifest("crm", FIRST),
        lambda: nas.open_part("crm", FIRST, manifest.parts[0].name).__enter__(),
        lambda: nas.receive(second, local.directory("crm", SECOND), nothing),
        lambda: nas.keep_verdict(verdict(FIRST, "verified", store="nas")),
        lambda: nas.verdicts("crm", FIRST),
        lambda: nas.delete("crm", FIRST),
        lambda: nas.repository("crm"),
        nas.sweep,
    ):
        with pytest.raises(StoreError, match="is not there") as caught:
            attempt()
        assert f"findmnt --target {nas.root}" in caught.value.next
    assert not nas.root.exists() or list(nas.root.iterdir()) == []
    shutil.rmtree(nas.root, ignore_errors=True)
    (tmp_path / "the volume").rename(nas.root)
    nas.receive(second, local.directory("crm", SECOND), nothing)
    assert nas.ids("crm") == [FIRST, SECOND]
    assert read_all(nas, FIRST) == DUMP


def test_an_unmounted_store_is_a_problem_of_the_catalogue_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = workspace_in(tmp_path, monkeypatch)
    publish(workspace.local, FIRST)
    copy_to(workspace, workspace.catalogue("crm").points[0], "nas")
    (tmp_path / "nas").rename(tmp_path / "away")
    (tmp_path / "nas").mkdir()
    catalogue = workspace.catalogue("crm")
    assert [(point.id, list(point.stores)) for point in catalogue.points] == [(FIRST, ["local"])]
    assert "nas" in catalogue.problems[0] and catalogue.troubled == {"nas"}
    assert publish(workspace.local, SECOND).id == SECOND
    assert any(each.problem for each in sweep(workspace))


def test_another_volume_is_refused_until_the_old_one_is_forgotten_on_purpose(
    tmp_path: Path, local: DirectoryStore
) -> None:
    nas, manifest = nas_in(tmp_path), publish(local, FIRST)
    nas.receive(manifest, local.directory("crm", FIRST), nothing)
    shutil.rmtree(nas.root)
    nas.root.mkdir()
    (nas.root / MARK).write_text("of another disk\n", encoding="utf-8")
    with pytest.raises(StoreError, match="is not there") as caught:
        nas.ids("crm")
    assert "the mark .ops_pipelines-store is that of" in caught.value.why
    remembered = tmp_path / "base" / "nas.mark"
    assert f"rm {remembered}" in caught.value.next
    remembered.unlink()
    nas.receive(manifest, local.directory("crm", FIRST), nothing)
    assert nas.ids("crm") == [FIRST]


def test_another_installation_reads_the_same_volume_and_leaves_its_mark(tmp_path: Path, local: DirectoryStore) -> None:
    nas_in(tmp_path).receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
    mark = (tmp_path / "mnt" / "nas" / MARK).read_bytes()
    other = nas_in(tmp_path, base="elsewhere")
    assert other.ids("crm") == [FIRST]
    other.keep_verdict(verdict(FIRST, "verified", store="nas"))
    assert (other.root / MARK).read_bytes() == mark
    assert nas_in(tmp_path).ids("crm") == [FIRST]


def test_a_volume_that_must_be_mounted_is_not_made_on_the_systems_disk(tmp_path: Path, local: DirectoryStore) -> None:
    nas, manifest = nas_in(tmp_path, mounted=True), publish(local, FIRST)
    for attempt in (lambda: nas.ids("crm"), lambda: nas.receive(manifest, local.directory("crm", FIRST), nothing)):
        with pytest.raises(StoreError, match="is not there") as caught:
            attempt()
        assert "mounted: true" in caught.value.why
    assert not (tmp_path / "mnt").exists()


@pytest.mark.skipif(not can_mount() or not Path("/etc/fstab").exists(), reason="needs user namespaces, and a fstab")
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_a_mounted_volume_is_used_and_missed_when_it_is_unmounted(tmp_path: Path, kind: str) -> None:
    code = """
        import subprocess, sys
        from pathlib import Path
        from ops_pipelines.errors import StoreError
        from ops_pipelines.vault.stores.directory import DirectoryStore
        from tests.stores.test_every_store import FIRST, nothing
        from tests.stores.test_volumes import nas_in
        from tests.unit.vaults import TRUST, publish
        path, kind = Path(sys.argv[1]), sys.argv[2]
        mount = ["-t", "tmpfs", "none"] if kind == "tmpfs" else ["--bind", path / "disk"]
        point = path / "mnt"
        for each in (point, path / "disk"):
            each.mkdir()
        subprocess.run(["mount", *mount, point], check=True)
        (path / "fstab").write_text(f"# disks\\nUUID=1 / ext4\\n#UUID=2 {point}/nas ext4\\nUUID=3 {point} ext4\\n")
        subprocess.run(["mount", "--bind", path / "fstab", "/etc/fstab"], check=True)
        local, nas = DirectoryStore("local", path / "local", TRUST), nas_in(path, mounted=True)
        nas.receive(publish(local, FIRST), local.directory("crm", FIRST), nothing)
        assert nas.ids("crm") == [FIRST]
        subprocess.run(["umount", point], check=True)
        try:
            nas.ids("crm")
        except StoreError as error:
            print(error)
    """
    done = subprocess.run(
        [*IN_NAMESPACE, sys.executable, "-c", textwrap.dedent(code), tmp_path, kind],
        cwd=REPOSITORY, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "is it mounted?" in done.stdout
    assert f"mount {tmp_path}/mnt;" in done.stdout, "what /etc/fstab calls it"


def test_a_file_system_without_locks_is_named(tmp_path: Path, local: DirectoryStore) -> None:
    nas = nas_in(tmp_path)
    error = refused(nas.name, nas.root, "written", OSError(95, "Operation not supported", str(nas.root)))
    assert "no locks" in error.why
    assert "NFS" in error.next
