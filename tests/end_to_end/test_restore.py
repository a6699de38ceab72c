"""`ops restore` at 3 a.m.: nothing but the stores left, commands by hand, the source replaced while it is in use."""

import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.engines.postgres import clients
from ops_pipelines.engines.postgres.connection import Server, session
from ops_pipelines.errors import SourceError
from tests.end_to_end.conftest import OPS, Shell, back_up
from tests.sample import MAJOR, crm_server, execute, write_config


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A CRM of this test's own, whose database may be replaced."""
    with crm_server(tmp_path_factory.mktemp("own") / "pg") as server:
        yield server


@pytest.fixture
def own_shell(tmp_path: Path, own: Server) -> Shell:
    """A shell beside it, with one verified backup."""
    write_config(tmp_path, own)
    shell = Shell(tmp_path)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(Path(__file__).parents[2] / name, tmp_path / name)
    back_up(shell)
    return shell


LIMIT = timedelta(seconds=60)


def ask(server: Server, sql: str) -> object:
    with session(server, limit=LIMIT, settings=False) as opened:
        return opened.value(sql)


def databases(server: Server) -> set[str]:
    with session(server.at(dbname="postgres"), limit=LIMIT, settings=False) as opened:
        return {name for (name,) in opened.rows("select datname from pg_database where datname like 'crm%'")}


def wreck(base: Path) -> None:
    """Dagster's storage and the ledger are garbage."""
    for path in (*base.glob("ledger.sqlite*"), *(base.parent / "var").rglob("*")):
        if path.is_file():
            path.write_bytes(os.urandom(5000))
    shutil.rmtree(base.parent / "var", ignore_errors=True)
    (base.parent / "dagster.yaml").unlink()


def test_everything_but_a_store_is_gone_or_garbage(own_shell: Shell, own: Server) -> None:
    wreck(own_shell.folder / "base")
    shutil.rmtree(own_shell.folder / "base" / "restore-points")
    execute(own.at(dbname="postgres"), "drop database crm with (force)")
    printed = own_shell.ops("restore", "crm", "--to", "crm_restored")
    assert "verified: crm_restored restored from nas" in printed and "within the RTO of 30m" in printed
    assert "not recorded: the ledger" in printed
    assert "next: look at it, psql" in printed and "password" not in printed.split("next:")[1]
    assert ask(own.at(dbname="crm_restored"), "select count(*) from contacts") == 2000


def test_definitions_that_came_back_differently_are_told_line_by_line(own_shell: Shell, own: Server) -> None:
    execute(own.at(dbname="postgres"), "create database crm_open")
    execute(own.at(dbname="crm_open"), "alter default privileges grant select on tables to public")
    printed = own_shell.ops("restore", "crm", "--to", "crm_open", expect=2)
    assert "NOT as it was" in printed
    differ = printed.split("definitions that differ (- source, + restored):\n")[1]
    assert "  relation public.contacts\n" in differ and "  +privileges" in differ


def test_the_printed_commands_restore_with_standard_tools_alone(own_shell: Shell, own: Server, tmp_path: Path) -> None:
    printed = own_shell.ops("restore", "crm", "--print")
    assert str(own_shell.folder / "age.key") in printed and "cp -r" in printed
    execute(own.at(dbname="postgres"), "drop database crm with (force)")
    work = tmp_path / "by hand"
    work.mkdir()
    programs = clients.for_server(MAJOR).directory
    parameters = own.parameters
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PGHOST": str(parameters["host"]), "PGPORT": str(parameters["port"]), "PGUSER": str(parameters["user"]),
        "PGPASSWORD": str(parameters["password"]),
    }  # fmt: skip
    shell = ["bash", "-eu", "-c", printed]
    done = subprocess.run(shell, cwd=work, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ask(own, "select count(*) from contacts") == 2000


def test_print_needs_neither_the_key_nor_the_source_in_the_file(own_shell: Shell, own: Server) -> None:
    (own_shell.folder / "age.key").unlink()
    config = own_shell.folder / "ops.yaml"
    config.write_text(config.read_text("utf-8").replace("  crm:\n", "  hotel:\n"), encoding="utf-8")
    refused = own_shell.ops("restore", "crm", "--to", "crm_restored", expect=2)
    assert "crm is not in ops.yaml any more, but 1 restore points of it exist" in refused
    assert "put crm back under sources: (kind: postgres" in refused
    assert "pg_restore" in own_shell.ops("restore", "crm", "--print")


def test_replacing_wants_the_name_and_changes_nothing_without(own_shell: Shell, own: Server) -> None:
    for words in ((), ("--yes-replace", "hotel")):
        printed = own_shell.ops("restore", "crm", "--into-production", *words, expect=3)
        assert "the replacement was not confirmed" in printed
    assert databases(own) == {"crm"}


def writing(server: Server, stop: threading.Event, written: list[int], failures: list[str]) -> None:
    """An application: it reconnects whenever it is thrown out, and goes on writing."""
    number = 0
    while not stop.is_set():
        try:
            with session(server, limit=LIMIT, settings=False) as opened:
                while not stop.is_set():
                    number += 1
                    opened.rows("insert into contacts (name) values (%s)", [f"live {number}"])
                    written.append(number)
        except SourceError as error:
            if "does not exist" in error.why:
                failures.append(error.why)
            time.sleep(0.002)


def test_a_source_in_use_is_replaced_and_nothing_written_is_lost(own_shell: Shell, own: Server) -> None:
    execute(own, "update contacts set name = 'oops'")
    stop, written, failures = threading.Event(), list[int](), list[str]()
    client = threading.Thread(target=writing, args=(own, stop, written, failures))
    client.start()
    try:
        document = own_shell.json("restore", "crm", "--into-production", "--yes-replace", "crm")
    finally:
        before_stop = len(written)
        stop.set()
        client.join()
    assert document["ok"] and before_stop
    kept = document["kept"].removeprefix("database ")
    assert databases(own) == {"crm", kept}
    # What was there, with every row that was ever acknowledged, is in one of the two.
    assert ask(own.at(dbname=kept), "select count(*) from contacts where name = 'oops'") == 2000
    assert ask(own, "select count(*) from contacts where name = 'oops'") == 0
    live = "select count(*) from contacts where name like 'live %'"
    assert ask(own, live) + ask(own.at(dbname=kept), live) >= len(written)  # type: ignore[operator]
    listed = {point["id"] for point in own_shell.json("list", "crm")["crm"]["restore_points"]}
    assert document["safety"] in listed
    # Whoever restores next, still in a hurry, does not get back what was just replaced, and is told how to.
    printed = own_shell.ops("restore", "crm", "--to", "next")
    assert f"restoring {document['backup_id']}" in printed and f"skipped: {document['safety']}" in printed
    # It is a source like any other again.
    own_shell.ops("backup")


@pytest.mark.daily(0)
def test_a_replacement_killed_at_any_moment_leaves_the_source_whole(own_shell: Shell, own: Server) -> None:
    execute(own, "update contacts set name = 'now'")
    chance = random.Random(4)
    words = [OPS, "restore", "crm", "--into-production", "--yes-replace", "crm"]

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            words, cwd=own_shell.folder, env=own_shell.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    (point,) = own_shell.json("list", "crm")["crm"]["restore_points"]
    words += ["--backup", point["id"]]
    began = time.monotonic()
    assert start().wait() == 0
    lasts_s = time.monotonic() - began
    for number in range(6):
        execute(own, "update contacts set name = 'now'")
        running = start()
        time.sleep(lasts_s * (number + chance.random()) / 6)  # the moment of the kill is the experiment
        running.kill()
        running.wait()
        # Either still the old one or already the new one, never something between.
        names = ask(own, "select count(*) filter (where name = 'now') || ' ' || count(*) from contacts")
        assert names in ("2000 2000", "0 2000")
    own_shell.ops("restore", "crm", "--into-production", "--yes-replace", "crm", "--backup", point["id"])


def test_a_source_that_is_gone_is_replaced_only_without_a_safety_point(own_shell: Shell, own: Server) -> None:
    execute(own.at(dbname="postgres"), "drop database crm with (force)")
    printed = own_shell.ops("restore", "crm", "--into-production", "--yes-replace", "crm", expect=3)
    assert "no safety restore point of its current contents could be taken" in printed and "--without-safety" in printed
    own_shell.ops("restore", "crm", "--into-production", "--yes-replace", "crm", "--without-safety")
    assert databases(own) == {"crm"}
    assert ask(own, "select count(*) from contacts") == 2000
