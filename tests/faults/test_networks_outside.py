"""A network in trouble between us and who listens outside, Sentry and a heartbeat's host: no backup waits for them."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.faults.aftermath import aftermath, standing
from tests.faults.conftest import MakeHouse
from tests.faults.house import House
from tests.faults.network import ENDS_WITHIN_S
from tests.faults.tries import chance, long_run, tries
from tests.logged import stop_logging
from tests.servers.between import TROUBLES, Between, Trouble, between
from tests.watch.outside import Listener, listener, wait_for

_ANSWER_BYTES = 60
"""Fewer than either says in one answer."""

# Silence is what limits are for; a connection that ends is told by the kernel.
_SILENT: tuple[Trouble, ...] = ("stall", "slow", "half-open")


@pytest.fixture(autouse=True)
def _no_log_of_this_process() -> Iterator[None]:
    yield
    stop_logging()


@pytest.mark.parametrize("trouble", TROUBLES if long_run() else ("stall", "slow"))
def test_a_listener_that_cannot_be_reached_holds_up_no_backup_and_hears_of_the_next(
    trouble: Trouble, make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.servers.between._SLOW_BYTES_A_S", 8)  # at 1 KB/s an answer takes no time
    house, dice = make_house("sqlite"), chance(f"{trouble} outside")
    with listener() as outside, between(f"tcp://127.0.0.1:{outside.port}") as proxy:
        _told(house, proxy)
        _heard(house, outside)
        for _ in range(tries(1)):
            house.protected.change()
            before = standing(house)
            proxy.suffer(trouble, after_bytes=dice.randrange(_ANSWER_BYTES))
            (house.path / "log.jsonl").unlink(missing_ok=True)
            _backs_up(house)
            hit = proxy.met.is_set()
            proxy.heal()
            logged = (house.path / "log.jsonl").read_text(encoding="utf-8")
            wrong = [] if "outside_not_told" in logged or trouble not in _SILENT else [f"nobody says so: {logged}"]
            aftermath(
                house, before, kind=f"network outside: {trouble}", hit=hit, swept=False,
                again=lambda house: _heard(house, outside), more=lambda found=wrong: found,
            )  # fmt: skip


def _told(house: House, proxy: Between) -> None:
    """The house tells both of its backups, through the proxy."""
    house.change(sentry={"dsn": f"http://0123dsnkey@127.0.0.1:{proxy.port}/42", "environment": "tests"})
    house.change(logging={"file": "log.jsonl"})
    house.document["defaults"]["heartbeats"] = {"backup": f"http://127.0.0.1:{proxy.port}/beat"}
    house.write()


def _backs_up(house: House) -> None:
    """A process that backs up, to its end, which comes soon and is a good one."""
    with house.worker("backup") as process:
        try:
            _said, complaint = process.communicate(timeout=ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it waited for more than {ENDS_WITHIN_S} s, whatever the limits") from None
    assert process.returncode == 0, complaint


def _heard(house: House, outside: Listener) -> None:
    """A backup of which both hear, from its beginning to its end."""
    outside.beats.clear()
    outside.items.clear()
    _backs_up(house)
    wait_for(lambda: [path for path, _body in outside.beats] == ["/beat/start", "/beat"])
    wanted = [("crm-backup", "in_progress"), ("crm-backup", "ok")]
    # A proof of the test's own process may tell of itself as well.
    wait_for(lambda: [each for each in outside.check_ins() if each[0] == "crm-backup"] == wanted)
