"""What changes the text that pg_dump prints of a schema, our comparison sees, and nothing else; exceptions are told.

A few kinds of change, chosen by a seed, run everywhere; `make field` makes several hundred.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.engines.postgres import contents
from ops_pipelines.engines.postgres.connection import session
from ops_pipelines.errors import SourceError
from tests.conftest import DEBIAN, TestServer, start_server
from tests.engines.conftest import EVERYTHING
from tests.oracle import mutation_page
from tests.oracle.mutations import EXTRA, Mutation, mutations

_LIMIT = timedelta(minutes=1)
_EACH = int(os.environ.get("OPS_FIELD_MUTATIONS") or 1)
_KINDS = None if os.environ.get("OPS_FIELD_MUTATIONS") else 12
_CHANCE = ("\\restrict", "\\unrestrict", "-- Dumped", "SET transaction_timeout")
_SEED = int(os.environ.get("OPS_SEED") or 11)

UNSEEN = {
    "database template": "a restored database is nobody's template until somebody says so",
    "user mapping option": "not everybody may read the options of a user mapping",
    "subscription connection": "it holds a password, and others than a superuser may not read it",
}
"""Kinds of change that a dump's text shows and we do not, with the reason."""

BESIDE = ("large object", "large object dropped", "view text", "language")
"""Kinds of change that a schema's text leaves out and we do not: large objects and filled views are told with the
data, and a language whose functions belong to an extension cannot be restored at all."""


@dataclass
class Tally:
    """What became of the changes that were tried."""

    refused: list[Mutation] = field(default_factory=list)
    silent: list[Mutation] = field(default_factory=list)
    seen: list[Mutation] = field(default_factory=list)
    unseen: list[Mutation] = field(default_factory=list)
    ours_alone: list[Mutation] = field(default_factory=list)


@pytest.fixture(params=sorted({DEBIAN, 18}))
def rich(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestServer]:
    """A server of one test's own, whose database `mutated` holds everything."""
    with start_server(request.param, tmp_path) as server:
        server.new_database("mutated")
        spaces = tmp_path / "spaces"
        spaces.mkdir(mode=0o700)
        icu = len(server.sql("select 1 from pg_collation where collprovider = 'i'")) > 10
        variables = {"db": "mutated", "modern": server.major >= 18, "icu": icu, "spaces": spaces}
        server.psql("mutated", *(f"--set={key}={value}" for key, value in variables.items()), f"--file={EVERYTHING}")
        server.sql(*EXTRA, database="mutated")
        yield server


def _text(server: TestServer, database: str) -> list[str]:
    """What pg_dump prints of the schema and of the database itself."""
    at = server.superuser.at(dbname=database)
    argv: list[str | Path] = [server.programs.path("pg_dump"), "--schema-only", "--create", f"--dbname={at.argument()}"]
    printed = subprocess.run(argv, env=at.environment(), capture_output=True, check=True).stdout
    return [line for line in printed.decode().splitlines() if not line.startswith(_CHANCE)]


def _tried(server: TestServer, database: str) -> Tally:
    tally, before = Tally(), _text(server, database)
    with session(server.superuser.at(dbname=database), limit=_LIMIT) as opened:
        known = contents.read_objects(opened).found
        for mutation in mutations(server, database, seed=_SEED, each=_EACH, kinds=_KINDS):
            try:
                server.sql(mutation.statement, database=database)
            except SourceError:
                tally.refused.append(mutation)
                continue
            after, objects = _text(server, database), contents.read_objects(opened).found
            if after == before:
                tally.silent.append(mutation)
                tally.ours_alone += [mutation] if objects != known else []
            else:
                (tally.seen if objects != known else tally.unseen).append(mutation)
            before, known = after, objects
    return tally


def test_what_changes_the_text_of_a_dump_is_seen(rich: TestServer) -> None:
    tally = _tried(rich, "mutated")
    counts = {name: len(found) for name, found in vars(tally).items()}
    print(f"PostgreSQL {rich.programs.version}, seed {_SEED}: {counts}")
    if os.environ.get("OPS_WRITE_MUTATIONS"):
        listed = [(each.kind, each.statement, UNSEEN.get(each.kind, "")) for each in tally.unseen]
        mutation_page.add(f"PostgreSQL {rich.programs.version}", counts, listed)
    assert [each for each in tally.unseen if each.kind not in UNSEEN] == []
    # What no dump carries must not be missed after a restore either.
    assert [each for each in tally.ours_alone if each.kind not in BESIDE] == []
    assert len(tally.seen) > len(tally.refused)
