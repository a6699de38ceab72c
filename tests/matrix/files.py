"""Folders: what a broken snapshot or restore loses, and what a source or restic does wrong."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines.engines import folders
from tests.conftest import TestServer
from tests.matrix.case import NOT_CAUGHT, REFUSED, Act, Case, Seen, bad, look
from tests.matrix.lies import false_program, programs
from tests.matrix.rig import Fresh, Rig, back_up, opened, write_config


@dataclass(frozen=True)
class Given:
    """A source of a case's own."""

    uploads: Path
    lie: Callable[[str], None]
    name_file: Callable[[str], None]


def build(path: Path, server: TestServer) -> Rig:
    """Uploads with two restore points, a neighbour, and the database that names the uploads."""
    uploads, other = path.with_name("uploads"), path.with_name("elsewhere")
    _fill(uploads)
    other.mkdir()
    (other / "alone.txt").write_text("alone", encoding="utf-8")
    name = server.new_database("mx_named")
    server.sql("create table attachments (path text)", "insert into attachments values ('2.pdf')", database=name)
    (path / "named.url").touch(mode=0o600)
    (path / "named.url").write_text(server.url(name), encoding="utf-8")
    ours = {"kind": "files", "password": {"file": "password"}}
    references = {"sql": "select path from attachments", "below": "invoices"}
    sources = {
        "named": {"kind": "postgres", "url": {"file": "named.url"}},
        "crm": {**ours, "paths": [str(uploads)]},
        "other": {**ours, "paths": [str(other)]},
    }
    write_config(path, sources)
    back_up(opened(path), "named")
    older = back_up(opened(path), "crm")
    (uploads / "later.bin").write_bytes(random.Random(1).randbytes(50_000))
    newer, neighbour = back_up(opened(path), "crm"), back_up(opened(path), "other")

    def fresh(place: Path) -> Fresh:
        # The same paths as before, or all of it would be new.
        shutil.rmtree(uploads, ignore_errors=True)
        _fill(uploads)
        (uploads / "later.bin").write_bytes(random.Random(1).randbytes(50_000))
        real = Path(str(shutil.which("restic")))
        directory = programs(place / "bin", [real])

        def name_file(path: str) -> None:
            server.sql("delete from attachments", f"insert into attachments values ('{path}')", database=name)
            back_up(opened(place), "named")

        return Fresh(
            {**sources["crm"], "bin_dirs": [str(directory)], "with": "named", "references": references},
            Given(uploads, lambda lie: false_program(directory, real, lie), name_file),
        )

    return Rig("files", path, sources, fresh, None, older, newer, neighbour)


def _fill(uploads: Path) -> None:
    chance = random.Random(0)
    (uploads / "invoices").mkdir(parents=True)
    for number in range(20):
        (uploads / "invoices" / f"{number}.pdf").write_bytes(chance.randbytes(20_000))
    (uploads / "logo.png").write_bytes(chance.randbytes(300_000))
    (uploads / "script").write_bytes(b"#!/bin/true")
    (uploads / "script").chmod(0o755)
    (uploads / "empty").mkdir()
    (uploads / "no content").touch()
    (uploads / "current").symlink_to("logo.png")
    os.link(uploads / "logo.png", uploads / "the same logo")


def _in(change: Callable[[Path], object]) -> Act:
    """A change of the restored folder."""

    def act(target: str) -> None:
        change(next(folders.folder_of(target).rglob("uploads")))

    return act


def _unseen_change(uploads: Path) -> None:
    path = uploads / "invoices" / "3.pdf"
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _relinked(uploads: Path) -> None:
    (uploads / "current").unlink()
    (uploads / "current").symlink_to("script")


def _unlinked(uploads: Path) -> None:
    path = uploads / "the same logo"
    before = path.stat()
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(before.st_mode & 0o7777)


def _exchanged(uploads: Path) -> None:
    one, other = uploads / "invoices" / "1.pdf", uploads / "invoices" / "2.pdf"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


_LOST: tuple[tuple[str, Seen, Callable[[Path], object]], ...] = (
    ("file missing", bad("schema", "rows"), lambda at: (at / "invoices" / "3.pdf").unlink()),
    ("file too many", bad("schema", "rows"), lambda at: (at / "more").touch()),
    ("file's content changed, with the same size and time", bad("schema", "content"), _unseen_change),
    ("file cut", bad("schema", "content"), lambda at: os.truncate(at / "logo.png", 1000)),
    ("contents of two files exchanged", bad("schema", "content"), _exchanged),
    ("file's time changed", bad("schema"), lambda at: os.utime(at / "script", (1, 1))),
    ("file's mode changed", bad("schema"), lambda at: (at / "script").chmod(0o644)),
    ("target of a symbolic link changed", bad("schema"), _relinked),
    ("hard link became a second file", bad("schema"), _unlinked),
    ("empty folder missing", bad("schema"), lambda at: (at / "empty").rmdir()),
    ("empty file missing", bad("schema", "rows"), lambda at: (at / "no content").unlink()),
    ("folder missing", bad("schema", "rows"), lambda at: shutil.rmtree(at / "invoices")),
)


def _lie(lie: str) -> Act:
    return lambda given: given.lie(lie)


_WITHOUT = (
    'for each; do given+=("$each"); [ "$each" = backup ] && given+=(--exclude invoices); done; '
    'exec "$REAL" "${given[@]}"'
)
_BACKUP = 'case " $* " in *" backup "*) {lie};; *) exec "$REAL" "$@";; esac'


def _mostly_removed(given: Given) -> None:
    for path in (given.uploads / "invoices").iterdir():
        if path.name != "2.pdf":
            path.unlink()
    for name in ("logo.png", "the same logo"):
        (given.uploads / name).unlink()


def _emptied(given: Given) -> None:
    shutil.rmtree(given.uploads)
    given.uploads.mkdir()


_SOURCE: tuple[tuple[str, Seen, Act], ...] = (
    ("dump program left nothing and reported success", REFUSED, _lie(_BACKUP.format(lie="exit 0"))),
    ("dump whole, failure reported", REFUSED, _lie(_BACKUP.format(lie='"$REAL" "$@"; exit 1'))),
    ("dump program killed", REFUSED, _lie(_BACKUP.format(lie="kill -KILL $$"))),
    ("dump lacks a folder", bad("schema", "rows"),
     _lie(_BACKUP.format(lie=_WITHOUT))),
    ("folder emptied since the last backup", REFUSED, _emptied),
    ("folder missing at the source", REFUSED, lambda given: shutil.rmtree(given.uploads)),
    ("most files removed since the last verified backup", look("size drift", "row drift"), _mostly_removed),
    ("four times as large", look("size drift"),
     lambda given: (given.uploads / "film").write_bytes(random.Random(5).randbytes(3_000_000))),
    ("database names a file that is not there", bad("references"), lambda given: given.name_file("gone.pdf")),
)  # fmt: skip
_UNSEEN = (
    ("access times changed", lambda at: os.utime(at / "script", ns=(1, (at / "script").stat().st_mtime_ns)),
     "Reading a file changes its access time. Nor are owners compared, which only root can restore."),
)  # fmt: skip
CASES = [
    *(Case("files", "restored", name, (_in(change),), expected) for name, expected, change in _LOST),
    *(Case("files", "restored", name, (_in(change),), NOT_CAUGHT, why) for name, change, why in _UNSEEN),
    *(Case("files", "source", name, (act,), expected) for name, expected, act in _SOURCE),
]
