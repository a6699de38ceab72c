"""Take one restore point of one source: from the lock to the published directory."""

from datetime import datetime

from ops_pipelines.backup.seal import seal
from ops_pipelines.clock import Stopwatch, new_id
from ops_pipelines.compat.marker import write_marker
from ops_pipelines.config.models import Config
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.engines.source import Source
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.streams import Progress, silent
from ops_pipelines.sweeping import sweep
from ops_pipelines.vault.catalogue import Catalogues
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.writer import Staged
from ops_pipelines.workspace import Workspace


def take_backup(
    workspace: Workspace, name: str, *, safety: bool = False, progress: Progress = silent, run_id: str | None = None
) -> Manifest:
    """Dump a source into a new restore point in the local store.

    Args:
        name: the source.
        safety: the source is about to be replaced: a restore takes this one only when it is named.
        run_id: the Dagster run this belongs to, for the ledger.
    Returns:
        The manifest of the published restore point.
    Raises:
        OpsError: nothing was published; what was written is gone or will be swept.
    """
    source = workspace.config.source(name)
    _refuse_elsewhere(workspace.config, name)
    sweep(workspace)
    with workspace.ledger.activity("dump", source=name, run_id=run_id) as entry:
        try:
            with workspace.locks.held(name, doing="dump"):
                manifest = _dump(workspace, name, source, progress, safety=safety)
        except OpsError as error:
            error.what = f"backup of {name} failed: {error.what}"
            error.safe = error.safe or _what_is_safe(workspace.catalogue, name)
            error.next = error.next or f"correct the cause, then: ops backup {name}"
            raise
        entry.backup_id, entry.store = manifest.id, workspace.local.name
        entry.meta = {
            "size_bytes": manifest.size_bytes,
            "plain_bytes": manifest.plain_bytes,
            "rows": manifest.contents.known_rows,
            "manifest_sha256": manifest.sha256(),
            "number": manifest.number,
            **({"safety": True} if safety else {}),  # it is no recovery point, which its manifest cannot tell for ever
        }
    return manifest


def _refuse_elsewhere(config: Config, name: str) -> None:
    """What another machine dumps would be dumped twice, if it were reached from here at all. Raises SafetyRefusal."""
    if config.dumped_here(name):
        return
    by = config.source(name).taken_by
    raise SafetyRefusal(
        f"{name} is not dumped here",
        why=f"the installation {by} takes it" if by else f"its site is {config.site(name)}, and this is {config.here}",
        safe="nothing was started; existing backups are untouched",
        next=f"there: ops backup {name}",
    )


def _dump(workspace: Workspace, name: str, source: Source, progress: Progress, *, safety: bool) -> Manifest:
    engine = workspace.config.engine(name)
    started, watch = workspace.clock.now(), Stopwatch()
    backup_id = new_id(started)
    recipients = source.encrypt.age if source.encrypt is not None else ()
    with workspace.local.stage(backup_id) as directory:
        staged = Staged(directory, recipients, workspace.local.repository(name))
        dumped = engine.dump(staged, progress=progress)
        manifest = seal(workspace, name, staged, dumped, started_at=started, watch=watch, safety=safety)
        workspace.local.publish(directory, manifest)
    if kind_of(source.kind).step == "snapshot":
        write_marker(workspace.config.base, manifest)
    return manifest


def _what_is_safe(catalogues: Catalogues, name: str) -> str:
    point = catalogues(name).recovery_point
    if point is None:
        return f"nothing of {name} has been verified yet"
    return f"the last verified backup of {name} is untouched: {point.id}, taken {_minutes(point.started_at)}"


def _minutes(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
