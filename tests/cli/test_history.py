"""`ops history`: what a user reads of a source's days, with colours and without, in any encoding."""

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from typer.testing import CliRunner

from ops_pipelines.cli import strips
from ops_pipelines.cli.main import app
from ops_pipelines.watch.history import Day
from tests.cli.conftest import Month

OPS = str(Path(sys.executable).with_name("ops"))


def ops(*words: str, **env: str) -> str:
    """What `ops history` prints into a pipe."""
    done = subprocess.run([OPS, "history", *words], capture_output=True, env={**os.environ, **env}, check=True)
    return done.stdout.decode(env.get("PYTHONIOENCODING", "utf-8"))


def test_each_day_has_a_sign_and_a_bar_and_the_promise_is_told(month: Month) -> None:
    for days in (29, 4, 3, 0):
        month.backed_up(days * 24 + 0.01, size=1000 * (30 - days))
    month.failed(2 * 24)
    month.backed_up(24.01, outcome="bad")
    said = ops("crm")
    first, today = (month.now - timedelta(days=29)).date(), month.now.date()
    days, sizes = f"{first} ✓{'·' * 24}✓✓✗!✓ {today}", f"size       ▁{' ' * 24}▇▇ ▁█"
    assert days in said and sizes in said
    assert "RPO of 1d 0h: kept " in said and "the recovery point was up to 25d " in said
    assert "restored and compared" in said and "dumped and copied" not in said, "signs that are not there"
    assert re.search(r"20\d{6}T\d{6}Z-\S{4}  29.3 KiB  5.0s +20s +local, nas  verified", said)
    assert "\x1b" not in said


def test_without_unicode_every_sign_is_a_letter_of_its_own(month: Month) -> None:
    month.backed_up(24)
    month.failed(48)
    said = ops("--days", "5", "--newest", "0", PYTHONIOENCODING="ascii")
    assert re.search(r" \.\.xv\. ", said) and said.isascii()
    plain = [sign.plain for sign in strips.SIGNS.values()]
    assert len(set(plain)) == len({sign.shown for sign in strips.SIGNS.values()}) == len(plain)


def test_a_long_time_is_cut_into_lines_that_fit_and_end_with_today(month: Month) -> None:
    month.backed_up(1)
    said = ops("--days", "130", "--newest", "0")
    rows = [line for line in said.splitlines() if "·" in line and line.startswith("  20")]
    assert [line.count("·") + line.count("✓") for line in rows] == [30, 50, 50]
    assert rows[-1].endswith(str(month.now.date())) and max(map(len, rows)) < 80


def test_the_document_has_days_breaches_and_restore_points(month: Month) -> None:
    old, new = month.backed_up(40), month.backed_up(2)
    done = CliRunner().invoke(app, ["history", "--json", "--days", "3"])
    (crm,) = json.loads(done.stdout)["sources"]
    assert [each["id"] for each in crm["restore_points"]] == [new, old]
    assert crm["restore_points"][0]["proof"] == "verified" and crm["restore_points"][0]["stores"] == ["local", "nas"]
    (begins, breach) = crm["rpo_breaches"]
    assert begins["to"] is not None and breach["to"] is not None
    assert 0 < crm["rpo_kept"] < 1
    assert sum(ended["attempts"] for day in crm["days"] for ended in day["ended"]) == 6


def test_a_source_that_is_not_configured_is_named(month: Month) -> None:
    done = CliRunner().invoke(app, ["history", "crn"])
    assert done.exit_code == 2 and "crn" in done.output


def test_equal_values_have_bars_of_one_height_and_what_is_too_slow_is_red(month: Month) -> None:
    days = [Day(month.now.date() - timedelta(days=back), {}) for back in (2, 1, 0)]
    same = strips.bars_text(days, {each.day: 4.0 for each in days}, unicode=True)
    assert same.count("▄") == 3
    slow = strips.bars_text(days, {days[0].day: 10.0, days[2].day: 70.0}, unicode=False, most=60)
    assert slow == "[cyan]_[/] [red]#[/]"
