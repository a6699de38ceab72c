"""Folders hold links, pipes, devices and programs with other rights; an archive of folders may say anything."""

import io
import os
import stat
import tarfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

from ops_pipelines.clock import UTC
from ops_pipelines.engines.base import Legacy
from ops_pipelines.errors import OpsError, SourceError
from ops_pipelines.sandbox import isolation
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.writer import Staged
from tests.engines.files.conftest import PASSWORD, House
from tests.engines.files.test_adopted import manifest_of
from tests.sandbox.conftest import Canary, left_in
from tests.sandbox.forged_restic import SETUID, Forger, Node
from tests.unit.vaults import rewrite

needs_sandbox = pytest.mark.skipif(isolation.standing().best != "sandbox", reason="no sandbox can be had here")
Member = tuple[str, bytes, str]


def archive(*members: Member) -> io.BytesIO:
    """A tar of names, kinds and what they lead to, beside an ordinary file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, kind, link in (("ordinary", tarfile.REGTYPE, ""), *members):
            made = tarfile.TarInfo(name)
            made.type, made.linkname, made.mode, made.size = kind, link, 0o6777, 1 if kind == tarfile.REGTYPE else 0
            made.devmajor, made.devminor = 1, 3
            tar.addfile(made, io.BytesIO(b"x"[: made.size]))
    packed.seek(0)
    return packed


FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
ARCHIVES: dict[str, Callable[[Canary], tuple[Member, ...]]] = {
    "absolute": lambda canary: ((f"{canary.folder}/absolute", FILE, ""),),
    "up": lambda canary: ((f"{'../' * 20}{str(canary.folder).lstrip('/')}/up", FILE, ""),),
    "through a link": lambda canary: (("out", LINK, str(canary.folder)), ("out/through", FILE, "")),
    "through a link up": lambda canary: (
        ("out", LINK, f"{'../' * 20}{str(canary.folder).lstrip('/')}"), ("out/through", FILE, "")
    ),
    "through two links": lambda canary: (
        ("one", LINK, "."), ("one/two", LINK, str(canary.folder)), ("two/through", FILE, "")
    ),
    "over a link": lambda canary: (("out", LINK, f"{canary.folder}/over"), ("out", FILE, "")),
    "hard link to a secret": lambda canary: (("hard", HARD, str(canary.secret)),),
    "character device": lambda _canary: (("null", tarfile.CHRTYPE, ""),),
    "block device": lambda _canary: (("disk", tarfile.BLKTYPE, ""),),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_taken_in_writes_nowhere_else_and_makes_no_device(
    folders: House, canary: Canary, tmp_path: Path, name: str
) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    staged = Staged(staging, (), folders.workspace.local.repository("files"))
    legacy = Legacy("uploads.tar", datetime(2026, 2, 3, tzinfo=UTC), stream=archive(*ARCHIVES[name](canary)))
    try:
        taken = folders.engine.adopt(legacy, staged)
    except SourceError as error:
        assert "holds what is not unpacked" in error.what
        if "device" in name and os.geteuid() == 0:
            assert "Cannot mknod" in error.why
    else:
        assert "device" not in name
        back = tmp_path / "back"
        back.mkdir()
        parts = Copy(folders.workspace.local, manifest_of(staged, taken), lambda: ())
        folders.engine.restore(parts, taken.facts, back.as_uri(), work=tmp_path, globals_too=False)
        held = [path.read_bytes() for path in back.rglob("*") if path.is_file() and not path.is_symlink()]
        assert b"AGE-SECRET-KEY" not in held, "a secret of ours is in a backup of somebody else"
    canary.assert_unharmed()
    assert canary.secret.read_text() == "AGE-SECRET-KEY"
    devices = [path for path in tmp_path.rglob("*") if path.is_block_device() or path.is_char_device()]
    assert devices == []


Tree = Callable[[Forger, Canary], tuple[Node, ...]]
TREES: dict[str, Tree] = {
    "up": lambda forger, canary: (forger.file(f"{'../' * 20}{str(canary.folder).lstrip('/')}/up"),),
    "absolute": lambda forger, canary: (forger.file(f"{canary.folder}/absolute"),),
    "a folder that is up": lambda forger, _canary: (
        forger.folder("..", forger.folder("..", forger.folder("canary", forger.file("up")))),
    ),
    "through a link": lambda forger, canary: (
        forger.link("out", str(canary.folder)), forger.folder("out", forger.file("through"))
    ),
    "over a link": lambda forger, canary: (
        forger.link("out", f"{canary.folder}/over"), forger.file("out")
    ),
    "an empty name": lambda forger, canary: (forger.folder("", forger.link("", str(canary.folder)), forger.file(".")),),
    "devices": lambda forger, _canary: (
        forger.device("null", "chardev", os.makedev(1, 3)), forger.device("disk", "dev", os.makedev(7, 0))
    ),
    "rights": lambda forger, _canary: (forger.file("root", b"#!/bin/sh\n", 0o4755 | SETUID),),
}  # fmt: skip


@needs_sandbox
@pytest.mark.parametrize("name", TREES)
@pytest.mark.daily(4)
def test_a_snapshot_that_restic_never_makes_writes_nowhere_else(folders: House, canary: Canary, name: str) -> None:
    manifest = folders.backup()
    forger = Forger.of(folders.repository(), PASSWORD)
    nodes = [forger.folder("forged", *TREES[name](forger, canary), forger.file("plain"))]
    facts = {**manifest.engine, "snapshot": forger.snapshot(nodes, str(manifest.engine["tag"]))}
    workspace = folders.workspace
    # As whoever has the password, and was adopted: it is signed here.
    forged = manifest.model_copy(update={"engine": facts})
    rewrite(workspace.local.directory("files", manifest.id), forged, workspace.trust)  # type: ignore[attr-defined]
    assert folders.workspace.catalogue("files").newest is None, "the ledger knows what was published"
    for path in folders.base.glob("ledger.sqlite*"):
        path.unlink()
    verdict = folders.verify()
    assert verdict.outcome in ("bad", "inconclusive"), verdict.reason
    canary.assert_unharmed()
    assert left_in(workspace.places.scratch) == []

    target = folders.path / "into" / "mine"
    target.mkdir(parents=True)
    with suppress(OpsError):
        parts = Copy(workspace.local, forged, lambda: ())
        folders.engine.restore(parts, facts, target.as_uri(), work=folders.path, globals_too=False)
    canary.assert_unharmed()
    assert [path.name for path in target.parent.iterdir()] == ["mine"]
    assert any(path.name == "plain" for path in target.rglob("*")) or name not in ("devices", "rights"), "it is a tree"


@needs_sandbox
def test_a_proof_follows_no_link_and_makes_no_device_nor_anything_with_rights(
    folders: House, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = folders.uploads
    (inside / "out").symlink_to(canary.folder)
    (inside / "up").symlink_to("../" * 20 + str(canary.folder).lstrip("/"))
    (inside / "secret").symlink_to(canary.secret)
    (inside / "proc").symlink_to("/proc/self/root")
    (inside / "\n-rf --target=x $(touch x)").write_text("a name", encoding="utf-8")
    os.mkfifo(inside / "pipe")
    for name, mode in (("setuid", 0o4755), ("setgid", 0o2755), ("both", 0o6777)):
        (inside / name).write_bytes(b"#!/bin/sh\n")
        (inside / name).chmod(mode)
    if os.geteuid() == 0:
        os.mknod(inside / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(inside / "disk", 0o600 | stat.S_IFBLK, os.makedev(7, 0))
    folders.backup()
    workspace, seen = folders.workspace, set[tuple[str, int]]()
    removing = os.unlink

    def noted(path: str, *more: object, **words: object) -> None:
        """Before anything of a proof is removed: what is it, and whose?"""
        directory = words.get("dir_fd")
        found = os.stat(path, dir_fd=directory, follow_symlinks=False)  # type: ignore[arg-type]
        seen.add((stat.filemode(found.st_mode)[0], found.st_uid if found.st_mode & stat.S_ISUID else -1))
        removing(path, *more, **words)  # type: ignore[arg-type]

    with monkeypatch.context() as watched:
        watched.setattr(os, "unlink", noted)
        verdict = folders.verify()
    assert verdict.outcome == "verified", verdict.reason
    kinds, owners = {kind for kind, _owner in seen}, {owner for _kind, owner in seen}
    assert {"l", "p", "-"} <= kinds, "it was looked at"
    assert not kinds & {"b", "c"}
    assert 0 not in owners or os.geteuid() != 0, "no program with root's rights"
    canary.assert_unharmed()
    assert left_in(workspace.places.scratch) == []
