"""The newest backup is worthless: recovery goes to the newest older verified one, and the difference is counted."""

from ops_pipelines.drill.applications import recover_application
from ops_pipelines.drill.by_script import recover_by_script
from ops_pipelines.drill.clean import clean_machine
from ops_pipelines.drill.context import Drill
from ops_pipelines.drill.record import Loss
from ops_pipelines.drill.recover import between
from ops_pipelines.errors import StoreError
from ops_pipelines.language.said import said
from ops_pipelines.vault.catalogue import RestorePoint


def play(drill: Drill) -> None:
    """Recover from the newest older verified restore points. Raises OpsError where there are none."""
    drill.machine = clean_machine(drill.workspace, drill.directory, drill.kit)
    older = {name: _older(drill, name) for name in drill.sources}
    for name, (lost, kept) in older.items():
        bad = said(
            "{name}: {lost} is declared bad; {kept} is the newest older one that is verified",
            name=name, lost=lost.id, kept=kept.id,
        )  # fmt: skip
        drill.say(bad)

    def choose(name: str) -> tuple[RestorePoint | None, str, Loss | None]:
        lost, kept = older[name]
        return kept, "", between(drill, lost, kept)

    for name in drill.applications:
        recover_application(drill, name, choose)
    recover_by_script(drill, {name: kept for name, (_lost, kept) in older.items()})


def _older(drill: Drill, name: str) -> tuple[RestorePoint, RestorePoint]:
    """The newest restore point, and the newest verified one before it."""
    points = drill.clean.catalogue(name).points
    kept = next((point for point in reversed(points[:-1]) if point.verified), None)
    if kept is None:
        raise StoreError(
            f"{name} has no older verified restore point to go back to",
            why=f"{len(points)} of it survive in {', '.join(drill.clean.stores)}",
            safe="every backup is untouched",
            next=f"ops verify {name} --backup ID of an older one: ops list {name}",
        )
    return points[-1], kept
