"""Every key is lost but the kit's second identity: it alone must open everything."""

from ops_pipelines.drill.applications import recover_application
from ops_pipelines.drill.by_script import recover_by_script
from ops_pipelines.drill.clean import clean_machine, second_only
from ops_pipelines.drill.context import Drill
from ops_pipelines.language.said import said


def play(drill: Drill) -> None:
    """Recover with the second identity. Raises OpsError when there is none."""
    drill.kit = second_only(drill.kit)
    drill.machine = clean_machine(drill.workspace, drill.directory, drill.kit)
    drill.say(said("all identities are lost but the one that exists in the kit only"))
    for name in drill.applications:
        recover_application(drill, name)
    recover_by_script(drill)
