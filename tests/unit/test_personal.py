"""A report says that a check failed, and not whose mail address made it fail."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ops_pipelines.personal import masked
from ops_pipelines.recovery.assertions import run_check, run_program
from ops_pipelines.settings.checks import CommandCheck, SqlCheck
from tests.unit.conftest import Load
from tests.unit.vaults import AT

PERSONAL = (
    "jan.novak@example.com", "o'brien+x@mail.example.co.uk", "žofie@příklad.cz", "+420 777 123 456",
    "+1 (555) 123-4567", "00420777123456", "777 123 456", "555-123-4567", "(02) 1234 5678",
    "CZ65 0800 0000 1920 0014 5399", "DE89370400440532013000", "4111 1111 1111 1111", "5500005555555559",
    "192.0.2.17", "2001:db8::17", "::1",
)  # fmt: skip
NOT_PERSONAL = (
    "0", "123456789", "4111111111111112", "2026-11-29 10:22:33", "2026-11-29T10:22:33+01:00", "12:30:45", "10.11.19",
    "PostgreSQL 15.20 on x86_64", "20261121T020000Z-7f3a", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "1,234,567",
    "99.5 %", "expected at least 10", "public.orders: 3 rows", "a1b2c3d4e5f60718293a4b5c6d7e8f90", "1234.567.890",
    "user@localhost", "GB00 WEST 1234 5698 7654 32", "sha256:0123456789", "::", "5 days, 3:04:05",
)  # fmt: skip


@pytest.mark.parametrize("said", PERSONAL)
def test_what_has_the_form_of_personal_data_is_masked(said: str) -> None:
    shown = masked(f"row: {said}, twice ({said})")
    assert not any(piece in shown for piece in (said, said[:6], said[-6:]))
    assert (shown[:5], shown[-1]) == ("row: ", ")")


@pytest.mark.parametrize("said", NOT_PERSONAL)
def test_figures_dates_and_names_stay(said: str) -> None:
    assert masked(f"found {said}, as before") == f"found {said}, as before"


def test_the_answer_of_a_question_is_masked_unless_told_otherwise(load: Load, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.sqlite3")) as made:
        made.executescript(
            "create table t (mail text, n integer); insert into t values ('jan@example.com', 5500005555555559)"
        )
    config = load(f"sources: {{app: {{kind: sqlite, paths: [{tmp_path}/app.sqlite3]}}}}")
    engine = config.sources["app"].engine("app")

    def said(sql: str, **more: object) -> str:
        check = SqlCheck.model_validate({"name": "who", "sql": sql, "equals": "nobody", **more})
        return run_check(engine, f"file://{tmp_path}", check, as_of=AT).detail

    assert said("select mail from t") == "•••@•••, expected nobody"
    assert said("select mail from t", mask=False) == "jan@example.com, expected nobody"
    assert said("select n from t", equals=0) == "5500005555555559, expected 0"  # a figure is no card
    assert "jan" not in said("select 'jan@example.com' from nowhere where mail = 'jan@example.com'")


def test_a_command_that_prints_a_row_prints_it_masked_unless_told_otherwise() -> None:
    row = "jan.novak@example.com has no order, call +420 777 123 456"
    for status in (0, 1):
        command = ("sh", "-c", f"echo '{row}'; echo '{row}' >&2; exit {status}")
        for mask, seen in ((True, False), (False, True)):
            check = CommandCheck(name="rows", command=command, mask=mask)
            found = run_program(check, "nowhere")
            assert found.passed is (status == 0)
            assert ("novak" in found.detail, "777 123" in found.detail) == (seen, seen)
            assert "has no order" in found.detail
