"""The network forgets a session that holds locks: the server gives them back by itself, and the application goes on."""

import os
import signal
import socket
import subprocess
from datetime import timedelta

import psutil

from ops_pipelines.engines.mysql.connection import parse
from ops_pipelines.engines.mysql.connection import session as mysql_session
from ops_pipelines.engines.mysql.definitions import read_tables
from ops_pipelines.engines.mysql.instant import writers_blocked
from ops_pipelines.engines.postgres.connection import KEPT_ALIVE, Server, session
from tests.conftest import TestServer as PostgresServer
from tests.faults.conftest import MakeHouse, wait_until
from tests.faults.forked import start
from tests.faults.network import network

MINUTE = timedelta(minutes=1)


def test_writers_of_mysql_wait_no_longer_for_a_lock_whose_holder_the_network_forgot(make_house: MakeHouse) -> None:
    house = make_house("mysql")
    with network(house) as between:
        server = parse((house.path / "url").read_text(encoding="utf-8"), connect=MINUTE)
        with (
            mysql_session(server, limit=MINUTE) as opened,
            writers_blocked(opened, read_tables(opened), stall=timedelta(seconds=2)) as instant,
        ):
            assert instant.shared
            between.suffer("stall")
            house.protected.change()  # waits for the lock, for a minute at most


def test_migrations_in_postgres_wait_no_longer_than_a_dump_may_take(make_house: MakeHouse) -> None:
    """The machine that dumps stands still, and nobody tells the server: pg_dump has keep-alives, our own sessions more.

    pg_dump lifts every limit of its own session, so that it is taken away here.
    """
    house = make_house("postgres")
    aside = Server(house.protected.secrets["url"], connect=MINUTE)

    def holding() -> int:
        with session(aside, limit=MINUTE, settings=False) as opened:
            return int(
                opened.value(
                    "select count(*) from pg_stat_activity where application_name = 'ops_pipelines'"
                    " and datname = current_database() and state like 'idle in transaction%'"
                )
            )

    house.write(lock="1s", total="3s")
    command = start(house, "backup", "crm")
    wait_until(lambda: holding() > 0)
    os.kill(command.pid, signal.SIGSTOP)
    for child in psutil.Process(command.pid).children(recursive=True):
        child.kill()
    wait_until(lambda: holding() == 0)
    os.kill(command.pid, signal.SIGCONT)
    assert command.wait() == 2, command.said
    assert "Traceback" not in command.said


def test_sessions_and_programs_are_looked_for_on_both_sides_of_the_network(pg18: PostgresServer) -> None:
    direct = Server(pg18.superuser.url(), connect=MINUTE).at(host="127.0.0.1")
    with session(direct, limit=MINUTE) as opened:
        assert opened.value("show tcp_keepalives_idle") == "60"
        with socket.socket(fileno=os.dup(opened._connection.fileno())) as wire:
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000
        program = direct.with_settings(KEPT_ALIVE)
    argv = [pg18.programs.path("psql"), "-XqAt", f"--dbname={program.argument()}", "--command=show tcp_keepalives_idle"]
    shown = subprocess.run(argv, env=program.environment(), capture_output=True, text=True, check=True).stdout
    assert shown == "60\n"
