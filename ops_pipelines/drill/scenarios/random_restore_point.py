"""Any copy that is kept, in any store: chosen by a seed that the report names, so that it can be chosen again."""

import random
from collections.abc import Mapping, Sequence

from ops_pipelines.config.drills import Application
from ops_pipelines.drill.applications import recover_application
from ops_pipelines.drill.by_script import recover_by_script
from ops_pipelines.drill.clean import clean_machine
from ops_pipelines.drill.context import Drill
from ops_pipelines.errors import StoreError
from ops_pipelines.language.said import said
from ops_pipelines.vault.catalogue import Catalogues, RestorePoint


def choose(catalogues: Catalogues, applications: Mapping[str, Application], seed: int) -> tuple[str, RestorePoint, str]:
    """A source, one of its restore points, and the store of one copy: every copy is as likely as any other.

    Raises:
        StoreError: there is none.
    """
    names = sorted({name for each in applications.values() for name in each.sources})
    copies: Sequence[tuple[str, RestorePoint, str]] = [
        (name, point, store) for name in names for point in catalogues(name).points for store in sorted(point.stores)
    ]
    if not copies:
        raise StoreError(f"no store holds a restore point of {', '.join(names)}", next="ops backup")
    return random.Random(seed).choice(copies)


def play(drill: Drill) -> None:
    """Recover the one copy that the seed chooses."""
    assert drill.seed is not None, "the drill was given one"
    name, point, store = choose(drill.workspace.catalogue, drill.applications, drill.seed)
    drill.applications = {name: Application(sources=(name,))}
    drill.machine = clean_machine(drill.workspace, drill.directory, drill.kit, every_store=True)
    chosen = said("seed {seed} chooses {id} of {name} in {store}", seed=drill.seed, id=point.id, name=name, store=store)
    drill.say(chosen)
    if point.proof(store) is not None and point.damaged and store in point.damaged:
        drill.notes.append(said("the copy in {store} is known to be damaged", store=store))
    recover_application(drill, name, lambda _name: (point, store, None))
    recover_by_script(drill, {name: point}, store=store)
