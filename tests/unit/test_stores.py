"""A restore point exists whole or not at all; a damaged, swapped or half-written one is noticed by name."""

import json
import os
import random
import shutil
import subprocess
import sys
import textwrap
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops_pipelines import lease
from ops_pipelines.backup.copies import copy_to
from ops_pipelines.config.load import load_config
from ops_pipelines.errors import Busy, CorruptCopy, SafetyRefusal, StoreError
from ops_pipelines.vault.catalogue import read_catalogue
from ops_pipelines.vault.manifest import read_manifest
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.trust import Untrusted
from ops_pipelines.workspace import Workspace, open_workspace
from tests.unit.vaults import AT, DUMP, IDENTITY, RECIPIENT, TRUST, publish, verdict

FIRST, SECOND = "20261121T020000Z-0001", "20261121T080000Z-0002"
REPOSITORY = Path(__file__).parents[2]


def nothing(size_bytes: int) -> None:
    """Nobody is watching."""


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore("local", tmp_path / "store", TRUST)


def read_all(store: DirectoryStore, backup_id: str) -> bytes:
    copy = Copy(store, store.manifest("crm", backup_id), lambda: [IDENTITY])
    copy.data("contents")
    return copy.data("dump")


def test_what_was_published_is_listed_and_opens(store: DirectoryStore) -> None:
    manifest = publish(store, FIRST)
    catalogue = read_catalogue({"local": store}, "crm")
    assert [point.manifest.to_bytes() for point in catalogue.points] == [manifest.to_bytes()]
    assert (store.sources(), store.ids("crm"), catalogue.problems) == (["crm"], [FIRST], ())
    assert read_all(store, FIRST) == DUMP
    assert not list((store.root / ".staging").glob("*Z-*"))


def test_sha256sum_agrees(store: DirectoryStore) -> None:
    publish(store, FIRST)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=store.directory("crm", FIRST), check=True)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_flipped_bit_anywhere_in_a_restore_point_is_noticed_as_a_checksum(
    store: DirectoryStore, data: st.DataObject
) -> None:
    directory = store.directory("crm", FIRST)
    if not directory.exists():
        publish(store, FIRST)
    path = data.draw(st.sampled_from(sorted(directory.iterdir())))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    try:
        with pytest.raises(Untrusted if path.suffix == ".minisig" else CorruptCopy) as caught:
            read_all(store, FIRST)
    finally:
        path.write_bytes(whole)
    assert getattr(caught.value, "check", "checksum") == "checksum"


@pytest.mark.parametrize("recipients", [(RECIPIENT,), ()], ids=["encrypted", "plain"])
def test_a_part_cut_off_or_grown_at_any_offset_is_noticed_as_a_checksum(
    store: DirectoryStore, recipients: tuple[str, ...]
) -> None:
    manifest = publish(store, FIRST, recipients=recipients)
    part = manifest.part("dump")
    assert part is not None
    path = store.directory("crm", FIRST) / part.name
    whole = path.read_bytes()
    offsets = [0, 1, len(whole) - 1, *random.Random(5).sample(range(len(whole)), 40)]
    for damaged in [*(whole[:offset] for offset in offsets), whole + b"\0", whole + whole]:
        path.write_bytes(damaged)
        with pytest.raises(CorruptCopy) as caught:
            read_all(store, FIRST)
        assert caught.value.check == "checksum"


def test_a_part_that_is_missing_is_named(store: DirectoryStore) -> None:
    part = publish(store, FIRST).parts[0]
    (store.directory("crm", FIRST) / part.name).unlink()
    with pytest.raises(CorruptCopy, match=part.name) as caught:
        read_all(store, FIRST)
    assert caught.value.check == "parts"


def test_swapped_restore_points_are_noticed(store: DirectoryStore) -> None:
    publish(store, FIRST)
    publish(store, SECOND, dump=b"another")
    first, second, aside = store.directory("crm", FIRST), store.directory("crm", SECOND), store.root / "aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    catalogue = read_catalogue({"local": store}, "crm")
    assert catalogue.points == ()
    assert [each.standing for each in catalogue.strangers] == ["replayed", "replayed"]


def test_swapped_parts_are_noticed(store: DirectoryStore) -> None:
    name = publish(store, FIRST).parts[0].name
    publish(store, SECOND, dump=b"another")
    first, second = store.directory("crm", FIRST) / name, store.directory("crm", SECOND) / name
    mine, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(mine)
    for backup_id in (FIRST, SECOND):
        with pytest.raises(CorruptCopy) as caught:
            read_all(store, backup_id)
        assert caught.value.check == "checksum"


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"format": "another"},
        {"parts": [{"name": "../../etc/passwd"}]},
        {"started_at": "2026-11-21T02:00:00"},
    ],
    ids=["version", "format", "part-outside", "time-without-zone"],
)
def test_a_manifest_we_do_not_understand_is_refused(store: DirectoryStore, change: dict[str, object]) -> None:
    known = json.loads(publish(store, FIRST).to_bytes())
    if "parts" in change:
        change = {"parts": [{**known["parts"][0], "name": "../../etc/passwd"}]}
    with pytest.raises(CorruptCopy) as caught:
        read_manifest(json.dumps({**known, **change}).encode(), where="here")
    assert caught.value.check == "manifest"


def test_a_manifest_with_keys_of_a_later_version_is_read(store: DirectoryStore) -> None:
    manifest = publish(store, FIRST)
    later = {**json.loads(manifest.to_bytes()), "colour": "blue"}
    assert read_manifest(json.dumps(later).encode(), where="here").to_bytes() == manifest.to_bytes()


def test_an_unreadable_manifest_is_a_problem_and_hides_no_other(store: DirectoryStore) -> None:
    publish(store, FIRST)
    publish(store, SECOND)
    (store.directory("crm", FIRST) / "manifest.json").write_bytes(b"{")
    catalogue = read_catalogue({"local": store}, "crm")
    assert [point.id for point in catalogue.points] == [SECOND]
    assert FIRST in catalogue.problems[0]


def test_the_newest_telling_verdict_decides(store: DirectoryStore) -> None:
    publish(store, FIRST)
    store.keep_verdict(verdict(FIRST, "verified"))
    store.keep_verdict(verdict(FIRST, "inconclusive", at=AT + timedelta(hours=1)))
    point = read_catalogue({"local": store}, "crm").recovery_point
    assert point is not None and point.id == FIRST
    store.keep_verdict(verdict(FIRST, "bad", at=AT + timedelta(hours=2)))
    assert read_catalogue({"local": store}, "crm").recovery_point is None


def test_an_unreadable_verdict_proves_nothing_and_is_told(store: DirectoryStore) -> None:
    publish(store, FIRST)
    store.keep_verdict(verdict(FIRST, "verified"))
    (path,) = (store.root / ".verdicts" / "crm" / FIRST).glob("*.json")
    path.write_bytes(path.read_bytes()[:40])
    catalogue = read_catalogue({"local": store}, "crm")
    assert [point.id for point in catalogue.points] == [FIRST]
    assert catalogue.recovery_point is None
    assert path.name in catalogue.messages[0]


def test_everything_below_a_fresh_base_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o022)
    try:
        workspace = workspace_in(tmp_path, monkeypatch, umask=True)
        publish(workspace.local, FIRST)
        with workspace.ledger.activity("dump", source="crm"), workspace.locks.held("crm", doing="dump"):
            copy_to(workspace, workspace.catalogue("crm").points[0], "nas")
            workspace.local.keep_verdict(verdict(FIRST, "verified"))
            modes = {path: path.stat().st_mode & 0o777 for path in [tmp_path, *tmp_path.rglob("*")][1:]}
    finally:
        os.umask(before)
    del modes[tmp_path / "ops.yaml"]
    wrong = {path: oct(mode) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)}
    assert not wrong
    assert len(modes) > 20


def workspace_in(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, umask: bool = False, offsite: bool = False
) -> Workspace:
    monkeypatch.setenv("URL", "postgresql://nobody@localhost/x")
    (path / "ops.yaml").write_text(
        f"base: base\nstores: {{nas: {{kind: directory, path: nas, offsite: {str(offsite).lower()}}}}}\n"
        "sources: {crm: {kind: postgres, url: {env: URL}}}\n",
        encoding="utf-8",
    )
    config = load_config(path / "ops.yaml", environ={})
    return open_workspace(config) if umask else Workspace(config)


def test_a_copy_is_byte_for_byte_and_made_once(store: DirectoryStore, tmp_path: Path) -> None:
    manifest, nas = publish(store, FIRST), DirectoryStore("nas", tmp_path / "nas", TRUST)
    copied: list[int] = []
    nas.receive(manifest, store.directory("crm", FIRST), copied.append)
    assert sum(copied) >= manifest.size_bytes
    for path in store.directory("crm", FIRST).iterdir():
        assert (nas.directory("crm", FIRST) / path.name).read_bytes() == path.read_bytes()
    again: list[int] = []
    nas.receive(manifest, store.directory("crm", FIRST), again.append)
    assert again == []


@pytest.mark.parametrize("victim", ["dump.pgc.zst.age", "SHA256SUMS", "manifest.json"])
def test_damaged_bytes_are_not_copied(store: DirectoryStore, tmp_path: Path, victim: str) -> None:
    manifest, nas = publish(store, FIRST), DirectoryStore("nas", tmp_path / "nas", TRUST)
    path = store.directory("crm", FIRST) / victim
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    path.write_bytes(damaged)
    with pytest.raises(CorruptCopy, match="not copied"):
        nas.receive(manifest, path.parent, nothing)
    assert nas.ids("crm") == []


def test_a_part_that_vanished_is_the_copys_fault_not_the_stores(store: DirectoryStore, tmp_path: Path) -> None:
    manifest, nas = publish(store, FIRST), DirectoryStore("nas", tmp_path / "nas", TRUST)
    (store.directory("crm", FIRST) / manifest.parts[0].name).unlink()
    with pytest.raises(CorruptCopy) as caught:
        nas.receive(manifest, store.directory("crm", FIRST), nothing)
    assert caught.value.check == "parts"


def test_an_offsite_store_refuses_what_is_not_encrypted(store: DirectoryStore, tmp_path: Path) -> None:
    manifest = publish(store, FIRST, recipients=())
    offsite = DirectoryStore("far", tmp_path / "far", TRUST, offsite=True)
    with pytest.raises(SafetyRefusal, match="not encrypted"):
        offsite.receive(manifest, store.directory("crm", FIRST), nothing)
    assert not offsite.root.exists()


WRITE = """
import sys
from pathlib import Path
from ops_pipelines.vault.stores.directory import DirectoryStore
from tests.unit.vaults import TRUST, publish
store, nas = (DirectoryStore(name, Path(sys.argv[1]) / name, TRUST) for name in ("local", "nas"))
print("ready", flush=True)
for number in range(10000):
    manifest = publish(store, f"20261121T020000Z-{number:04x}", recipients=(sys.argv[2],))
    nas.receive(manifest, store.directory("crm", manifest.id), lambda size: None)
"""


def test_a_writer_killed_at_any_moment_publishes_nothing_by_halves(tmp_path: Path) -> None:
    chance = random.Random(28)
    stores = {name: DirectoryStore(name, tmp_path / name, TRUST) for name in ("local", "nas")}
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE, tmp_path, RECIPIENT], cwd=REPOSITORY, stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.12))  # the moment of the kill is the experiment
            writer.kill()
        for store in stores.values():
            store.sweep()
            assert not list((store.root / ".staging").glob("2026*"))
        for store in stores.values():
            catalogue = read_catalogue({store.name: store}, "crm")
            assert not catalogue.problems
            for point in catalogue.points:
                assert len(read_all(store, point.id)) == len(DUMP)
        shutil.rmtree(tmp_path / "local", ignore_errors=True)
        shutil.rmtree(tmp_path / "nas", ignore_errors=True)


def test_a_copy_resumes_after_a_kill_without_being_swept_first(store: DirectoryStore, tmp_path: Path) -> None:
    manifest, nas = publish(store, FIRST), DirectoryStore("nas", tmp_path / "nas", TRUST)
    killed = tmp_path / "nas" / ".staging" / FIRST
    code = """
        import os, signal, sys
        from pathlib import Path
        from ops_pipelines import lease
        with lease.owned_directory(Path(sys.argv[1])) as staged:
            (staged / "dump.pgc.zst.age").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), killed], check=False)
    assert killed.exists()
    nas.receive(manifest, store.directory("crm", FIRST), nothing)
    assert read_all(nas, FIRST) == DUMP


def test_two_that_write_the_same_copy_at_once_do_not_disturb_each_other(store: DirectoryStore, tmp_path: Path) -> None:
    manifest, nas = publish(store, FIRST), DirectoryStore("nas", tmp_path / "nas", TRUST)
    busy = pytest.raises(Busy, match="is being written by another process")
    with lease.owned_directory(nas.root / ".staging" / FIRST), busy:
        nas.receive(manifest, store.directory("crm", FIRST), nothing)


def test_a_directory_without_a_manifest_is_not_taken_for_a_copy(store: DirectoryStore, tmp_path: Path) -> None:
    manifest, nas = publish(store, FIRST), DirectoryStore("nas", tmp_path / "nas", TRUST)
    half = nas.directory("crm", FIRST)
    half.mkdir(parents=True)
    (half / "something").touch()
    with pytest.raises(StoreError, match="nas"):
        nas.receive(manifest, store.directory("crm", FIRST), nothing)
    assert nas.ids("crm") == []


def test_a_file_where_the_store_should_be_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a directory", encoding="utf-8")
    store = DirectoryStore("nas", tmp_path / "store", TRUST)
    with pytest.raises(StoreError, match=str(store.root)) as caught:
        publish(store, FIRST)
    assert "published restore points are untouched" in caught.value.safe
    catalogue = read_catalogue({"nas": store}, "crm")
    assert str(store.root) in catalogue.problems[0]


IN_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def can_mount() -> bool:
    command = [*IN_NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs user namespaces")
@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_disk_that_is_full_or_read_only_is_named_and_nothing_is_lost(tmp_path: Path, trouble: str) -> None:
    code = """
        import os, subprocess, sys
        from pathlib import Path
        from ops_pipelines.errors import StoreError
        from ops_pipelines.vault.catalogue import read_catalogue
        from ops_pipelines.vault.stores.directory import DirectoryStore
        from tests.unit.test_stores import FIRST, SECOND, read_all
        from tests.unit.vaults import DUMP, TRUST, publish
        disk = Path(sys.argv[1])
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
        store = DirectoryStore("local", disk / "store", TRUST)
        publish(store, FIRST)
        if sys.argv[2] == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        try:
            publish(store, SECOND, dump=os.urandom(3_000_000))
        except StoreError as error:
            print(error)
        assert [point.id for point in read_catalogue({"local": store}, "crm").points] == [FIRST]
        assert read_all(store, FIRST) == DUMP
        assert not list((store.root / ".staging").glob("2026*"))
    """
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        [*IN_NAMESPACE, sys.executable, "-c", textwrap.dedent(code), tmp_path / "disk", trouble],
        cwd=REPOSITORY, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("No space left on device" if trouble == "full" else "Read-only file system") in done.stdout
    assert f"store local ({tmp_path / 'disk' / 'store'}) cannot be written" in done.stdout
