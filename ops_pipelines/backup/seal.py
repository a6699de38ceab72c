"""From what an engine wrote to a sealed restore point: fingerprint, manifest, the commands to open it by hand."""

import socket
from datetime import datetime

from ops_pipelines import __version__
from ops_pipelines.by_hand import steps
from ops_pipelines.clock import Stopwatch
from ops_pipelines.engines.base import Contents, Dumped
from ops_pipelines.engines.source import Source
from ops_pipelines.numbering import next_point
from ops_pipelines.vault.catalogue import Catalogues
from ops_pipelines.vault.manifest import Adopted, Manifest, Summary, Tie
from ops_pipelines.vault.writer import Staged
from ops_pipelines.workspace import Workspace


def seal(
    workspace: Workspace,
    name: str,
    staged: Staged,
    dumped: Dumped,
    *,
    started_at: datetime,
    watch: Stopwatch | None = None,
    adopted_from: Adopted | None = None,
    safety: bool = False,
) -> Manifest:
    """Write the fingerprint and the signed manifest of a staged restore point; returns the manifest.

    The source must be locked: the restore point gets its number here. Raises OpsError.

    Args:
        name: the source.
        staged: the parts, in a directory that is named by the restore point's id.
        started_at: the moment it protects.
        watch: runs since then.
        adopted_from: the legacy backup it was made of.
        safety: it is taken because its source is about to be replaced.
    """
    source = workspace.config.source(name)
    number, previous = next_point(workspace.ledger, workspace.stores, name, workspace.published(name))
    staged.write("contents.json", "contents", dumped.contents.model_dump_json().encode())
    manifest = Manifest(
        id=staged.directory.name,
        source=name,
        kind=source.kind,
        host=socket.gethostname(),
        product=f"ops_pipelines {__version__}",
        started_at=started_at,
        snapshot_at=dumped.snapshot_at,
        # How long somebody else's dump took is not known; how old it is must not pass for that.
        finished_at=started_at + watch.took(workspace.clock.now() - started_at) if watch is not None else started_at,
        tied_to=_tied_to(workspace.catalogue, source) if adopted_from is None else None,
        adopted_from=adopted_from,
        data_bytes=dumped.data_bytes,
        installation=workspace.trust.installation_id,
        identity=dumped.identity,
        number=number,
        previous=previous,
        safety=safety,
        engine=dumped.facts,
        contents=_summary(dumped.contents),
        recipients=source.encrypt.age if source.encrypt is not None else (),
        parts=staged.parts,
        restore_by_hand=steps(source.kind, dumped.facts, staged.parts),
        warnings=_warnings(source, dumped, adopted_from),
    )
    staged.seal(manifest, workspace.trust)
    return manifest


def _tied_to(catalogues: Catalogues, source: Source) -> Tie | None:
    """The newest restore point of the database these files belong to."""
    if source.database is None:
        return None
    newest = catalogues(source.database).newest
    return Tie(source=source.database, backup_id=newest.id) if newest is not None else None


def _summary(contents: Contents) -> Summary:
    return Summary(
        level=contents.level,
        objects=len(contents.objects),
        tables=len(contents.tables),
        rows=contents.rows,
        schema_digest=contents.schema_digest,
        content_digest=contents.content_digest,
        gaps=contents.gaps,
    )


def _warnings(source: Source, dumped: Dumped, adopted_from: Adopted | None) -> list[str]:
    found = [] if source.encrypt is not None else ["parts are not encrypted: keep every copy of them private"]
    if adopted_from is not None and adopted_from.time_from == "mtime":
        found.append("its time is when the file was last changed: a file that was copied since is older than it looks")
    return [*found, *dumped.warnings]
