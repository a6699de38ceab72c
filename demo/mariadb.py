"""The CRM's MariaDB server, with its data."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from demo.remembered import Remembered
from ops_pipelines import process
from ops_pipelines.engines.mysql import clients
from ops_pipelines.engines.mysql.connection import Server, options_for_programs, session
from ops_pipelines.engines.mysql.server import private_server
from ops_pipelines.process import Limits

_MINUTES = Limits(stall=timedelta(minutes=5), total=timedelta(minutes=5))
_SAMPLE = Path(__file__).parent / "samples" / "crm.sql"


@contextmanager
def crm(directory: Path, remembered: Remembered, uploads: Sequence[tuple[str, int]]) -> Iterator[str]:
    """The server with the database `crm`. Yields the URL.

    Args:
        uploads: paths and sizes of the files its attachments name.
    """
    program = clients.for_server(clients.MARIADB, (10, 3))
    port, password = remembered.port("crm"), remembered.password("crm")
    with private_server(program, directory, user="demo", password=password, port=port) as server:
        _sample(server, uploads)
        with session(server.at("crm"), limit=timedelta(minutes=1)) as opened:
            opened.rows("call catch_up()")
        yield f"mysql://demo:{password}@127.0.0.1:{port}/crm"


def _sample(server: Server, uploads: Sequence[tuple[str, int]]) -> None:
    """Fill the database once; a start that was killed while it did so begins anew."""
    with session(server, limit=timedelta(minutes=1)) as opened:
        if opened.rows("select 1 from information_schema.schemata where schema_name = 'crm_is_filled'"):
            return
        opened.rows("drop database if exists crm")
        opened.rows("create database crm character set utf8mb4")
    client = clients.for_restore(clients.MARIADB, (10, 3))
    with options_for_programs(server) as options:
        process.run(
            [client.path, options, "--default-character-set=utf8mb4", "--database=crm"],
            stdin=_SAMPLE.read_bytes(),
            limits=_MINUTES,
        )
    with session(server.at("crm"), limit=timedelta(minutes=1)) as opened:
        for number, (path, size_bytes) in enumerate(uploads, start=1):
            opened.rows(
                "insert into attachments (contact_id, path, bytes, created_at) values (%s, %s, %s, now())",
                [number * 100, path, size_bytes],
            )
        opened.rows("create database crm_is_filled")
