"""The machine is gone: everything comes back from what survives elsewhere, on a clean one."""

from ops_pipelines.drill.applications import recover_application
from ops_pipelines.drill.by_script import recover_by_script
from ops_pipelines.drill.clean import clean_machine
from ops_pipelines.drill.context import Drill
from ops_pipelines.language.said import said


def play(drill: Drill) -> None:
    """Recover every application from the surviving stores. Raises OpsError when it cannot begin."""
    drill.machine = clean_machine(drill.workspace, drill.directory, drill.kit)
    stores = list(drill.clean.stores)
    drill.say(said("a clean machine: an empty directory, ops.yaml, the kit, and of the stores {stores}", stores=stores))
    for name in drill.applications:
        recover_application(drill, name)
    recover_by_script(drill)
