"""What a restore brought back is judged: each difference has a name, each answer an expectation."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from ops_pipelines.engines.base import Contents, TableFacts
from ops_pipelines.errors import SourceError
from ops_pipelines.recovery.assertions import run_check
from ops_pipelines.recovery.compare import compare
from ops_pipelines.settings.checks import SqlCheck

AS_OF = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
HELD = Contents(
    level="full",
    objects={"table public.a": "d1", "index public.a_pkey": "d2", "view public.v": "d3"},
    tables={"public.a": TableFacts(rows=3, digest="x"), "public.b": TableFacts(rows=0, digest="0")},
    counters={"public.a_id_seq": 3},
)

A_ROW_LESS = {**HELD.tables, "public.a": TableFacts(rows=2, digest="y")}
OTHER_ROWS = {**HELD.tables, "public.a": TableFacts(rows=3, digest="y")}


def failed(restored: Contents, held: Contents = HELD) -> Mapping[str, str]:
    return {check.name: check.detail for check in compare(held, restored) if not check.passed}


def changed(**changes: Any) -> Contents:
    return HELD.model_copy(update=changes)


def test_the_same_contents_pass_every_assertion() -> None:
    checks = compare(HELD, HELD)
    assert [check.name for check in checks] == ["schema", "rows", "counters", "content"]
    assert all(check.passed for check in checks)


@pytest.mark.parametrize(
    ("restored", "name", "detail"),
    [
        (changed(objects={**HELD.objects, "view public.v": "other"}), "schema", "view public.v is defined differently"),
        (changed(objects={"table public.a": "d1", "view public.v": "d3"}), "schema", "index public.a_pkey is missing"),
        (changed(objects={**HELD.objects, "table public.z": "d"}), "schema", "table public.z was not in the source"),
        (changed(tables=A_ROW_LESS), "rows", "public.a has 2 rows, the source had 3"),
        (changed(tables={"public.b": HELD.tables["public.b"]}), "rows", "public.a is missing (3 rows)"),
        (changed(tables=OTHER_ROWS), "content", "public.a has different content in its 3 rows"),
        (changed(counters={"public.a_id_seq": 2}), "counters", "public.a_id_seq stands at 2, the source was at 3"),
        (changed(counters={}), "counters", "public.a_id_seq stands at None, the source was at 3"),
    ],
)  # fmt: skip
def test_a_difference_is_named(restored: Contents, name: str, detail: str) -> None:
    assert failed(restored) == {name: detail}


def test_a_definition_that_reads_like_the_restored_one_after_a_reload_is_the_same() -> None:
    restored = changed(objects={**HELD.objects, "view public.v": "printed anew", "index public.a_pkey": "other"})
    asked: list[Mapping[str, str]] = []

    def reload(definitions: Mapping[str, str]) -> Mapping[str, str]:
        asked.append(definitions)
        return {"view public.v": "printed anew", "index public.a_pkey": "d2 again"}

    failures = {check.name: check.detail for check in compare(HELD, restored, reload) if not check.passed}
    assert failures == {"schema": "index public.a_pkey is defined differently"}
    assert asked == [{"view public.v": "d3", "index public.a_pkey": "d2"}]


def test_equal_definitions_are_loaded_by_nobody() -> None:
    def reload(definitions: Mapping[str, str]) -> Mapping[str, str]:
        raise AssertionError(definitions)

    assert all(check.passed for check in compare(HELD, HELD, reload))


def test_a_table_the_source_never_had_is_a_difference() -> None:
    assert failed(changed(tables={**HELD.tables, "public.z": TableFacts(rows=9, digest="z")})) == {
        "rows": "public.z was not in the source (9 rows)"
    }


def test_a_sequence_may_be_ahead() -> None:
    assert failed(changed(counters={"public.a_id_seq": 40})) == {}


def test_many_differences_are_counted_not_listed() -> None:
    held = changed(objects={f"table t{number:02}": "d" for number in range(12)})
    assert failed(changed(objects={}), held)["schema"].endswith("table t04 is missing … and 7 more")


def test_a_fingerprint_of_counts_says_nothing_about_content() -> None:
    held = changed(level="counts", tables={"public.a": TableFacts(rows=3)})
    assert [check.name for check in compare(held, held)] == ["schema", "rows", "counters"]
    assert compare(changed(level="off"), HELD) == []


def test_a_digest_that_could_not_be_taken_again_is_a_difference() -> None:
    restored = changed(tables={**HELD.tables, "public.a": TableFacts(rows=3, digest=None)})
    assert "content" in failed(restored)


class Answers:
    """A restored database that knows one answer."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def ask(self, target: str, question: str) -> object:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def judged(answer: object, **expectation: Any) -> tuple[bool, str]:
    check = SqlCheck(name="c", sql="select 1", **expectation)
    found = run_check(Answers(answer), "target", check, as_of=AS_OF)  # type: ignore[arg-type]
    assert found.name == "check c"
    return found.passed, found.detail


@pytest.mark.parametrize(
    ("answer", "expectation"),
    [
        (1, {"min": 1}), (1, {"max": 1}), (Decimal("2.5"), {"min": 2.5, "max": 2.5}), (0.5, {"min": 0, "max": 1}),
        (3, {"equals": 3}), (Decimal("3.0"), {"equals": 3}), ("abc", {"equals": "abc"}), (True, {"equals": True}),
        (2**53 + 1, {"min": 2**53}), (False, {"equals": False}), (0, {"equals": 0}),
        (AS_OF, {"max_age": "0.001s"}), (AS_OF - timedelta(hours=48), {"max_age": "48h"}),
        (AS_OF + timedelta(minutes=5), {"max_age": "1h"}), (date(2026, 11, 21), {"max_age": "12h"}),
        (datetime(2026, 11, 21, 11), {"max_age": "1h"}),
        (datetime(2026, 11, 21, 12, tzinfo=timezone(timedelta(hours=1))), {"max_age": "1h"}),
    ],
)  # fmt: skip
def test_an_answer_that_will_do(answer: object, expectation: dict[str, Any]) -> None:
    assert judged(answer, **expectation) == (True, f"{answer}")


@pytest.mark.parametrize(
    ("answer", "expectation", "detail"),
    [
        (0, {"min": 1}, "0, expected at least 1"),
        (2, {"max": 1}, "2, expected at most 1"),
        (Decimal("1.5"), {"min": 2}, "1.5, expected at least 2"),
        (Decimal("NaN"), {"min": 2}, "NaN, expected at least 2"),
        (float("nan"), {"max": 2}, "nan, expected at most 2"),
        (4, {"equals": 3}, "4, expected 3"),
        ("abd", {"equals": "abc"}, "abd, expected abc"),
        (False, {"equals": True}, "False, expected True"),
        (None, {"min": 1}, "the query returned nothing"),
        (None, {"equals": "None"}, "the query returned nothing"),
        ("many", {"min": 1}, "'many' is not a number"),
        (AS_OF - timedelta(hours=49), {"max_age": "48h"}, "2026-11-19 11:00:00+00:00 was 2d 1h old, more than 2d 0h"),
        (date(2026, 11, 1), {"max_age": "48h"}, "2026-11-01 was 20d 12h old, more than 2d 0h"),
        ("2026-11-21", {"max_age": "48h"}, "'2026-11-21' is not a time"),
        (7, {"max_age": "48h"}, "7 is not a time"),
        (SourceError("x", why="relation t does not exist"), {"min": 1}, "relation t does not exist"),
    ],
)  # fmt: skip
def test_an_answer_that_will_not_do_says_why(answer: object, expectation: dict[str, Any], detail: str) -> None:
    assert judged(answer, **expectation) == (False, detail)


def test_a_huge_number_is_told_in_full() -> None:
    assert judged(1, min=12345678) == (False, "1, expected at least 12345678")


def test_an_upgrade_that_describes_objects_differently_condemns_no_backup() -> None:
    held = Contents(level="counts", dialect="postgres 1", objects={"table t": "a"})
    checks = {check.name: check for check in compare(held, Contents(level="counts", dialect="postgres 2"))}
    assert checks["schema"].passed
    assert checks["schema"].detail.startswith("not compared: recorded as 'postgres 1'")


@pytest.mark.parametrize("blind", ["held", "restored"])
def test_kinds_that_were_not_looked_at_are_no_difference_and_not_called_equal(blind: str) -> None:
    more = changed(objects={**HELD.objects, "user u": "d4"})
    less = changed(unseen=("user",))
    held, restored = (less, more) if blind == "held" else (more, less)
    assert failed(restored, held) == {}
    [schema] = [check.detail for check in compare(held, restored) if check.name == "schema"]
    assert schema.startswith("3 objects unchanged")
    assert ("1 (user) not compared" in schema) == (blind == "restored")
    assert "user u" in failed(changed(), more)["schema"]
