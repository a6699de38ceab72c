"""Servers of versions that the distribution does not have: everything comes back, and a change is seen.

Debian's own PostgreSQL 18 has what the embedded one lacks: ICU, TLS, and more ways to compress.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import MakeWorkspace, TestServer, start_server
from tests.engines.conftest import hold_everything
from tests.matrix import postgres
from tests.matrix.case import Case
from tests.matrix.every import played
from tests.matrix.rig import Rig, observe
from tests.oracle.rounds import postgres_round
from tests.servers import newer

VERSIONS = {"pg17": 17, "pg18": 18}


@dataclass(frozen=True)
class Newer:
    """A running server, the folders that its programs are in, and a database that holds everything."""

    server: TestServer
    bin_dirs: list[str]
    everything: str


@pytest.fixture(scope="module", params=VERSIONS)
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newer]:
    """Each of them in turn."""
    found = newer.bin_dirs(request.param, "postgres")
    with start_server(VERSIONS[request.param], tmp_path_factory.mktemp("newer"), bin_dirs=found) as server:
        assert server.programs.directory == found[0]
        yield Newer(server, [str(each) for each in found], hold_everything(server))


@pytest.mark.parametrize("form", ["custom", "directory", "sql"])
@pytest.mark.daily(3)
def test_everything_comes_back(unpacked: Newer, form: str, make_workspace: MakeWorkspace) -> None:
    postgres_round(unpacked.server, unpacked.everything, make_workspace, format=form, bin_dirs=unpacked.bin_dirs)


# Every version prints definitions in its own way, and must still see a change of each kind.
_SAMPLE = [case for case in played("postgres") if case.where == "restored"][::6]


@pytest.fixture(scope="module")
def rig(unpacked: Newer) -> Iterator[Rig]:
    """What the detection matrix corrupts, on this server."""
    with tempfile.TemporaryDirectory(prefix="rigs-") as name:
        scratch, path = Path(name) / "pg", Path(name) / "postgres"
        scratch.mkdir(mode=0o700)
        path.mkdir(mode=0o700)
        with postgres.scratch_databases(unpacked.server, scratch) as databases:
            yield postgres.build(path, unpacked.server, databases)


@pytest.mark.parametrize("case", _SAMPLE, ids=lambda case: case.name)
@pytest.mark.daily(8)
def test_a_corruption_ends_as_the_matrix_says(rig: Rig, case: Case) -> None:
    assert observe(rig, case) == case.expected
