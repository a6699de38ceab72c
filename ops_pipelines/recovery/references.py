"""Do files and database agree? What the restored database names must exist in the restored folders."""

import json
from collections.abc import Callable, Sequence

from ops_pipelines.config.models import Config
from ops_pipelines.engines.base import Contents, Prover, RestoreFailed
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.engines.source import References
from ops_pipelines.errors import Inconclusive, OpsError, SourceError
from ops_pipelines.places import Places
from ops_pipelines.recovery.enclosed.engine import enclosed
from ops_pipelines.recovery.enclosed.ours import ours
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.vault.catalogue import Catalogues, RestorePoint
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.verdict import Check

_NAMED = 10
# One value, since that is what an engine answers; in an order that looks random and is the same each time.
_SAMPLE = """with named(path) as ({sql}) select {collect}(path) from (
  select path from named where path is not null group by path
  order by md5(concat('{seed}', path)) limit {count}) as sample"""


def database_of(manifest: Manifest, catalogues: Catalogues) -> RestorePoint:
    """The database's restore point that a snapshot of folders belongs to. Raises Inconclusive: it is gone."""
    tie = manifest.tied_to
    point = catalogues(tie.source).find(tie.backup_id) if tie is not None else None
    if point is None:
        wanted = f"{tie.backup_id} of {tie.source}" if tie is not None else "a restore point of the database"
        raise Inconclusive(
            f"{manifest.id} of {manifest.source} belongs to {wanted}, which is not there",
            why="its files cannot be checked against what the database names",
            safe="the folders' restore point is not marked bad",
        )
    return point


def named_by(
    config: Config,
    places: Places,
    point: RestorePoint,
    copy_of: Callable[[RestorePoint], Copy],
    asked: References,
    seed: str,
) -> Sequence[str]:
    """Paths that a database names: its restore point is restored into a scratch server, and asked.

    Args:
        copy_of: opens the copy of the database to restore.
        asked: what the database is asked.
        seed: decides which paths, when there are many.
    Raises:
        Inconclusive: it cannot be restored or asked.
    """
    try:
        copy = copy_of(point)
        manifest = copy.manifest
        engine = enclosed(config, manifest, ours(config))
        with (
            scratch_directory(places.scratch, manifest.kind) as directory,
            engine.scratch(directory, manifest.engine) as target,
        ):
            engine.restore(copy, manifest.engine, target, work=directory, globals_too=True)
            return named_in(engine, target, manifest.kind, asked, seed)
    except (OpsError, RestoreFailed) as error:
        why = f"{error.what}: {error.why}" if isinstance(error, OpsError) else str(error)
        raise Inconclusive(
            f"the files that {point.id} of {point.manifest.source} names are not known",
            why=why,
            safe="the folders' restore point is not marked bad",
        ) from None


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
