"""Fixtures of the engine tests: the database that holds everything."""

from pathlib import Path

import pytest

from tests.conftest import TestServer

EVERYTHING = Path(__file__).with_name("everything.sql")
NAME = 'Every "thing" it\'s ünï=çödé'


@pytest.fixture(scope="session")
def everything(pg: TestServer) -> str:
    """A database that holds everything its server can hold; returns its name."""
    name = pg.new_database("everything")
    pg.sql(f"alter database everything rename to {quoted(NAME)}")
    name = NAME
    spaces = pg.directory / "fast"
    spaces.mkdir(mode=0o700)
    # A build without ICU knows the name of its root collation only.
    icu = len(pg.sql("select 1 from pg_collation where collprovider = 'i'")) > 10
    variables = {"db": name, "modern": pg.major >= 18, "icu": icu, "spaces": spaces}
    pg.psql(name, *(f"--set={key}={value}" for key, value in variables.items()), f"--file={EVERYTHING}")
    return name


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
