"""A network that is cut, stands still or crawls, at any byte of a dump: it ends in time and leaves nothing."""

import pytest

from tests.faults.aftermath import aftermath, standing
from tests.faults.conftest import MakeHouse
from tests.faults.network import backup, network, next_run
from tests.faults.tries import chance, tries
from tests.servers.between import TROUBLES, Trouble

_FIRST_WORDS = 8000
"""Greeting, password, settings: what a connection is made of, and where nobody may wait without end either."""


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("engine", ["postgres", "mysql", "mongodb"])
@pytest.mark.daily(8)
def test_a_network_in_trouble_ends_a_backup_in_time_and_leaves_nothing(
    engine: str, trouble: Trouble, make_house: MakeHouse
) -> None:
    house, dice = make_house(engine), chance(f"{trouble} {engine}")
    with network(house) as between:
        next_run(house)
        whole = between.answered_bytes
        for _ in range(tries(1)):
            before = standing(house)
            at = dice.randrange(whole if dice.random() < 0.7 else _FIRST_WORDS)
            between.suffer(trouble, after_bytes=at)
            error = backup(house, between)
            hit = between.met.is_set()
            between.heal()
            told = f"{trouble} after {at} of {whole} bytes: {error}"
            if error is not None:
                assert error.safe and error.next, told
                if trouble in ("stall", "slow", "half-open"):
                    assert "(limits." in f"{error.what} {error.why}" and "limits." in error.next, told
            aftermath(
                house, before, kind=f"network: {trouble}", hit=hit, swept=False,
                alert="[OPS] FAIL crm: dump failed" if error else "", again=next_run,
            )  # fmt: skip
