"""The published detection matrix tells what the other files of this folder saw: each corruption ended as expected."""

import os
from pathlib import Path

from tests.matrix.every import CASES
from tests.matrix.page import page

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "detection-matrix.md"


def test_the_published_matrix_is_what_was_seen() -> None:
    made = page(CASES)
    if os.environ.get("OPS_WRITE_MATRIX"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made


def test_other_pages_give_the_figures_of_the_matrix() -> None:
    caught, made = sum(case.expected.caught for case in CASES), len(CASES)
    assert f"{caught} of {made} corruptions caught" in (REPOSITORY / "README.md").read_text("utf-8")
    explained = REPOSITORY / "docs" / "explanation" / "what-verification-proves.md"
    assert f"{made} deliberate corruptions" in explained.read_text("utf-8")


def test_what_is_not_caught_says_why() -> None:
    assert [case.name for case in CASES if not case.expected.caught and not case.why] == []
    assert [case.name for case in CASES if case.expected.caught and case.why] == []


def test_no_two_cases_have_the_same_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
