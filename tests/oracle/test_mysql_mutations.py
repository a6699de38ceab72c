"""Whatever changes the text that the dump client prints of a MySQL or MariaDB schema, our comparison sees.

Every kind of change to two tables, chosen by the day's seed, runs everywhere; `OPS_FIELD_MUTATIONS` says of how many.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql.connection import options_for_programs, session
from ops_pipelines.engines.mysql.dump import Seen
from ops_pipelines.errors import SourceError
from tests.engines.mysql.conftest import EVERYTHING, TestServer, mariadb, mysqld  # noqa: F401 (fixtures)
from tests.oracle.mysql_mutations import Mutation, mutations

_LIMIT = timedelta(minutes=1)
_TABLES = int(os.environ.get("OPS_FIELD_MUTATIONS") or 2)
_SEED = int(os.environ.get("OPS_SEED") or 11)
_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")


@dataclass
class Tally:
    """What became of the changes that were tried."""

    refused: list[Mutation] = field(default_factory=list)
    silent: list[Mutation] = field(default_factory=list)
    seen: list[Mutation] = field(default_factory=list)
    unseen: list[Mutation] = field(default_factory=list)


@pytest.fixture(params=["mariadb", "mysqld"])
def server(request: pytest.FixtureRequest) -> TestServer:
    """MariaDB of the distribution, and MySQL."""
    found: TestServer = request.getfixturevalue(request.param)
    return found


def _text(server: TestServer, name: str) -> str:
    """What the dump client prints of the schema and of the database itself."""
    program = clients.for_dump(server.product, (8, 0), server.bin_dirs)
    with options_for_programs(server.root) as login:
        argv: list[str | Path] = [
            program.path, login, "--no-data", "--routines", "--triggers", "--events", "--skip-comments", "--force",
            "--default-character-set=utf8mb4", "--databases", name,
        ]  # fmt: skip
        if program.has("set-gtid-purged"):
            argv.insert(2, "--set-gtid-purged=OFF")
        printed = subprocess.run(argv, capture_output=True, check=False).stdout
    return _COUNTER.sub("", printed.decode(errors="surrogateescape"))


def test_what_changes_the_text_of_a_dump_is_seen(server: TestServer) -> None:
    name = server.new_database(options="character set utf8mb4")
    server.client(name, EVERYTHING[server.product])
    tally, before = Tally(), _text(server, name)
    with session(server.root.at(name), limit=_LIMIT) as opened:
        known = Seen.of(opened).objects
        for mutation in mutations(server, name, seed=_SEED, tables=_TABLES):
            try:
                server.sql("set sql_mode = ''", *mutation.statements, database=name)
            except SourceError:
                tally.refused.append(mutation)
                continue
            after, objects = _text(server, name), Seen.of(opened).objects
            if after == before:
                tally.silent.append(mutation)
            else:
                (tally.seen if objects != known else tally.unseen).append(mutation)
            before, known = after, objects
    counts = {kind: len(found) for kind, found in vars(tally).items()}
    print(f"{server.product}, seed {_SEED}: {counts}")
    assert tally.unseen == []
    assert len(tally.seen) > len(tally.refused)
    server.sql(f"drop database {name}")
