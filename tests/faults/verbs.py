"""What is killed: commands as users type them, what they need before, and what must hold after them, killed or not."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random

from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.recovery.leftovers import leftovers, remove, restored
from ops_pipelines.watch.alerts.watch import watch_once
from tests.faults.aftermath import back_up
from tests.faults.forked import start
from tests.faults.house import House
from tests.faults.protected import ENGINES

_MANY = 6  # restore points: looking at more takes longer, and shows nothing more
LEGACY = "old"
"""The folder for backups by other means, which are plain."""

_PASS = ("--passphrase-file", "pass")


def _nothing(_house: House) -> None:
    return


def _found_nothing(_house: House) -> list[str]:
    return []


@dataclass(frozen=True)
class Verb:
    """A command.

    Attributes:
        words: what is typed, when there is something for it to do.
        prepare: makes that so.
        after: what is wrong with what it leaves to its user, in words.
        over: puts that away.
        fine: exit statuses of a run that nothing happened to.
        removes: whether restore points may go.
        plain: names at the top of the house where it puts plain data on purpose.
        starts: the kinds of sources of which it starts other programs.
    """

    name: str
    words: Callable[[House, Random], Sequence[str]]
    prepare: Callable[[House], object] = _nothing
    after: Callable[[House], list[str]] = _found_nothing
    over: Callable[[House], object] = _nothing
    fine: Sequence[int] = (0,)
    removes: bool = False
    plain: Sequence[str] = ()
    starts: Collection[str] = ENGINES


def proved(house: House) -> None:
    """The newest restore point is good, and not too many lie about."""
    workspace = house.workspace()
    points = workspace.catalogue("crm").points
    if not points or not points[-1].verified:
        back_up(house)
    if len(points) > _MANY:
        (pruned,) = prune(house.workspace(), ["crm"], apply=True)
        assert not pruned.refused and not pruned.problems, pruned


def _copy_missing(house: House) -> None:
    proved(house)
    take_backup(house.workspace(), "crm")


def _several(house: House) -> None:
    for _ in range(2):
        house.protected.change()
        take_backup(house.workspace(), "crm")
    back_up(house)


def _target(house: House) -> str:
    # Of its own: what a house that did not survive has left on the server is no trouble of the next one.
    return house.protected.beside(f"back{house.path.name[-8:]}")


def _no_target(house: House) -> None:
    proved(house)
    tidy(house)


def tidy(house: House) -> None:
    """Remove what restores left, finished or not; each has to be found, and to go."""
    workspace = house.workspace()
    for each in (*leftovers(workspace.config, workspace.places), *restored(workspace.config, workspace.places)):
        remove(workspace, each)


def _target_is_noted(house: House) -> list[str]:
    """A target that is there is one that `ops leftovers` knows."""
    workspace = house.workspace()
    known = {
        each.to
        for each in (*leftovers(workspace.config, workspace.places), *restored(workspace.config, workspace.places))
    }
    there = workspace.config.engine("crm").exists(_target(house))
    return [f"{_target(house)} is there, and no leftover: {known}"] if there and _target(house) not in known else []


def _differs(house: House) -> None:
    _no_target(house)
    house.protected.change()


def _kit_opens(house: House) -> list[str]:
    checked = start(house, "kit", "--check", "kit", *_PASS)
    return [] if checked.wait() in (0, 1) else [f"no kit opens: {checked.said}"]


def _kit(house: House) -> None:
    proved(house)
    prepared_for_kits(house)


def prepared_for_kits(house: House) -> None:
    """There is a passphrase in the file `pass`, and a kit in the folder `kit`."""
    secret = house.path / "pass"
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text("correct horse battery", encoding="utf-8")
        assert start(house, "kit", "--to", "kit", *_PASS).wait() in (0, 1)


def _legacy(house: House) -> None:
    proved(house)
    assert house.protected.legacy is not None
    folder = house.path / LEGACY
    folder.mkdir(exist_ok=True)
    number = len(list(folder.iterdir()))
    house.protected.change()
    house.protected.legacy(
        folder / f"crm-2025{1 + number // 28 % 12:02}{1 + number % 28:02}-0410.{house.protected.kind}"
    )


def _proved_twice(house: House) -> None:
    """Corruption goes back to an older one that was verified."""
    proved(house)
    points = house.workspace().catalogue("crm").points
    if sum(point.verified and "nas" in point.stores for point in points) < 2:
        back_up(house)


def _drilled(_house: House, chance: Random) -> Sequence[str]:
    return "drill", chance.choice(("random_restore_point", "corruption"))


VERBS = (
    Verb("backup", lambda _house, _chance: ("backup", "crm"), lambda house: house.protected.change()),
    Verb(
        "restore", lambda house, _chance: ("restore", "crm", "--to", _target(house)),
        _no_target, _target_is_noted, tidy, plain=("back*",),
    ),
    Verb("copy", lambda _house, _chance: ("copy", "crm", "--to", "nas"), _copy_missing, starts=("files",)),
    Verb("prune", lambda _house, _chance: ("prune", "crm", "--apply"), _several, removes=True, starts=("files",)),
    Verb("verify", lambda _house, _chance: ("verify", "crm"), proved),
    Verb(
        "replace", lambda _house, _chance: ("restore", "crm", "--into-production", "--yes-replace", "crm"),
        _differs, over=tidy, plain=("back*", "data*"),
    ),
    Verb("kit", lambda _house, _chance: ("kit", "--to", "kit", *_PASS), _kit, _kit_opens, fine=(0, 1), starts=()),
    Verb(
        "adopt", lambda _house, _chance: ("adopt", LEGACY, "--source", "crm", "--apply", "--other-database"),
        _legacy,
    ),
    Verb("drill", _drilled, _proved_twice, fine=(0, 1)),
    Verb("sweep", lambda _house, _chance: ("doctor", "--sweep"), proved, starts=()),
    Verb("alerts", lambda _house, _chance: ("alerts", "run"), proved, fine=(0, 1), starts=()),
)  # fmt: skip


def verbs_of(house: House) -> Sequence[Verb]:
    """The commands that there are for what a house protects."""
    return [verb for verb in VERBS if verb.name != "adopt" or house.protected.legacy is not None]


def told(house: House) -> None:
    """A round of alerts: what is the matter now is told, and no longer news."""
    watch_once(house.workspace())
