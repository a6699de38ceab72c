"""What killed runs left is cleared away: every verb begins with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines import lent
from ops_pipelines.config.models import Config
from ops_pipelines.engines.offers import VerifyServerUser
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.ledger import LedgerError
from ops_pipelines.outages import end_outages
from ops_pipelines.scratch import sweep_scratch, used_elsewhere
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class Swept:
    """One thing that a dead run left.

    Attributes:
        what: it, in words.
        problem: why it is still there; empty when it is gone.
        lodged: it is a database on a server that was lent to us.
    """

    what: str
    problem: str = ""
    lodged: bool = False

    def __str__(self) -> str:
        return f"not swept: {self.what}: {self.problem}" if self.problem else self.what


def sweep(workspace: Workspace, *, stores: bool = True) -> list[Swept]:
    """Clear away what killed runs left: servers that stand still, scratch servers, staged parts, open activities.

    Args:
        stores: the stores' litter, too; one that is away is waited for.
    """
    swept: list[Swept] = []

    def drop_verify_database(source: str, database: str) -> bool:
        try:
            _drop_verify_database(workspace.config, source, database)
        except OpsError as error:
            swept.append(Swept(f"{database}, made to verify {source}", error.what, lodged=True))
            return False
        return True

    swept += [
        Swept(f"{each.source} is down", each.problem) if each.problem else Swept(f"{each.source}, started again")
        for each in end_outages(workspace.places.outages)
    ]
    for root in dict.fromkeys((workspace.places.scratch, *used_elsewhere())):
        try:
            swept += [Swept(str(path)) for path in sweep_scratch(root, drop_database=drop_verify_database)]
        except OSError as error:
            swept.append(Swept(str(root), error.strerror or str(error)))
    if stores:
        swept += _of_stores(workspace.stores, workspace.places.scratch)
    try:
        swept += [Swept(f"activity {row.id} ({row.kind} of {row.source})") for row in workspace.ledger.fail_orphans()]
    except LedgerError as error:
        # Whoever has to write into it says so; a restore goes on without.
        swept.append(Swept("attempts of dead runs", error.what))
    return swept


def _of_stores(stores: Mapping[str, Store], scratch: Path) -> list[Swept]:
    """Staged parts, and the locks of killed proofs. One that is away has its litter later; no work depends on it."""
    swept: list[Swept] = []
    for store in stores.values():
        try:
            swept += map(Swept, store.sweep())
        except OpsError as error:
            swept.append(Swept(f"store {store.name}", error.what))
    for root in dict.fromkeys((scratch, *used_elsewhere())):
        for each in lent.abandoned(root):
            try:
                _unlock(stores, each)
            except (OpsError, OSError) as error:
                swept.append(Swept(f"locks of a killed proof in {each.store}", str(error).splitlines()[0]))
    return swept


def _unlock(stores: Mapping[str, Store], proof: lent.Lent) -> None:
    """Remove the locks that a killed proof has in a repository. Raises OpsError, OSError."""
    if (store := stores.get(proof.store)) is not None:
        objects = store.objects(proof.source)
        for name in {name for name, _size in objects.names("locks")} & set(proof.locks):
            objects.remove_lock(name)
    proof.note.unlink(missing_ok=True)


def _drop_verify_database(config: Config, source: str, database: str) -> None:
    """Drop a database that a killed verification of a source made on its `verify.server`. Raises OpsError."""
    engine = config.engine(source)
    if isinstance(engine, VerifyServerUser):
        engine.drop_verify_database(database)
