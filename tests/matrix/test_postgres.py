"""Every corruption of a backup of PostgreSQL ends as the detection matrix says."""

import pytest

from tests.matrix.case import Case
from tests.matrix.every import played
from tests.matrix.rig import Rig, observe


@pytest.mark.parametrize("case", played("postgres"), ids=lambda case: case.name)
@pytest.mark.daily(48)
def test_a_corruption_ends_as_the_matrix_says(postgres_rig: Rig, case: Case) -> None:
    assert observe(postgres_rig, case) == case.expected
