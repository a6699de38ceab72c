"""Fixtures of the engine tests: the database that holds everything."""

from pathlib import Path

import pytest

from tests.conftest import TestServer

EVERYTHING = Path(__file__).with_name("everything.sql")
NAME = 'Every "thing" it\'s ünï=çödé'


@pytest.fixture(scope="session")
def everything(pg: TestServer) -> str:
    """A database that holds everything its server can hold; returns its name."""
    return hold_everything(pg)


def hold_everything(server: TestServer) -> str:
    """Make that database on a server; returns its name."""
    server.sql(f"create database {quoted(NAME)}")
    spaces = server.directory / "fast"
    spaces.mkdir(mode=0o700)
    # A build without ICU knows the name of its root collation only.
    icu = len(server.sql("select 1 from pg_collation where collprovider = 'i'")) > 10
    variables = {"db": NAME, "modern": server.major >= 18, "icu": icu, "spaces": spaces}
    server.psql(NAME, *(f"--set={key}={value}" for key, value in variables.items()), f"--file={EVERYTHING}")
    return NAME


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
