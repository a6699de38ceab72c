"""Every corruption of a backup of MySQL ends as the detection matrix says."""

import pytest

from tests.faults.tries import long_run
from tests.matrix.case import Case
from tests.matrix.every import played
from tests.matrix.rig import Rig, observe


@pytest.mark.parametrize("case", played("mysqld")[:: 1 if long_run() else 3], ids=lambda case: case.name)
@pytest.mark.daily(10)
def test_a_corruption_ends_as_the_matrix_says(mysqld_rig: Rig, case: Case) -> None:
    assert observe(mysqld_rig, case) == case.expected
