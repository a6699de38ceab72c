"""Every corruption is caught by the check that the detection matrix names, or is not caught, as it says."""

from typing import Literal

import pytest

from tests.matrix.case import NOT_CAUGHT, Act, Case
from tests.matrix.conftest import Matrix
from tests.matrix.every import CASES, ENGINES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_corruption_ends_as_the_matrix_says(matrix: Matrix, case: Case) -> None:
    assert matrix.seen(case) == case.expected


def _nothing(given: object) -> None:
    pass


CONTROLS: dict[str, tuple[Literal["stored", "restored", "source"], Act]] = {
    "the bytes as they are": ("stored", _nothing),
    "the restore as it is": ("restored", _nothing),
    "the source as it is": ("source", _nothing),
    "a dump program that tells the truth": ("source", lambda given: given.lie('exec "$REAL" "$@"')),
}


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("engine", ENGINES)
def test_where_nothing_is_corrupted_nothing_is_caught(matrix: Matrix, engine: str, control: str) -> None:
    where, act = CONTROLS[control]
    if engine == "mongodb" and "program" in control:
        pytest.skip("it dumps without a program")
    assert matrix.seen(Case(engine, where, control, (act,), NOT_CAUGHT)) == NOT_CAUGHT
