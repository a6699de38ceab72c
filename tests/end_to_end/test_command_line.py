"""The commands as a user types them: what they print, what they return, what they refuse."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ops_pipelines.cli.main import app
from ops_pipelines.engines.postgres.connection import Server
from tests.cli.test_junit import read as read_junit
from tests.end_to_end.conftest import Shell
from tests.sample import execute, flip_byte, write_config


def test_from_a_checked_file_to_a_restored_backup(shell: Shell, crm: Server) -> None:
    assert "every 6h 00m" in shell.ops("check")
    assert "never backed up" in shell.ops("status", expect=2)

    assert re.search(r"✓ crm: \S+ verified from nas, ", shell.ops("backup"))

    (health,) = shell.json("status")["sources"]
    assert (health["state"], health["restore_points"], health["verified"]) == ("OK", 1, 1)
    assert [copy["store"] for copy in health["copies"]] == ["local", "nas"]
    (point,) = shell.json("list", "crm")["crm"]["restore_points"]
    assert (point["id"], point["stores"], point["contents"]["rows"]) == (health["newest"], ["local", "nas"], 2050)

    assert "verified from local" in shell.ops("verify", "crm", "--from", "local")
    try:
        printed = shell.ops("restore", "crm", "--to", "crm_restored", "--from", "nas")
        assert "verified: crm_restored restored from nas" in printed
        assert "2050 rows in 2 tables" in printed
        again = shell.ops("restore", "crm", "--to", "crm_restored", expect=3)
        assert "exists and holds" in again and "safe: nothing was changed" in again
    finally:
        execute(crm.at(dbname="postgres"), "drop database if exists crm_restored")
    assert (shell.folder / "base" / "reports" / "latest.md").is_file()


def test_restoring_onto_the_source_itself_is_refused(shell: Shell, crm: Server) -> None:
    shell.ops("backup", "--no-verify")
    (point,) = shell.json("list")["crm"]["restore_points"]
    for target in ("crm", crm.url()):
        refused = shell.json("restore", "crm", "--to", target, "--backup", point["id"], expect=3)
        assert refused["error"] == "SafetyRefusal"
        assert refused["what"].endswith("is the source crm")


def test_restoring_onto_another_source_is_refused_even_when_it_is_empty(shell: Shell, crm: Server) -> None:
    execute(crm.at(dbname="postgres"), "create database hotel")
    try:
        write_config(shell.folder, crm, source="  hotel: {kind: postgres, url: {file: hotel.url}}")
        (shell.folder / "hotel.url").write_text(crm.at(dbname="hotel").url(), encoding="utf-8")
        shell.ops("backup", "crm")
        assert "hotel is the source hotel" in shell.ops("restore", "crm", "--to", "hotel", expect=3)
    finally:
        execute(crm.at(dbname="postgres"), "drop database hotel")


def test_an_unverified_backup_is_not_restored_unless_named(shell: Shell) -> None:
    shell.ops("backup", "--no-verify")
    printed = shell.ops("restore", "crm", "--to", "crm_x", expect=2)
    assert "crm has no verified restore point" in printed


def test_a_flipped_byte_is_a_bad_backup_with_a_named_reason(shell: Shell) -> None:
    shell.ops("backup")
    (part,) = (shell.folder / "nas").glob("crm/*/dump.pgc.zst.age")
    flip_byte(part)
    printed = shell.ops("verify", "--junit", "verify.xml", expect=2)
    assert "is BAD: checksum: dump.pgc.zst.age" in printed
    (crm,) = read_junit(shell.folder / "verify.xml")
    faults = {case.attrib["name"]: case.find("failure") for case in crm}
    fault = faults["checksum"]
    assert fault is not None and fault.attrib["message"].startswith("dump.pgc.zst.age")
    printed = shell.ops("status", expect=2)
    assert "FAIL" in printed and "next: ops copy crm --to nas" in printed
    shell.ops("copy", "crm", "--to", "nas")
    assert "verified from nas" in shell.ops("verify", "--junit", "verify.xml")
    (crm,) = read_junit(shell.folder / "verify.xml")
    assert {"verify", "checksum", "rows"} <= {case.attrib["name"] for case in crm}
    assert not list(crm.iter("failure"))
    assert "OK" in shell.ops("status")


def test_status_list_and_restore_work_when_dagster_is_gone(shell: Shell, crm: Server) -> None:
    shell.ops("backup")
    for path in (shell.folder / "dagster.yaml", shell.folder / "base" / "ledger.sqlite"):
        path.unlink()
    shell.ops("status")
    shell.ops("list")
    try:
        assert "Dagster" not in shell.ops("restore", "crm", "--to", "crm_restored")
        (shell.folder / "dagster.yaml").write_text("storage: {mysql: nonsense}\n", encoding="utf-8")
        broken = shell.ops("restore", "crm", "--to", "crm_restored_too")
        assert "verified: crm_restored_too restored" in broken and "Dagster's UI does not show this: " in broken
    finally:
        for name in ("crm_restored", "crm_restored_too"):
            execute(crm.at(dbname="postgres"), f"drop database if exists {name}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("    rpo: tomorrow", r"ops.yaml:\d\d: sources.crm.rpo: a duration such as 24h"),
        ("    urls: x", r"sources.crm.urls: unknown key; did you mean 'url'\?"),
        ("    rpo: 6h", r"sources.crm.rpo: .* after one missed run"),
        ("    checks: [", r"ops.yaml:\d+: the file: not valid YAML"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(shell: Shell, crm: Server, line: str, message: str) -> None:
    write_config(shell.folder, crm, source=line)
    for command in ("check", "status", "backup"):
        assert re.search(message, shell.ops(command, expect=2))
    assert not (shell.folder / "base").exists()


def test_a_wrong_password_fails_clearly_and_keeps_what_is_there(shell: Shell, crm: Server) -> None:
    shell.ops("backup")
    before = shell.json("list")
    (shell.folder / "crm.url").write_text(crm.at(password="canary-wrong").url(), encoding="utf-8")
    printed = shell.ops("backup", expect=2)
    assert "password authentication failed" in printed
    assert "canary-wrong" not in printed
    assert shell.json("list") == before


def test_a_server_that_is_down_fails_clearly(shell: Shell, tmp_path: Path) -> None:
    (shell.folder / "crm.url").write_text("postgresql://ops@127.0.0.1:1/crm", encoding="utf-8")
    printed = shell.ops("backup", expect=2)
    assert "cannot be opened" in printed and "refused" in printed
    assert "next: check that the server runs" in printed


def test_an_unknown_source_names_the_known_ones(shell: Shell) -> None:
    for command in (("backup", "cmr"), ("verify", "cmr"), ("list", "cmr"), ("restore", "cmr", "--to", "x")):
        assert "ops.yaml has: crm" in shell.ops(*command, expect=2)


def test_every_command_explains_itself_with_an_example() -> None:
    found = dict(commands(get_command(app)))
    assert {"check", "backup", "verify", "restore", "alerts ack"} <= set(found)
    assert [name for name, command in found.items() if "Example: ops " not in (command.help or "")] == []


def commands(group: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that can be typed, with its name."""
    if not (below := getattr(group, "commands", {})):
        yield name.strip(), group
    for word, command in below.items():
        yield from commands(command, f"{name} {word}")
