"""A dump client that lies is not believed: whatever it leaves behind, nothing becomes a backup."""

import shlex
from pathlib import Path

import pytest

from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from tests.conftest import Made, MakeWorkspace, TestServer

# What the false pg_dump does, after its first line has defined "$REAL" and "$FILE" (of a directory dump).
STREAM_LIES = {
    "cut_short": '"$REAL" "$@" | head -c 20000; exit 0',
    "cut_at_the_last_byte": '"$REAL" "$@" | head -c -1; exit 0',
    "first_bytes_only": '"$REAL" "$@" | head -c 7; exit 0',
    "empty": "exit 0",
    "another_format": "echo 'everything is fine'; exit 0",
    "killed": '"$REAL" "$@" | head -c 20000; kill -KILL $$',
    "failed_after_all": '"$REAL" "$@"; exit 1',
    "killed_after_all": '"$REAL" "$@"; kill -KILL $$',
}
DIRECTORY_LIES = {
    "empty": "exit 0",
    "no_table_of_contents": '"$REAL" "$@"; rm "$FILE/toc.dat"; exit 0',
    "table_of_contents_cut": '"$REAL" "$@"; truncate --size=500 "$FILE/toc.dat"; exit 0',
    "a_table_lost": '"$REAL" "$@"; set -- "$FILE"/[0-9]*; rm "$1"; exit 0',
    "killed": '"$REAL" "$@"; kill -KILL $$',
    "failed_after_all": '"$REAL" "$@"; exit 1',
}
CASES = [
    *(("custom", lie) for lie in STREAM_LIES),
    *(("sql", lie) for lie in STREAM_LIES),
    *(("directory", lie) for lie in DIRECTORY_LIES),
]


@pytest.fixture(scope="module")
def small(pg18: TestServer) -> str:
    """A small database with two tables; returns its URL."""
    name = pg18.new_database()
    pg18.sql(
        "create table one as select i, md5(i::text) from generate_series(1, 3000) i",
        "create table two as select i, md5(i::text) from generate_series(1, 3000) i",
        database=name,
    )
    return pg18.url(name)


@pytest.mark.parametrize(("form", "lie"), CASES, ids=[f"{form}-{lie}" for form, lie in CASES])
@pytest.mark.daily(8)
def test_a_lying_dump_client_is_not_believed(
    form: str, lie: str, pg18: TestServer, small: str, tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    lies = DIRECTORY_LIES if form == "directory" else STREAM_LIES
    made = make_workspace(small, format=form, bin_dirs=[str(_false_client(pg18, tmp_path, lies[lie]))])
    with pytest.raises(OpsError) as caught:
        take_backup(made.workspace, "crm")
    assert "backup of crm failed" in caught.value.what
    _assert_nothing_published(made)


def test_a_truncated_file_inside_a_directory_dump_is_found_by_its_verification(
    pg18: TestServer, small: str, tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    lie = '"$REAL" "$@"; set -- "$FILE"/[0-9]*; head -c 2000 "$1" > "$FILE/x"; mv "$FILE/x" "$1"; exit 0'
    client = _false_client(pg18, tmp_path, lie)
    made = make_workspace(small, format="directory", bin_dirs=[str(client)])
    take_backup(made.workspace, "crm")
    point = made.workspace.catalogue("crm").newest
    assert point is not None
    found = verify(made.workspace, point)
    assert found.outcome == "bad", found.reason
    assert made.workspace.catalogue("crm").recovery_point is None


def test_the_same_wrapper_is_believed_when_it_tells_the_truth(
    pg18: TestServer, small: str, tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    client = _false_client(pg18, tmp_path, 'exec "$REAL" "$@"')
    made = make_workspace(small, bin_dirs=[str(client)])
    assert take_backup(made.workspace, "crm").contents.rows == 6000


def _false_client(server: TestServer, tmp_path: Path, lie: str) -> Path:
    """A directory of real client programs with a pg_dump of our own."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("pg_dumpall", "pg_restore", "psql"):
        (directory / name).symlink_to(server.programs.path(name))
    real = shlex.quote(str(server.programs.path("pg_dump")))
    script = directory / "pg_dump"
    script.write_text(
        f'#!/bin/sh\nREAL={real}\n[ "$1" = --version ] && exec "$REAL" --version\n'
        f'for each; do case "$each" in --file=*) FILE="${{each#--file=}}";; esac; done\n{lie}\n',
        encoding="utf-8",
    )
    script.chmod(0o700)
    return directory


def _assert_nothing_published(made: Made) -> None:
    """Nothing is listed, nothing is left, and a sweep finds nothing more to do."""
    assert made.workspace.catalogue("crm").points == ()
    store = made.path / "base"
    left = [path for path in store.rglob("*") if path.is_file() and ("dump" in path.name or "contents" in path.name)]
    assert left == []
    [row] = made.workspace.ledger.recent(limit=1)
    assert row.status == "failed"
