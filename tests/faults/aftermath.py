"""What is looked at after each fault, the same for all of them; each look is counted in the tally of the long run.

The catalogue holds only sealed restore points, each of which verifies; every activity ended; locks are free; no
process, server, temporary file or decrypted byte is left (shared memory has no owner, and is looked at where nothing
else runs: test_killed_verify); the alert arrived where one is due; the next run succeeds.
"""

import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.errors import OpsError
from ops_pipelines.recovery.verify import verify
from ops_pipelines.sweeping import sweep
from ops_pipelines.vault.catalogue import Catalogue
from ops_pipelines.watch.alerts.watch import watch_once
from tests.faults.house import House
from tests.faults.tally import Tried, note

_DIES_WITHIN_S = 20.0


@dataclass(frozen=True)
class Standing:
    """How a house stood before a fault.

    Attributes:
        copies: restore points and the stores they were in.
        verified: those that counted.
        told: how many messages the channel had.
    """

    copies: dict[str, frozenset[str]]
    verified: frozenset[str]
    told: int = 0


def standing(house: House) -> Standing:
    """How a house stands now."""
    points = house.workspace().catalogue("crm").points
    return Standing(
        {point.id: frozenset(point.stores) for point in points},
        frozenset(point.id for point in points if point.verified),
        len(house.channel.texts) if house.channel else 0,
    )


def back_up(house: House, *, prove: bool = True) -> str:
    """A restore point of `crm`, copied to `nas` where that is wanted, and proved: what the next run does."""
    workspace = house.workspace()
    taken = take_backup(workspace, "crm")
    if "nas" in workspace.stores:
        copy_to(workspace, house.newest(), "nas")
    if prove:
        verdict = verify(workspace, house.newest())
        assert verdict.outcome == "verified", verdict.reason
    return taken.id


def aftermath(
    house: House,
    before: Standing,
    *,
    kind: str,
    hit: bool = True,
    swept: bool = True,
    gone: Collection[str] = (),
    alert: str = "",
    again: Callable[[House], object] | None = back_up,
    more: Callable[[], list[str]] = list,
    allowed: Collection[str] = (),
) -> None:
    """Look at a house after a fault, and fail with everything that is not as it should be.

    Args:
        kind: what was done, for the tally.
        hit: the fault met work that was under way.
        swept: the next start may clear away first, as after SIGKILL or a power cut; else nothing may be left already.
        gone: restore points that the run was to remove.
        alert: how the subject of a message begins that must have reached the channel by the next round of alerts.
        again: the next run; it has to succeed. None leaves it to the caller.
        more: the caller's own findings, looked at before the next run.
        allowed: names at the top of the house's directory where plain data belong, beside the usual ones.
    """
    tried = Tried(kind, house.protected.kind, hit)
    try:
        if swept:
            sweep(house.workspace())
        tried.leaks += _left(house, allowed)
        _look_at_points(house, before, gone, tried)
        tried.other += more()
        if alert:
            _look_at_alert(house, before, alert, tried)
        if again is not None:
            try:
                again(house)
            except (OpsError, AssertionError) as error:
                tried.other.append(f"the next run fails: {error}")
    finally:
        note(tried)
    assert not tried.problems(), "\n".join(tried.problems())


def _left(house: House, allowed: Collection[str]) -> list[str]:
    """What is left once processes that die with their parent have done so."""
    deadline = time.monotonic() + _DIES_WITHIN_S
    while (left := house.leftovers(allowed)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _look_at_points(house: House, before: Standing, gone: Collection[str], tried: Tried) -> None:
    """None is lost, each is sealed, each new one verifies, and no verdict is false."""
    workspace = house.workspace()
    catalogue = workspace.catalogue("crm")
    now = {point.id: frozenset(point.stores) for point in catalogue.points}
    for backup_id, stores in before.copies.items():
        if backup_id not in gone:
            tried.lost += [f"{backup_id} in {store}" for store in stores - now.get(backup_id, frozenset())]
    tried.other += [f"catalogue: {each}" for each in _wrong(catalogue)]
    broken = {
        (point.id, store): why
        for point in catalogue.points
        for store in point.stores
        if (why := _broken(house, point.id, store))
    }
    for point in catalogue.points:
        tried.other += [f"{point.id} in {store}: {why}" for (id_, store), why in broken.items() if id_ == point.id]
        for verdict in point.verdicts:
            whole = (point.id, verdict.store) not in broken
            if verdict.outcome == "bad" and whole:
                tried.false_bad.append(f"{point.id} in {verdict.store}: {verdict.reason}")
            if verdict.outcome == "verified" and not whole:
                tried.false_verified.append(f"{point.id} in {verdict.store}")
    for backup_id in sorted(now.keys() - before.copies.keys()):
        found = catalogue.find(backup_id)
        assert found is not None
        if not found.verified and (verdict := verify(workspace, found)).outcome != "verified":
            tried.other.append(f"{backup_id} was published and is {verdict.outcome}: {verdict.reason}")


def _wrong(catalogue: Catalogue) -> list[str]:
    return [*catalogue.messages, *(each.words for each in (*catalogue.damage, *catalogue.damaged_verdicts))]


def _broken(house: House, backup_id: str, store: str) -> str:
    """What coreutils find wrong with a copy in a directory; empty when nothing."""
    root = house.base / "restore-points" if store == "local" else house.path / store
    directory: Path = root / "crm" / backup_id
    if not directory.is_dir():
        return ""
    argv = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    done = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _look_at_alert(house: House, before: Standing, alert: str, tried: Tried) -> None:
    assert house.channel is not None
    watch_once(house.workspace())
    told = house.channel.texts[before.told :]
    if not any(each.startswith(alert) for each in told):
        tried.other.append(f"no alert {alert!r}, only {told}")
