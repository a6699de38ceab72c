"""A streamed archive gets the offsets that pg_dump itself writes where it can go back: its own file is the judge."""

import subprocess
from pathlib import Path

import pytest

from ops_pipelines.engines.postgres import offsets
from tests.conftest import TestServer

_MADE_AT = range(11, 60)  # the time in an archive's head
# Rows whose lengths end in bytes of zero, as many as there can be, and tables with one row or none.
_LENGTHS = (
    "create table empty (v text)",
    *(f"create table of_{length} (v text)" for length in (256, 65_536, 16_777_216)),
    *(
        f"insert into of_{length} select repeat('x', {length} - 1) from generate_series(1, 2)"
        for length in (256, 65_536, 16_777_216)
    ),
    "create table bare ()",
    "insert into bare default values",
    "do $$ begin for i in 1..40 loop perform lo_from_bytea(0, decode(repeat('00', i * 5000), 'hex')); end loop; end $$",
    "select lo_create(0)",
)


def dumped(server: TestServer, database: str, directory: Path, *options: str) -> tuple[Path, Path]:
    """The same database as a file that pg_dump could go back in, and as one that it wrote into a pipe."""
    directory.mkdir(exist_ok=True)
    made, streamed = directory / "made.pgc", directory / "streamed.pgc"
    place = server.superuser.at(dbname=database)
    argv = [
        server.programs.path("pg_dump"),
        "--format=custom",
        "--compress=0",
        *options,
        f"--dbname={place.argument()}",
    ]
    subprocess.run([*argv, f"--file={made}"], env=place.environment(), check=True)
    streamed.write_bytes(subprocess.run(argv, env=place.environment(), check=True, stdout=subprocess.PIPE).stdout)
    return made, streamed


def without_time(archive: Path) -> bytes:
    content = bytearray(archive.read_bytes())
    for at in _MADE_AT:
        content[at] = 0
    return bytes(content)


def test_a_database_with_everything_in_it_gets_the_offsets_that_pg_dump_writes(
    pg: TestServer, everything: str, tmp_path: Path
) -> None:
    made, streamed = dumped(pg, everything, tmp_path)
    assert without_time(made) != without_time(streamed), "there was nothing to fill in"
    assert offsets.fill_in(streamed)
    assert without_time(streamed) == without_time(made)


def test_rows_of_every_length_and_large_objects_are_passed_over_whole(pg: TestServer, tmp_path: Path) -> None:
    database = pg.new_database()
    pg.sql(*_LENGTHS, database=database)
    made, streamed = dumped(pg, database, tmp_path)
    assert offsets.fill_in(streamed)
    assert without_time(streamed) == without_time(made)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999, 0.99999])
def test_an_archive_that_is_cut_off_stays_as_it_is(
    pg_debian: TestServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    database = pg_debian.new_database()
    pg_debian.sql(*_LENGTHS, database=database)
    _made, streamed = dumped(pg_debian, database, tmp_path)
    cut = streamed.read_bytes()[: int(streamed.stat().st_size * share)]
    streamed.write_bytes(cut)
    assert not offsets.fill_in(streamed)
    assert streamed.read_bytes() == cut


def test_a_compressed_archive_and_what_is_none_stay_as_they_are(pg: TestServer, tmp_path: Path) -> None:
    made, _streamed = dumped(pg, pg.new_database(), tmp_path, "--compress=6")
    other = tmp_path / "other"
    other.write_bytes(b"PGDMP" + bytes(range(256)) * 10)
    for archive in (made, other):
        before = archive.read_bytes()
        assert not offsets.fill_in(archive)
        assert archive.read_bytes() == before
