"""The machine is gone: everything comes back from what survives elsewhere, on a clean one."""

from ops_pipelines.drill.applications import recover_application
from ops_pipelines.drill.by_script import recover_by_script
from ops_pipelines.drill.clean import clean_machine
from ops_pipelines.drill.context import Drill


def play(drill: Drill) -> None:
    """Recover every application from the surviving stores. Raises OpsError when it cannot begin."""
    drill.machine = clean_machine(drill.workspace, drill.directory, drill.kit)
    drill.say(f"a clean machine: an empty directory, {', '.join(drill.clean.stores)}, ops.yaml, the kit")
    for name in drill.applications:
        recover_application(drill, name)
    recover_by_script(drill)
