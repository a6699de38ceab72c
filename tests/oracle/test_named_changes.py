"""Of the named changes that would make a verdict a lie, the cheap ones are caught; `make mutants` tries all."""

import pytest

from tests.faults.tries import long_run
from tools.mutants import tree
from tools.mutants.__main__ import tried
from tools.mutants.named import CHANGES


@pytest.mark.skipif(
    not long_run(), reason="each of the tests that it leans on runs by itself; make faults and make mutants"
)
@pytest.mark.timeout(1200)
def test_each_is_caught_by_the_test_that_was_written_for_it() -> None:
    cheap = [change for change in CHANGES if not any("power_cut" in test for test in change.tests)]
    assert len(cheap) >= 8
    with tree.copied() as copy, tree.Tests(copy) as tests:
        whole = tests.run(sorted({test for change in cheap for test in change.tests}), limit_s=600)
        assert not whole.failed, f"these fail without any change: {whole.said}"
        assert [change.says for change in cheap if not tried(change, copy, tests).failed] == []
