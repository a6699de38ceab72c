"""Every corruption of a backup of folders ends as the detection matrix says."""

import pytest

from tests.matrix.case import Case
from tests.matrix.every import played
from tests.matrix.rig import Rig, observe


@pytest.mark.parametrize("case", played("files"), ids=lambda case: case.name)
@pytest.mark.daily(40)
def test_a_corruption_ends_as_the_matrix_says(files_rig: Rig, case: Case) -> None:
    assert observe(files_rig, case) == case.expected
