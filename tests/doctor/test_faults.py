"""Every line that can be broken here is broken on purpose, says so with what to do, and is well again afterwards."""

import dataclasses
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ops_pipelines import lease
from ops_pipelines.backup.take import take_backup
from ops_pipelines.clock import SystemClock
from ops_pipelines.doctor.ask import ask_all
from ops_pipelines.doctor.litter import sweep
from ops_pipelines.doctor.question import Question, well
from ops_pipelines.doctor.questions import all_questions
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.drill.record import GroupResult, Report
from ops_pipelines.drill.report.keep import keep_report, signer_of
from ops_pipelines.engines.postgres import clients
from ops_pipelines.ledger.ledger import HEAD
from ops_pipelines.ledger.models import Health, Outgoing
from ops_pipelines.recovery.leftovers import note_former
from tests.doctor.conftest import Ahead, House
from tests.doctor.waiting import message_waits
from tests.stores.conftest import new_bucket
from tests.unit.test_stores import IN_NAMESPACE, can_mount
from tests.watch.receivers import Answer

NOT_YET = {("recovery", "drill"), ("ledger", "watched"), ("Dagster", "web server")}


def test_all_is_well_and_nothing_but_what_was_never_done_asks_for_attention(house: House) -> None:
    found = house.asked()
    wrong = {line: each.answer for line, each in found.items() if each.answer.state != "OK"}
    assert wrong.keys() == NOT_YET, wrong
    assert all(found[line].answer.state == "ATTENTION" for line in NOT_YET)
    assert "could not be removed: object lock" in found["store far", "immutable"].answer.said
    house.failing |= NOT_YET


def test_the_file_and_its_secrets(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    url = house.path / "crm.url"
    url.chmod(0o644)
    found = house.says("FAILED", "configuration", "file modes", str(url))
    subprocess.run(found.answer.fix[0], shell=True, check=True)
    house.says("OK", "configuration", "file modes")
    (house.path / "base").chmod(0o755)
    house.says("ATTENTION", "configuration", "file modes", "can list")
    (house.path / "base").chmod(0o700)
    with house.replaced(house.path / "restic.key", None):
        house.says("FAILED", "configuration", "secrets", "restic.key")
    monkeypatch.setenv("DOCTOR_DSN", "http://sentry.example/no-key")
    house.says("FAILED", "configuration", "Sentry", "DSN")
    monkeypatch.setenv("DOCTOR_DSN", "https://0123456789abcdef@sentry.example/42")
    profiles = "profiles of 10%" if sys.version_info >= (3, 12) else "no profiles, which are not safe on Python 3.1"
    house.says("OK", "configuration", "Sentry", profiles)
    monkeypatch.delenv("DOCTOR_DSN")
    house.says("ATTENTION", "configuration", "Sentry", "off")


def test_signatures_and_the_key_that_makes_them(house: House) -> None:
    key = house.path / "base" / "keys" / "signing.key"
    with house.replaced(key, None):
        house.says("FAILED", "configuration", "signing key", "is gone")
    house.says("OK", "configuration", "signing key", "installation")
    (signature,) = (house.path / "base" / "restore-points" / "crm").glob("*/manifest.json.minisig")
    with house.replaced(signature, None):
        house.says("ATTENTION", "crm", "signatures", "not signed")
    with house.replaced(signature, signature.read_bytes().replace(b"source=crm", b"source=crn")):
        house.says("FAILED", "crm", "signatures", "FORGED")
    house.says("OK", "crm", "signatures", "the one restore point is ours")


def test_rights_that_are_missing_come_with_the_statement_that_gives_them(house: House) -> None:
    server, line = house.server, ("crm", "rights")

    def mended_by_its_own_words() -> None:
        fix = house.says("FAILED", *line).answer.fix
        server.sql(*fix, database=house.database)
        house.says("OK", *line)

    server.sql(f"revoke pg_read_all_data from {house.role}", database=house.database)
    house.says("FAILED", *line, "sales", "people_id_seq")
    mended_by_its_own_words()  # few enough to be granted one by one, or all at once
    server.sql("alter table people enable row level security", database=house.database)
    house.says("FAILED", *line, "row-level security", "people")
    mended_by_its_own_words()
    server.sql("alter table people disable row level security", f"alter role {house.role} nobypassrls",
               database=house.database)  # fmt: skip
    server.sql("select lo_from_bytea(4711, 'large')", database=house.database)
    house.says("FAILED", *line, "large objects")
    mended_by_its_own_words()
    server.sql("select lo_unlink(4711)", database=house.database)


def test_a_superuser_is_not_needed_and_the_account_that_is_enough_is_told(house: House) -> None:
    url, line = house.path / "crm.url", ("crm", "rights")
    mighty = house.server.url(house.database, host="127.0.0.1")
    with house.replaced(url, mighty.encode()):
        fix = house.says("ATTENTION", *line, "is a superuser").answer.fix
    rights = (Path(__file__).parents[2] / "docs" / "rights.md").read_text(encoding="utf-8")
    assert all(each.replace(house.database, "crm") in rights for each in fix), "in the words of the documentation"
    house.server.sql(*(each.replace("…", "reads-only") for each in fix), database=house.database)
    least = house.server.url(house.database, host="127.0.0.1", user="ops_backup", password="reads-only")
    with house.replaced(url, least.encode()):
        house.says("OK", *line)
    house.server.sql("drop owned by ops_backup", "drop role ops_backup", database=house.database)


def test_a_source_that_is_gone_and_programs_that_do_not_fit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.server.sql(f"alter database {house.database} rename to moved_away")
    house.says("FAILED", "crm", "server", "does not exist")
    house.server.sql(f"alter database moved_away rename to {house.database}")
    docs = house.path / "docs"
    docs.rename(house.path / "elsewhere")
    house.says("FAILED", "docs", "readable", str(docs))
    house.says("FAILED", "docs", "rights", str(docs))
    (house.path / "elsewhere").rename(docs)
    with monkeypatch.context() as patched:
        others = [dataclasses.replace(each, major=17) for each in clients.installed() if each.major == 18]
        patched.setattr(clients, "installed", lambda bin_dirs=(): others)
        house.says("FAILED", "crm", "programs", "18")
    monkeypatch.setenv("PATH", str(house.path))
    house.says("FAILED", "docs", "programs", "restic is not installed")
    house.says("ATTENTION", "recovery", "standard tools", "age", "zstd")


def test_clocks_and_ages(house: House) -> None:
    house.says("ATTENTION", "crm", "clock", "behind", clock=Ahead(timedelta(seconds=30)))
    house.says("FAILED", "crm", "clock", "ahead", clock=Ahead(-timedelta(minutes=10)))
    house.says("FAILED", "store far", "clock", "behind", clock=Ahead(timedelta(minutes=10)))
    house.says("ATTENTION", "crm", "recovery point", "STALE", clock=Ahead(timedelta(hours=22)))
    house.says("FAILED", "docs", "recovery point", "rpo is 1d 0h", clock=Ahead(timedelta(hours=30)))


def test_the_key(house: House) -> None:
    stranger = str(pyrage.x25519.Identity.generate()).encode()
    with house.replaced(house.path / "age.key", stranger):
        house.says("FAILED", "crm", "key", "does not open", "encrypted for age1")
    smallest = min((house.path / "nas" / "crm").glob("*/*.age"), key=lambda path: path.stat().st_size)
    damaged = bytearray(smallest.read_bytes())
    damaged[-3] ^= 1
    with house.replaced(smallest, bytes(damaged)):
        house.says("FAILED", "crm", "key", "damaged", "nas")
    with house.changed(lambda document: document["defaults"]["encrypt"].pop("identity")):
        house.says("ATTENTION", "docs", "key", "no identity here")
    with house.changed(unused):
        house.says("OK", "crm", "key", "there is no backup yet")
        with house.replaced(house.path / "age.key", stranger):
            house.says("FAILED", "crm", "key", "opens nothing")


def unused(document: dict[str, Any]) -> None:
    """As before the first backup."""
    document.update(base="unused", stores={})
    document["defaults"].update(copies=[])
    document["sources"]["docs"].update(copies=[])


def test_stores_that_are_away_or_cannot_keep_what_they_get(house: House) -> None:
    nas = house.path / "nas"
    nas.rename(house.path / "unplugged")
    house.says("FAILED", "store nas", "reachable", "is not there")
    nas.mkdir()
    house.says("FAILED", "store nas", "reachable", "mark")
    nas.rmdir()
    (house.path / "unplugged").rename(nas)
    questions = all_questions(Shared(house.workspace(), house.config))
    nas.chmod(0o555)
    with as_nobody():
        [refused] = ask_all([each for each in questions if (each.subject, each.name) == ("store nas", "writable")])
    nas.chmod(0o700)
    assert refused.answer.state == "FAILED" and "Permission denied" in refused.answer.said
    house.failing.add(("store nas", "writable"))
    with house.changed(lambda document: document["stores"]["far"].update(endpoint="http://127.0.0.1:9", retries=0)):
        house.says("FAILED", "store far", "reachable")
        house.says("FAILED", "store far", "writable")
    open_to_all = new_bucket(house.bucket.endpoint, house.bucket.access_key, house.bucket.secret_key)
    with house.changed(lambda document: document["stores"]["far"].update(bucket=open_to_all.name)):
        house.says("FAILED", "store far", "immutable", "could be removed at once")
    with house.changed(lambda document: (document["stores"]["far"].update(bucket=open_to_all.name),
                                         document["stores"]["far"].pop("object_lock"))):  # fmt: skip
        house.says("ATTENTION", "store far", "immutable", "whoever has these keys")
    assert open_to_all.versions() == [], "nothing of the trial stays where it can be removed"
    with house.changed(lambda document: document["sources"]["crm"].update(copies=["nas"])):
        house.says("OK", "crm", "3-2-1")
    with house.changed(lambda document: document["stores"]["far"].update(offsite=False)):
        house.says("ATTENTION", "crm", "3-2-1", "1 off-site")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere: nobody may not."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not can_mount(), reason="needs user namespaces")
def test_a_full_disk(house: House) -> None:
    code = """
        import subprocess, sys
        from pathlib import Path
        from ops_pipelines.config.load import load_config
        from ops_pipelines.doctor.ask import ask_all
        from ops_pipelines.doctor.questions import all_questions
        from ops_pipelines.doctor.shared import Shared
        from ops_pipelines.workspace import Workspace
        house = Path(sys.argv[1])
        for name in ("base", "nas"):
            subprocess.run(["mv", house / name, house / f"{name}.kept"], check=True)
            (house / name).mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", house / name], check=True)
            subprocess.run(f"cp -a {house}/{name}.kept/. {house}/{name}/", shell=True, check=True)
            subprocess.run(f"cat /dev/zero > {house}/{name}/ballast", shell=True, stderr=subprocess.DEVNULL)
        questions = all_questions(Shared(Workspace(load_config(house / "ops.yaml", environ={})), house / "ops.yaml"))
        wanted = [each for each in questions if (each.subject, each.name) in WANTED]
        for each in ask_all(wanted):
            print(each.answer.state, each.subject, each.name, each.answer.fix[0])
    """
    wanted = {("crm", "disk"), ("store nas", "room"), ("store local", "writable")}
    script = textwrap.dedent(code).replace("WANTED", repr(wanted))
    try:
        done = subprocess.run([*IN_NAMESPACE, sys.executable, "-c", script, house.path], capture_output=True, text=True,
                              check=False, cwd=Path(__file__).parents[2])  # fmt: skip
    finally:
        for name in ("base", "nas"):
            if (house.path / f"{name}.kept").exists():
                (house.path / name).rmdir()
                (house.path / f"{name}.kept").rename(house.path / name)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["FAILED"] * 3, done.stdout + done.stderr
    assert all("df -h" in line for line in lines)
    house.failing |= wanted


def test_keys_kit_and_drill(house: House) -> None:
    first = house.document["defaults"]["encrypt"]["age"][:1]
    with house.changed(lambda document: document["defaults"]["encrypt"].update(age=first)):
        house.says("ATTENTION", "recovery", "second key", "one lost key")
        house.says("ATTENTION", "recovery", "recovery kit", "changed since")
    kit = house.path / "kit"
    with house.replaced(kit / "recover.sh", b"#!/bin/sh\n"):
        house.says("FAILED", "recovery", "recovery kit", "damaged: recover.sh")
    kit.rename(house.path / "lent")
    house.says("ATTENTION", "recovery", "recovery kit", "not mounted?")
    (house.path / "lent").rename(kit)
    with house.changed(lambda document: document.pop("drills")):
        house.says("ATTENTION", "recovery", "recovery kit", "names none")
    drilled(house)
    house.says("OK", "recovery", "drill", "total_loss passed")
    house.says("ATTENTION", "recovery", "drill", "every 35d", clock=Ahead(timedelta(days=40)))
    drilled(house, failure="the key did not open anything")
    house.says("FAILED", "recovery", "drill", "the key did not open anything")
    shutil.rmtree(house.path / "base" / "drills")


def drilled(house: House, failure: str = "") -> None:
    workspace, now = house.workspace(), SystemClock().now()
    identifier = f"{now:%Y%m%dT%H%M%SZ}-{'f' if failure else '0'}{secrets.token_hex(2)}"
    report = Report(
        id=identifier, scenario="total_loss", started_by="me", host="here", product="1", python="3", started_at=now,
        finished_at=now, disaster_at=now, stores=["far"], kit="kit", groups=[GroupResult(name="crm", sources=[])],
        failure=failure,
    )  # fmt: skip
    staging = house.path / "base" / "staging-of-the-test"
    keep_report(workspace.places, report, {}, signer_of(workspace.places), staging)
    shutil.rmtree(staging)


def test_the_ledger_and_who_watches(house: House) -> None:
    ledger = house.path / "base" / "ledger.sqlite"
    now = SystemClock().now()
    workspace = house.workspace()
    with workspace.ledger.session() as session:
        session.merge(Health(source="crm", at=now, watched_at=now, document="{}"))
    house.says("OK", "ledger", "watched")
    house.says("FAILED", "ledger", "watched", "the daemon has not run for 1h", clock=Ahead(timedelta(hours=1)))
    schema(ledger, "9999")
    house.says("FAILED", "ledger", "whole", "a newer version has used it")
    schema(ledger, HEAD)
    with closing(sqlite3.connect(ledger)) as opened:
        opened.execute("pragma wal_checkpoint(truncate)")
        [(page,)] = opened.execute("select rootpage from sqlite_master where name = 'ix_ops_activities_status'")
        [(size,)] = opened.execute("pragma page_size")
    whole = ledger.read_bytes()
    torn = whole[: (page - 1) * size] + bytes(size) + whole[page * size :]
    with house.replaced(ledger, torn):
        house.says("FAILED", "ledger", "whole", "damaged")
    house.says("OK", "ledger", "whole")


def schema(ledger: Path, version: str) -> None:
    with closing(sqlite3.connect(ledger)) as opened, opened:
        opened.execute("update alembic_version set version_num = ?", [version])


def test_alerts(house: House) -> None:
    with house.changed(lambda document: document["alerts"].clear()):
        house.says("ATTENTION", "alerts", "channels", "no alert is sent")
    house.says("OK", "alerts", "slack", sending=True)
    assert len(house.hook.bodies) == 1, "a message was really sent, and only because we asked for it"
    house.hook.answers.append(Answer(status=403, body="invalid_token"))
    house.says("FAILED", "alerts", "slack", sending=True)
    with house.replaced(house.path / "slack.url", b"not a url"):
        house.says("FAILED", "alerts", "slack")
    with house.workspace().ledger.session() as session:
        row: Outgoing = message_waits(session)
    found = house.says("FAILED", "alerts", "delivery", "1 messages wait")
    assert "no route to host" in found.answer.said
    with house.workspace().ledger.session() as session:
        session.delete(session.merge(row))


def test_one_question_that_hangs_and_one_that_breaks_stop_no_other(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # It takes the connection, and never says a word.
        url = f"postgresql://x:{secrets.token_hex(8)}@127.0.0.1:{silent.getsockname()[1]}/crm?connect_timeout=600"
        with house.replaced(house.path / "crm.url", url.encode()):
            questions = all_questions(Shared(house.workspace(), house.config))
            lines = {("crm", "rights"), ("docs", "rights"), ("store nas", "reachable")}
            asked = [
                dataclasses.replace(each, limit=timedelta(seconds=3))
                for each in questions
                if (each.subject, each.name) in lines
            ]

            def broken() -> object:
                raise RuntimeError(f"no error of ours, with {house.path.joinpath('restic.key').read_text()} in it")

            house.workspace().config.source("docs").password.reveal(purpose="test")  # type: ignore[union-attr]
            asked.append(Question("docs", "broken", broken, timedelta(seconds=3)))  # type: ignore[arg-type]
            asked.append(Question("docs", "last", lambda: well("asked")))
            found = {(each.subject, each.name): each.answer for each in ask_all(asked)}
    assert (found["crm", "rights"].state, found["crm", "rights"].said) == ("FAILED", "no answer within 3.0s")
    assert found["docs", "broken"].state == "FAILED" and "RuntimeError" in found["docs", "broken"].said
    assert (house.path / "restic.key").read_text() not in found["docs", "broken"].said
    assert {found[line].state for line in (("docs", "rights"), ("store nas", "reachable"), ("docs", "last"))} == {"OK"}


def test_leftovers(house: House) -> None:
    base = house.path / "base"
    half = base / "restore-points" / "crm" / "20260101T000000Z-abcd"
    half.mkdir()
    house.says("ATTENTION", "leftovers", "half restore points", half.name)
    half.rmdir()
    for line, left in {
        "scratch servers": base / "scratch" / "postgres-0a0b0c0d",
        "unfinished copies": house.path / "nas" / ".staging" / "20260101T000000Z-abcd",
        "open attempts": base / "outages" / "crm-0a0b0c0d",
    }.items():
        left.mkdir(parents=True)
        house.says("ATTENTION", "leftovers", line, left.name)
        assert left.exists(), "it only looked"
        left.rmdir()
        house.says("OK", "leftovers", line)
    with lease.owned_directory(base / "scratch" / "postgres-11112222"):
        house.says("OK", "leftovers", "scratch servers")
    workspace, former = house.workspace(), house.server.new_database()
    point = workspace.catalogue("crm").newest
    assert point is not None
    note_former(workspace.clock, workspace.places, "crm", [former], point.id)
    house.says("ATTENTION", "leftovers", "restore targets", former)
    house.server.sql(f"drop database {former}")
    house.says("OK", "leftovers", "restore targets")
    manifest = take_backup(workspace, "docs")
    house.says("OK", "leftovers", "snapshots")
    shutil.rmtree(base / "restore-points" / "docs" / manifest.id)
    house.says("ATTENTION", "leftovers", "snapshots", "snapshot")
    with workspace.locks.held("docs", doing="a run"):
        house.says("ATTENTION", "leftovers", "snapshots", "under way")
    sweep(workspace, dry_run=False)
    house.says("OK", "leftovers", "snapshots")
