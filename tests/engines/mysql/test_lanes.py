"""A dump that several sessions load: nothing of it is left out, and what is refused is told as one session would."""

import subprocess
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines.engines.base import RestoreFailed
from ops_pipelines.engines.mysql import clients, lanes, restore
from ops_pipelines.engines.mysql.connection import options_for_programs
from ops_pipelines.process import Limits
from tests.engines.mysql.conftest import TestServer
from tests.engines.mysql.test_edges import Parts

_MINUTE = timedelta(minutes=1)
# Values that look like a dump's own marks, a trigger, a view on a later table, rows without a key, an empty table.
_TABLES = (
    "create table a (id int primary key, v text)",
    r"insert into a values (1, '\n-- Dumping data for table `b`\n'), (2, '\n--\n-- Final view structure for view `v`')",
    "create table b (v int)",
    "insert into b select seq from seq_1_to_5000",
    "create table c (id int auto_increment primary key, a int, foreign key (a) references a (id))",
    "insert into c (a) values (1), (2), (1)",
    "create trigger later after insert on a for each row insert into b values (new.id)",
    "create table empty (id int)",
    "create view v as select a.v, c.id from a join c on c.a = a.id",
)


def dumped(server: TestServer, database: str, path: Path) -> Path:
    program = clients.for_restore(server.product, (10, 3)).path.with_name("mariadb-dump")
    with options_for_programs(server.root) as options, path.open("wb") as written:
        argv = [program, options, "--single-transaction", "--routines", "--triggers", "--events", database]
        subprocess.run(argv, stdout=written, check=True)
    return path


def load(server: TestServer, dump: str, work: Path, jobs: int) -> tuple[str, list[str]]:
    """Where it was loaded, and the warnings."""
    target = server.root.at(server.new_database())
    more: dict[str, Any] = {"limits": Limits(_MINUTE, _MINUTE), "disabled_events": set(), "progress": lambda *_: None}
    program = clients.for_restore(server.product, (10, 3))
    restored = restore.load(
        Parts(dump), target.database, target, program, work=work, jobs=jobs, ours=True, lent=False, **more
    )
    return target.database, list(restored.warnings)


def held(server: TestServer, database: str) -> list[Any]:
    tables = [name for (name,) in server.sql("show tables", database=database)]
    sums = server.sql(f"checksum table {', '.join(f'`{name}`' for name in tables if name != 'v')}", database=database)
    triggers = server.sql("select trigger_name from information_schema.triggers where trigger_schema = database()",
                          database=database)  # fmt: skip
    return [tables, [total for _name, total in sums], triggers]


@pytest.fixture(scope="module")
def dump(mariadb: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = mariadb.new_database()
    mariadb.sql(*_TABLES, database=database)
    return dumped(mariadb, database, tmp_path_factory.mktemp("lanes") / "dump.sql")


@pytest.mark.parametrize("sessions", [2, 3, 8])
def test_every_byte_is_run_once_and_the_settings_by_each_session(dump: Path, sessions: int) -> None:
    found = lanes.cut(dump, sessions)
    assert found is not None
    scripts = [found.before, *found.rows, found.after]
    assert len({script.ranges[0] for script in scripts}) == 1, "each begins with the settings"
    ranges = sorted([scripts[0].ranges[0], *(each for script in scripts for each in script.ranges[1:])])
    assert ranges[0][0] == 0 and ranges[-1][1] == dump.stat().st_size
    assert all(one[1] == other[0] for one, other in pairwise(ranges))
    assert all(list(script.ranges) == sorted(script.ranges) for script in scripts)
    read = b"".join(dump.read_bytes()[start:end] for start, end in found.rows[0].ranges)
    with found.rows[0].fed() as (source, taken):
        assert source.read() == read
    assert taken() == found.rows[0].size_bytes == len(read)


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_several_sessions_make_what_one_makes(mariadb: TestServer, dump: Path, tmp_path: Path, jobs: int) -> None:
    database, warnings = load(mariadb, dump.read_text(), tmp_path, jobs)
    assert warnings == []
    [(rows,)] = mariadb.sql("select count(*) from b", database=database)
    assert rows == 5000, "no trigger fired while rows were loaded"
    other, _warnings = load(mariadb, dump.read_text(), tmp_path, 1)
    assert held(mariadb, database) == held(mariadb, other)


def test_what_a_session_is_refused_is_told_as_of_one_that_runs_all(
    mariadb: TestServer, dump: Path, tmp_path: Path
) -> None:
    broken = dump.read_text().replace("INSERT INTO `b` VALUES", "INSERT INTO `b` VALUES (1, 2),", 1)
    told = []
    for jobs in (1, 2):
        with pytest.raises(RestoreFailed) as refused:
            load(mariadb, broken, tmp_path, jobs)
        told.append(str(refused.value))
    assert told[0] == told[1] and "at line" in told[0]


def test_a_client_that_ends_early_keeps_nobody_waiting(dump: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.sql"
    large.write_bytes(b"select 1;\n" * 1_000_000)
    with lanes.whole(large).fed() as (source, _taken):
        assert source.read(10) == b"select 1;\n"
    script = tmp_path / "none.sql"
    script.write_bytes(b"")
    assert lanes.cut(script, 2) is None
