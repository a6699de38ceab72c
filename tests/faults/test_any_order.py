"""Backups, copies, proofs, prunes, kills, damage and deletion behind our back, in any order."""

import os

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.life import Life
from tests.faults.tally import note
from tests.faults.tries import tries


def test_a_house_lives_through_anything_in_any_order(request: pytest.FixtureRequest) -> None:
    seed = os.environ.get("OPS_FAULTS_SEED") or "1"

    class Here(Life):
        def teardown(self) -> None:
            try:
                super().teardown()
            finally:
                note(self.tried)

    Here.request = request
    settings = hypothesis.settings(
        max_examples=tries(3), stateful_step_count=8, phases=[hypothesis.Phase.generate], deadline=None,
        database=None, print_blob=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(hypothesis.seed(int(seed))(Here), settings=settings)
