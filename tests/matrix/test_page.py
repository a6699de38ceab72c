"""The published detection matrix tells what this run saw."""

import os
from pathlib import Path

import pytest

from tests.matrix.conftest import Matrix
from tests.matrix.every import CASES
from tests.matrix.page import page

PAGE = Path(__file__).parents[2] / "docs" / "detection-matrix.md"


@pytest.mark.timeout(1800)
def test_the_published_matrix_is_what_was_seen(matrix: Matrix) -> None:
    made = page(CASES, matrix.seen)
    if os.environ.get("OPS_WRITE_MATRIX"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made


def test_what_is_not_caught_says_why() -> None:
    assert [case.name for case in CASES if not case.expected.caught and not case.why] == []
    assert [case.name for case in CASES if case.expected.caught and case.why] == []


def test_no_two_cases_have_the_same_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
