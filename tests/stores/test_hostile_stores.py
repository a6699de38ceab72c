"""Whoever can write to a NAS or a bucket costs its own copies, nothing else: no hang, no detour, no other's loss."""

import fcntl
import io
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.cli.main import app
from ops_pipelines.errors import CorruptCopy, StoreError
from ops_pipelines.ledger.models import Activity
from ops_pipelines.sweeping import sweep
from ops_pipelines.vault.manifest import NAME, SIGNATURE, SUMS
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.stores import directory as directory_module
from ops_pipelines.vault.stores import plain
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.volume import MARK
from ops_pipelines.vault.trust import SUFFIX
from tests.stores.conftest import Bucket, MakeStore
from tests.unit.vaults import DUMP, IDENTITY, publish, verdict
from tests.web.conftest import House, make_house  # noqa: F401 - a fixture

OTHER = "20261121T080000Z-0002"
_GIB = 2**30


@pytest.fixture
def house(make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> House:  # noqa: F811
    """A source with a good backup in both stores, and a second one that somebody reaches on the NAS."""
    made = make_house()
    monkeypatch.setenv("OPS_CONFIG", str(made.folder / "ops.yaml"))
    monkeypatch.setattr(directory_module, "_LOCK_WAIT", timedelta(milliseconds=200))
    made.holds("crm", "verified")
    nas, local = made.workspace.stores["nas"], made.workspace.local
    nas.receive(publish(local, OTHER), local.directory("crm", OTHER), lambda _size: None)
    return made


def nas_of(house: House) -> DirectoryStore:
    nas = house.workspace.stores["nas"]
    assert isinstance(nas, DirectoryStore)
    return nas


def typed(*words: str) -> tuple[int, str]:
    """How a command ended, and what it said."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said), pytest.raises(SystemExit) as ended:
        app(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.getvalue()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20 * _GIB)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made, _inside(path.parent):
        made.bind(path.name)


def a_directory(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def secret_elsewhere(path: Path) -> None:
    outside = path.parents[4] / "outside"
    outside.write_text("canary-of-a-file-elsewhere", encoding="utf-8")
    path.symlink_to(outside)


def deep_json(path: Path) -> None:
    path.write_text('{"engine": ' + "[" * 200_000 + "]" * 200_000 + "}", encoding="utf-8")


def no_text(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 100)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """The path of a socket may be 108 characters long."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


INSTEAD = [fifo, device, sparse, a_socket, a_directory, dangling, secret_elsewhere, deep_json, no_text]


@pytest.mark.parametrize("name", [NAME, SUMS, SIGNATURE])
@pytest.mark.parametrize("instead", INSTEAD)
def test_instead_of_a_manifest(house: House, instead: Callable[[Path], None], name: str) -> None:
    path = nas_of(house).directory("crm", OTHER) / name
    path.unlink()
    instead(path)
    status, said = typed("list")
    assert (status, OTHER in said) == (1, True)
    assert "nas" in said
    assert "canary" not in said
    assert typed("status")[0] in (0, 1, 2)
    catalogue = house.workspace.catalogue("crm")
    held = {point.id: point.stores for point in catalogue.points}
    assert held.pop(OTHER) == ("local",)
    assert list(held.values()) == [("local", "nas")]  # the good one is where it was
    assert catalogue.troubled == {"nas"}


@pytest.mark.parametrize("end", [".json", SUFFIX])
@pytest.mark.parametrize("instead", INSTEAD)
def test_instead_of_a_verdict(house: House, instead: Callable[[Path], None], end: str) -> None:
    nas_of(house).keep_verdict(verdict(OTHER, "verified", store="nas"))
    (path,) = (nas_of(house).root / ".verdicts" / "crm" / OTHER).glob(f"*{end}")
    path.unlink()
    instead(path)
    status, said = typed("list")
    assert (status, OTHER in said) == (1, True)
    (point,) = (each for each in house.workspace.catalogue("crm").points if each.id == OTHER)
    assert (point.stores, point.verdicts) == (("local", "nas"), ())


@pytest.mark.parametrize("instead", [each for each in INSTEAD if each not in (deep_json, no_text)])
def test_instead_of_a_part(house: House, instead: Callable[[Path], None]) -> None:
    nas = nas_of(house)
    manifest = nas.manifest("crm", OTHER)
    path = nas.directory("crm", OTHER) / manifest.parts[0].name
    path.unlink()
    instead(path)
    with pytest.raises(CorruptCopy):
        Copy(nas, manifest, lambda: [IDENTITY]).data("dump")
    assert Copy(house.workspace.local, manifest, lambda: [IDENTITY]).data("dump") == DUMP


def test_a_part_is_read_no_further_than_its_manifest_says(house: House) -> None:
    nas = nas_of(house)
    manifest = nas.manifest("crm", OTHER)
    path = nas.directory("crm", OTHER) / manifest.parts[0].name
    with path.open("ab") as file:
        file.truncate(20 * _GIB)
    with pytest.raises(CorruptCopy, match="damaged"):
        Copy(nas, manifest, lambda: [IDENTITY]).data("dump")


@pytest.mark.parametrize("where", ["crm", f"crm/{OTHER}", ".verdicts", ".verdicts/crm", ".staging"])
def test_a_directory_that_is_a_link_leads_nowhere(house: House, where: str) -> None:
    """A link to the local store would let a sweep of the NAS remove what is there."""
    nas, local = nas_of(house), house.workspace.local
    nas.keep_verdict(verdict(OTHER, "verified", store="nas"))
    path, elsewhere = nas.root / where, local.root / "crm"
    before = sorted(each.relative_to(local.root) for each in elsewhere.rglob("*"))
    if path.exists():
        path.rename(nas.root.parent / "moved")
    path.symlink_to(elsewhere)
    for words in (("list",), ("status",), ("doctor", "--sweep")):
        typed(*words)
    sweep(house.workspace)
    for attempt in (
        lambda: nas.delete("crm", OTHER),
        lambda: nas.keep_verdict(verdict(OTHER, "bad", store="nas")),
        lambda: nas.receive(local.manifest("crm", OTHER), local.directory("crm", OTHER), lambda _size: None),
    ):
        with suppress(StoreError, CorruptCopy):
            attempt()
    assert sorted(each.relative_to(local.root) for each in elsewhere.rglob("*")) == before


def test_a_directory_that_is_a_link_is_named_with_the_command_that_shows_it(house: House) -> None:
    nas = nas_of(house)
    (nas.root / "crm").rename(nas.root.parent / "moved")
    (nas.root / "crm").symlink_to(nas.root.parent / "moved")
    with pytest.raises(StoreError) as caught:
        nas.ids("crm")
    assert "crm: it is a link and not a directory" in str(caught.value)
    assert caught.value.next.endswith(f"ls -la {nas.root}")


def test_a_copy_that_is_a_link_is_told(house: House) -> None:
    nas = nas_of(house)
    nas.directory("crm", OTHER).rename(nas.root.parent / "moved")
    nas.directory("crm", OTHER).symlink_to(nas.root.parent / "moved")
    status, said = typed("list")
    assert status == 1
    assert "a link" in said


def test_a_file_that_is_written_is_not_written_through_what_stands_there(house: House) -> None:
    nas = nas_of(house)
    outside = house.folder / "outside"
    outside.write_text("as it was", encoding="utf-8")
    found = verdict(OTHER, "verified", store="nas")
    folder = nas.root / ".verdicts" / "crm" / OTHER
    folder.mkdir(parents=True)
    for name in (f".{found.file_name}", found.file_name):
        (folder / name).symlink_to(outside)
    nas.keep_verdict(found)
    assert outside.read_text(encoding="utf-8") == "as it was"
    assert [each.file_name for each in nas.verdicts("crm", OTHER)] == [found.file_name]
    assert not (folder / found.file_name).is_symlink()


@pytest.mark.parametrize("instead", [fifo, device, sparse, a_directory])
def test_instead_of_the_mark_of_a_volume(house: House, instead: Callable[[Path], None]) -> None:
    path = nas_of(house).root / MARK
    path.unlink(missing_ok=True)
    instead(path)
    status, said = typed("list")
    assert (status, "store nas" in said) == (1, True)
    assert {point.stores for point in house.workspace.catalogue("crm").points} == {("local",)}


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Somebody else's lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_lock_that_is_held_is_waited_for_and_told_and_the_activity_ends(house: House) -> None:
    nas = nas_of(house)
    nas.delete("crm", OTHER)
    (point,) = (each for each in house.workspace.catalogue("crm").points if each.id == OTHER)
    with held(nas.root / ".staging" / ".sweep.lock"):
        assert typed("list")[0] == 0
        assert typed("status")[0] in (0, 1, 2)
        assert [each for each in sweep(house.workspace) if "nas" in each.what and each.problem]
        with pytest.raises(StoreError, match="nas") as caught:
            copy_to(house.workspace, point, "nas")
    assert "holds its lock" in str(caught.value)
    with house.workspace.ledger.session() as session:
        row = session.query(Activity).filter(Activity.kind == "copy").order_by(Activity.started_at.desc()).first()
        assert row is not None
        assert row.status == "failed"
    copy_to(house.workspace, point, "nas")


@pytest.mark.parametrize("instead", [fifo, device, dangling])
def test_instead_of_a_lock(house: House, instead: Callable[[Path], None]) -> None:
    nas = nas_of(house)
    nas.delete("crm", OTHER)
    path = nas.root / ".staging" / ".sweep.lock"
    path.unlink()
    instead(path)
    (point,) = (each for each in house.workspace.catalogue("crm").points if each.id == OTHER)
    with pytest.raises(StoreError, match="nas"):
        copy_to(house.workspace, point, "nas")


def test_listings_have_an_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = nas_of(house).root / ".verdicts" / "crm" / OTHER
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2 * plain.MOST_VERDICTS + 1):
        (folder / f"verify-{number:06}.json").touch()
    status, said = typed("list")
    assert (status, f"more than {2 * plain.MOST_VERDICTS:,}" in said) == (1, True)
    monkeypatch.setattr(plain, "MOST_POINTS", 1)
    status, said = typed("list")
    assert (status, "more than 1 " in said) == (1, True)


@pytest.mark.parametrize(
    "name", ["a\nb", "20261121T080000Z-0003\n", "..x", "-rf", "$(touch pwned)", "[red]", "é\udce9"]
)
def test_names_of_others_are_none_of_ours(house: House, name: str) -> None:
    for parent in (nas_of(house).root, nas_of(house).root / "crm"):
        made = Path(os.fsdecode(os.fsencode(parent) + b"/" + name.encode("utf-8", "surrogateescape")))
        made.mkdir()
        (made / NAME).write_text("{}", encoding="utf-8")
    assert typed("status")[0] in (0, 1, 2)
    assert nas_of(house).sources() == ["crm"]
    if name not in ("..x", "-rf"):
        assert len(nas_of(house).ids("crm")) == 2


def test_a_backup_goes_on_beside_a_store_that_hangs_others(house: House) -> None:
    """Typed as a user does: the local dump fails on its own account, as its server is not there; nothing waits."""
    nas = nas_of(house)
    for name, instead in ((NAME, fifo), (SUMS, sparse)):
        path = nas.directory("crm", OTHER) / name
        path.unlink()
        instead(path)
    with held(nas.root / ".staging" / ".sweep.lock"):
        status, said = typed("backup", "crm", "--json")
    assert (status, json.loads(said)["runs"][0]["ok"]) == (2, False)
    with house.workspace.ledger.session() as session:
        assert not session.query(Activity).filter(Activity.status == "running").all()


def test_a_bucket_costs_its_own_copies_too(
    moto_bucket: Bucket, open_store: MakeStore, local: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, manifest = open_store(moto_bucket), publish(local, OTHER)
    far.receive(manifest, local.directory("crm", OTHER), lambda _size: None)
    manifest_key = moto_bucket.key(NAME)
    for name in ("a/b", "x y", "$(id)"):
        moto_bucket.write(f"backups/crm/{name}/{NAME}", b"{}")
        moto_bucket.write(f"backups/X{name}/{OTHER}/{NAME}", b"{}")
    assert (far.sources(), far.ids("crm")) == (["crm"], [OTHER])
    for content in (bytes(plain.SMALL_BYTES + 1), b"[" * 200_000, bytes(range(256))):
        moto_bucket.write(manifest_key, content)
        with pytest.raises(CorruptCopy):
            far.manifest("crm", OTHER, fresh=True)
    monkeypatch.setattr(plain, "MOST_VERDICTS", 2)
    for number in range(3):
        moto_bucket.write(f"backups/.verdicts/crm/{OTHER}/verify-{number}.json", b"{}")
    far.ids("crm")
    with pytest.raises(CorruptCopy, match="more than 2"):
        far.verdicts("crm", OTHER)
    monkeypatch.setattr(plain, "MOST_OBJECTS", 0)
    with pytest.raises(StoreError, match="more than 0"):
        far.ids("crm")


@pytest.mark.parametrize("prefix", ["office #1", "50%", "a?b", "100%25/é+&=@:", "plain"])
def test_the_repositories_of_two_sources_stay_inside_the_prefix_and_apart(
    moto_bucket: Bucket, open_store: MakeStore, prefix: str
) -> None:
    far = open_store(moto_bucket, prefix=prefix)
    for source in ("uploads", "media"):
        repository = far.repository(source)
        environment = {
            **os.environ,
            **repository.environment,
            "RESTIC_PASSWORD": "pw",
            "RESTIC_REPOSITORY": repository.address,
        }
        subprocess.run(["restic", *repository.options, "init"], env=environment, check=True, capture_output=True)
    parts = {key.rsplit("/config", 1)[0] for key in moto_bucket.listed() if key.endswith("/config")}
    assert parts == {f"{prefix}/.restic/{source}" for source in ("uploads", "media")}
    assert all(key.startswith(f"{prefix}/.restic/") for key in moto_bucket.listed())


@pytest.mark.parametrize("prefix", ["a//b", "../up", "a/./b", "tab\there"])
def test_a_prefix_that_two_tools_would_read_differently_is_refused(moto_bucket: Bucket, prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        moto_bucket.settings(prefix=prefix)
