"""A network in trouble between us and a bucket: the copy ends in time, and half of it is never listed."""

import secrets

import pytest

from ops_pipelines.backup.copies import copy_to
from tests.faults.aftermath import aftermath, back_up, standing
from tests.faults.conftest import MakeHouse
from tests.faults.house import House
from tests.faults.network import ended
from tests.faults.tries import chance, long_run, tries
from tests.servers.between import TROUBLES, Trouble, between
from tests.stores.conftest import moto, new_bucket  # noqa: F401 (a fixture)

# Half a minute each, most of it waiting for limits.
pytestmark = pytest.mark.skipif(not long_run(), reason="make faults plays it")


def with_bucket(house: House, endpoint: str, through: str) -> None:
    """Let the house copy, impatiently, into a bucket that it reaches by another address."""
    bucket = new_bucket(endpoint, "moto-access", secrets.token_hex(16))
    (house.path / "s3.secret").touch(mode=0o600)
    (house.path / "s3.secret").write_text(bucket.secret_key, encoding="utf-8")
    keys = {"access_key": "moto-access", "secret_key": {"file": "s3.secret"}}
    far = {
        "kind": "s3", "bucket": bucket.name, "endpoint": through, "credentials": keys,
        "timeout": "1s", "retries": 1,
    }  # fmt: skip
    house.change(stores={**house.document["stores"], "far": far})


def copy(house: House) -> None:
    """Bring the newest restore point into the bucket."""
    workspace = house.workspace()
    copy_to(workspace, house.newest(), "far")
    assert "far" in house.newest().stores


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_network_in_trouble_ends_a_copy_in_time_and_nothing_half_is_listed(
    trouble: Trouble,
    make_house: MakeHouse,
    moto: str,  # noqa: F811
) -> None:
    house, dice = make_house("sqlite"), chance(f"{trouble} s3")
    with between(moto) as proxy:
        with_bucket(house, moto, f"http://127.0.0.1:{proxy.port}")
        back_up(house, prove=False)
        copy(house)
        begun = proxy.answered_bytes
        back_up(house, prove=False)
        copy(house)
        whole = proxy.answered_bytes - begun
        for _ in range(tries(1)):
            back_up(house, prove=False)
            before = standing(house)
            at = dice.randrange(whole)
            proxy.suffer(trouble, after_bytes=at)
            error = ended(lambda: copy(house), proxy.heal)
            hit = proxy.met.is_set()
            proxy.heal()
            told = f"{trouble} after {at} of {whole} bytes: {error}"
            if error is not None:
                assert error.safe and error.next, told
                if trouble in ("stall", "half-open"):
                    assert "(stores.far.timeout)" in error.why and "stores.far.timeout" in error.next, told
            aftermath(
                house, before, kind=f"network to the bucket: {trouble}", hit=hit, swept=False, again=copy,
                allowed=["s3.secret"],
            )  # fmt: skip
