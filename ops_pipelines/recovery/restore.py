"""Bring a restore point back into a new database, and prove what came back before saying so."""

from dataclasses import dataclass

from ops_pipelines.config.secrets import SecretMissing
from ops_pipelines.engines.base import RestoreFailed
from ops_pipelines.errors import CorruptCopy, OpsError, SafetyRefusal, StoreError
from ops_pipelines.recovery.assertions import run_check
from ops_pipelines.recovery.compare import compare
from ops_pipelines.recovery.verify import fingerprint_of
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.streams import Progress, silent
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.verdict import Check
from ops_pipelines.workspace import Workspace

LATEST = "latest-verified"


@dataclass(frozen=True)
class Recovered:
    """A finished restore: what went where, how long it took, and what was asserted about it."""

    backup_id: str
    store: str
    target: str
    seconds: float
    checks: list[Check]
    warnings: list[str]

    @property
    def good(self) -> bool:
        """Whether everything came back as it was."""
        return all(check.passed for check in self.checks)


def choose(workspace: Workspace, name: str, backup: str) -> RestorePoint:
    """The restore point a user means.

    Args:
        backup: an id, or `latest-verified`.
    Raises:
        StoreError: there is none.
    """
    catalogue = workspace.catalogue(name)
    point = catalogue.recovery_point if backup == LATEST else catalogue.find(backup)
    if point is not None:
        return point
    others = f"; {len(catalogue.points)} unverified ones exist" if backup == LATEST and catalogue.points else ""
    raise StoreError(
        f"{name} has no {'verified restore point' if backup == LATEST else f'restore point {backup}'}",
        why=f"looked in {', '.join(workspace.stores)}{others} {'; '.join(catalogue.problems)}".strip(),
        safe="nothing was changed",
        next=f"ops list {name}, then name one: ops restore {name} --to … --backup ID",
    )


def restore_to(
    workspace: Workspace, point: RestorePoint, to: str, *, store: str | None = None, progress: Progress = silent
) -> Recovered:
    """Restore into a new database and assert what came back.

    Args:
        to: a database name beside the source, or a URL.
        store: where to fetch from; the nearest copy unless given.
    Raises:
        SafetyRefusal: the target is a source, or is not empty.
        OpsError: the restore failed; the new database is incomplete, nothing else was touched.
    """
    name = point.manifest.source
    engine = workspace.engine(name)
    # The nearest copy that is not known to be damaged.
    origin = store or next((each for each in point.stores if each not in point.damaged), point.stores[0])
    if origin not in point.stores:
        raise StoreError(
            f"{point.id} is not in {origin}", why=f"it is in {', '.join(point.stores)}", next="--from one of them"
        )
    workspace.sweep()
    with workspace.ledger.activity("restore", source=name, backup_id=point.id, store=origin) as entry:
        started = workspace.clock.now()
        manifest = workspace.stores[origin].manifest(name, point.id, fresh=True)
        copy = Copy(workspace.stores[origin], manifest, lambda: workspace.identities(name))
        unsure = _refuse_sources(workspace, engine.locate(to), to)
        target = engine.create_target(to, manifest.engine)
        try:
            with scratch_directory(workspace.scratch_root, manifest.kind) as work:
                restored = engine.restore(
                    copy, manifest.engine, target, work=work, globals_too=False, progress=progress
                )
        except (RestoreFailed, CorruptCopy) as error:
            why = f"{error.what}: {error.why}" if isinstance(error, OpsError) else str(error)
            raise OpsError(
                f"{point.id} of {name} could not be restored to {to}",
                why=why,
                safe=f"the source and every backup are untouched; {to} is incomplete, drop it",
                next=f"try another copy (--from) or an older backup: ops list {name}",
            ) from None
        held = fingerprint_of(copy)
        checks = compare(held, engine.contents(target, held.level))
        checks += [
            run_check(engine, target, check, as_of=manifest.started_at) for check in workspace.source(name).checks
        ]
        seconds = (workspace.clock.now() - started).total_seconds()
        recovered = Recovered(point.id, origin, to, seconds, checks, [*unsure, *restored.warnings])
        entry.meta = {"to": to, "seconds": seconds, "good": recovered.good}
    return recovered


def _refuse_sources(workspace: Workspace, url: str, to: str) -> list[str]:
    """Refuse a target that any source lives in; returns the sources that could not be asked."""
    unsure = []
    for name in workspace.config.sources:
        try:
            taken = workspace.engine(name).is_source(url)
        except SecretMissing as error:
            unsure.append(f"it was not checked that {to} is another database than source {name}: {error.what}")
            continue
        if taken:
            raise SafetyRefusal(
                f"{to} is the source {name}",
                safe="nothing was changed",
                next="name a database that is no source; it is created for you",
            )
    return unsure
