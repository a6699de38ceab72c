"""`ops doctor` as it is typed: lines for people, a document, a line for Nagios, exit statuses."""

import json
import re

import pytest
from typer.testing import CliRunner, Result

from ops_pipelines.cli.main import app
from tests.doctor.conftest import House

PERFDATA = re.compile(r"'[^'=]+'=-?[0-9.e+-]+(s|B)?(;[0-9.e+-]*){0,2}")


def typed(house: House, *words: str, expect: int) -> Result:
    done = CliRunner().invoke(app, ["doctor", "--config", str(house.config), *words])
    assert done.exit_code == expect, done.output
    return done


def test_people_read_one_line_for_each_question_and_what_to_do(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house.path)
    shown = typed(house, expect=1).output
    assert re.search(r"^crm$", shown, re.MULTILINE)
    assert re.search(r"^  OK +rights +may read everything that is dumped$", shown, re.MULTILINE)
    assert re.search(r"^  ATTENTION +drill .*\n +→ ops drill total_loss$", shown, re.MULTILINE)
    *_answers, counted, _empty, after = shown.splitlines()
    assert re.search(r"^\d+ OK, [1-9]\d* ATTENTION, 0 FAILED$", counted)
    assert after == "next: ops up", "nothing runs by itself yet"
    quiet = typed(house, "--quiet", expect=1).output
    assert "OK  " not in quiet and quiet.splitlines()[-3:] == [counted, "", after]
    one = typed(house, "docs", expect=0).output
    assert "\ndocs\n" in one and "\ncrm\n" not in one and one.endswith("0 FAILED\n")


def test_machines_read_a_document_and_nagios_a_line(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with house.replaced(house.path / "restic.key", None):
        document = json.loads(typed(house, "--json", expect=2).stdout)
    assert (document["version"], document["state"], document["ok"]) == (1, "FAILED", False)
    wrong = {(each["subject"], each["question"]): each for each in document["answers"] if each["state"] == "FAILED"}
    assert ("configuration", "secrets") in wrong and ("docs", "key") not in wrong, "parts need no restic password"
    assert all(each["fix"] for each in wrong.values())
    line = typed(house, "--nagios", expect=1).stdout
    assert line.count("\n") == 1 and line.startswith("OPS WARNING - ")
    said, numbers = line.rstrip().split(" | ")
    assert "recovery drill" in said
    assert all(PERFDATA.fullmatch(each) for each in numbers.split()), numbers
    assert "'crm_recovery_point'=" in numbers and ";72000;86400" in numbers


def test_a_file_that_is_no_configuration_is_the_only_answer(house: House) -> None:
    with house.changed(lambda document: document["sources"]["crm"].update(rop="24h")):
        document = json.loads(typed(house, "--json", expect=2).stdout)
    [only] = document["answers"]
    assert (only["question"], only["state"]) == ("ops.yaml", "FAILED") and "rop" in only["said"]
    assert "no source is called" in typed(house, "nobody", expect=2).output


def test_sweeping_is_a_command_with_a_rehearsal(house: House) -> None:
    left = house.path / "base" / "scratch" / "mysql-0a0b0c0d"
    left.mkdir(parents=True)
    assert f"would remove  {left}" in typed(house, "--sweep", "--dry-run", expect=0).output
    assert left.exists()
    document = json.loads(typed(house, "--sweep", "--json", expect=0).stdout)
    assert (document["removed"], document["left"], left.exists()) == ([str(left)], [], False)
    assert "belongs to --sweep" in typed(house, "--dry-run", expect=2).output
