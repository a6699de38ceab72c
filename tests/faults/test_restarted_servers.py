"""A server that dies in the middle of a dump and comes back: the attempt failed and says why, and the next is well."""

import pytest

from ops_pipelines.errors import OpsError
from tests.faults.aftermath import aftermath, standing
from tests.faults.conftest import meanwhile
from tests.faults.network import backup, network, next_run
from tests.faults.restarts import restartable
from tests.faults.tries import chance, tries

_BECAUSE = {
    "postgres": ("terminat", "closed", "shutdown", "abnormally", "connection", "recovery"),
    "mysql": ("lost connection", "gone away", "2013", "2006", "connect"),
    "mongodb": ("connection", "closed", "refused", "reset"),
}


@pytest.mark.parametrize("engine", ["postgres", "mysql", "mongodb"])
def test_a_server_that_is_killed_in_mid_dump_and_comes_back_fails_that_attempt_alone(engine: str) -> None:
    dice = chance(f"restart {engine}")
    with restartable(engine) as (own, house), network(house) as between:
        house.write()  # limits that are far: it is the server that ends it
        next_run(house)
        whole = between.answered_bytes
        for _ in range(tries(1)):
            before, last = standing(house), house.workspace().ledger.recent(limit=1)[0].id
            at = dice.randrange(whole // 2)
            between.suffer("slow", after_bytes=at)  # so that it is in the middle of it
            errors: list[OpsError | None] = []
            with meanwhile(lambda errors=errors: errors.append(backup(house, between))):
                assert between.met.wait(60)
                own.restart(house)
                between.heal()
            [error] = errors
            told = f"after {at} of {whole} bytes: {error}"
            if error is None:
                # Between two collections nothing of it is held in the server: the driver comes back by itself.
                assert engine == "mongodb", told
            else:
                assert error.next and error.safe, told
                assert any(each in f"{error.what} {error.why}".lower() for each in _BECAUSE[engine]), told
            attempt = house.workspace().ledger.recent(limit=1)[0]
            assert (attempt.id != last, attempt.status) == (True, "failed" if error else "succeeded"), told
            aftermath(
                house, before, kind="server restart", swept=False,
                alert="[OPS] FAIL crm: dump failed" if error else "", again=next_run,
            )  # fmt: skip
