"""Do files and database agree? What the restored database names must exist in the restored folders."""

import json
from collections.abc import Callable, Sequence

from ops_pipelines.engines.base import Contents, Prover, RestoreFailed
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.engines.source import References
from ops_pipelines.errors import Inconclusive, OpsError, SourceError
from ops_pipelines.recovery.enclosed.engine import enclosed
from ops_pipelines.recovery.enclosed.ours import ours
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.verdict import Check
from ops_pipelines.workspace import Workspace

_NAMED = 10
# One value, since that is what an engine answers; in an order that looks random and is the same each time.
_SAMPLE = """with named(path) as ({sql}) select {collect}(path) from (
  select path from named where path is not null group by path
  order by md5(concat('{seed}', path)) limit {count}) as sample"""


def check_references(
    workspace: Workspace,
    manifest: Manifest,
    asked: References,
    restored: Contents,
    store_of: Callable[[Workspace, RestorePoint], str],
) -> Check:
    """Restore the database's restore point that the snapshot belongs to, and look its paths up.

    Args:
        asked: what the database names.
        restored: the listing of the restored folders.
        store_of: chooses the copy of the database to restore.
    Raises:
        Inconclusive: there is no such restore point any more, or it cannot be restored or asked.
    """
    point = _database(workspace, manifest)
    try:
        named = _named(workspace, point, store_of(workspace, point), asked, manifest.id)
    except (OpsError, RestoreFailed) as error:
        why = f"{error.what}: {error.why}" if isinstance(error, OpsError) else str(error)
        raise Inconclusive(
            f"the files that {point.id} of {point.manifest.source} names are not known",
            why=why,
            safe="the folders' restore point is not marked bad",
        ) from None
    return judged(named, restored, manifest, asked, point.id)


def _database(workspace: Workspace, manifest: Manifest) -> RestorePoint:
    tie = manifest.tied_to
    point = workspace.catalogue(tie.source).find(tie.backup_id) if tie is not None else None
    if point is None:
        wanted = f"{tie.backup_id} of {tie.source}" if tie is not None else "a restore point of the database"
        raise Inconclusive(
            f"{manifest.id} of {manifest.source} belongs to {wanted}, which is not there",
            why="its files cannot be checked against what the database names",
            safe="the folders' restore point is not marked bad",
        )
    return point


def _named(workspace: Workspace, point: RestorePoint, store: str, references: References, seed: str) -> Sequence[str]:
    """Paths that the database names, from a copy of it in a scratch server."""
    name = point.manifest.source
    manifest = workspace.stores[store].manifest(name, point.id)
    engine = enclosed(workspace.config, manifest, ours(workspace.config))
    copy = Copy(workspace.stores[store], manifest, lambda: workspace.identities(name))
    with (
        scratch_directory(workspace.places.scratch, manifest.kind) as directory,
        engine.scratch(directory, manifest.engine) as target,
    ):
        engine.restore(copy, manifest.engine, target, work=directory, globals_too=True)
        return named_in(engine, target, manifest.kind, references, seed)


def named_in(engine: Prover, target: str, kind: str, references: References, seed: str) -> list[str]:
    """Paths that a restored database names, or a sample of them. Raises SourceError.

    Args:
        kind: of the database.
        seed: decides which ones, when there are many.
    """
    sql = _SAMPLE.format(
        sql=references.sql.strip().rstrip(";"), collect=kind_of(kind).json_list, seed=seed, count=references.sample
    )
    answer = engine.ask(target, sql)
    found = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
    if found is not None and not isinstance(found, list):
        raise SourceError("the references are no list of paths", why=repr(found)[:200])
    return [str(path) for path in found or ()]


def judged(named: Sequence[str], restored: Contents, manifest: Manifest, references: References, where: str) -> Check:
    """Whether the files that a database names are in the restored folders.

    Args:
        manifest: of the folders.
        where: the database's restore point, for the sentence.
    """
    gone = kind_of(manifest.kind).missing(named, restored, manifest.engine, references.below)
    if not gone:
        return Check(name="references", passed=True, detail=f"{len(named)} files named in {where} are there")
    more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
    detail = f"{len(gone)} of {len(named)} files named in {where} are missing: {', '.join(gone[:_NAMED])}{more}"
    return Check(name="references", passed=False, detail=detail)
