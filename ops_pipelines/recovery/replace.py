"""Put a restore point where its source was: a safety restore point first, a proved restore beside, then the change."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from ops_pipelines.engines.base import Created, Engine, RestoreFailed
from ops_pipelines.engines.offers import InPlaceRestorer, Swapper
from ops_pipelines.errors import OpsError, SafetyRefusal, Stopped
from ops_pipelines.recovery.choose import choose_store, sentence
from ops_pipelines.recovery.leftovers import note_former, noted
from ops_pipelines.recovery.preflight import Ready
from ops_pipelines.recovery.recorded import recorded
from ops_pipelines.recovery.restore import Recovered, load_copy, prove, restore_to
from ops_pipelines.recovery.verify import fingerprint_of, verify
from ops_pipelines.streams import Progress, silent
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.reader import Copy
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class Replaced:
    """A source that was replaced.

    Attributes:
        seconds: wall time altogether, the safety restore point included.
        recovered: the restore beside it that was proved first.
        safety: the restore point of what was there; empty without one.
        kept: where what was there still is; empty when it is in the safety restore point only.
    """

    recovered: Recovered
    safety: str
    kept: str
    seconds: float


def replace_source(
    workspace: Workspace,
    point: RestorePoint,
    *,
    store: str | None = None,
    globals_too: bool = False,
    take_safety: Callable[[], str] | None,
    progress: Progress = silent,
) -> Replaced:
    """Restore beside the source, assert, and only then put it in the source's place.

    What cannot change places is dropped and loaded again: its safety restore point is taken last, and verified.

    Args:
        take_safety: takes a restore point of what is there now and returns its id; None does without.
    Raises:
        SafetyRefusal: no safety restore point can be taken, or what came back is not as it was.
        OpsError: it failed; says in what state the source is.
    """
    name = point.manifest.source
    engine = workspace.config.engine(name)
    if not isinstance(engine, (Swapper, InPlaceRestorer)):
        raise SafetyRefusal(f"{name} cannot be replaced by a command", next=f"ops restore {name} --print")
    started = time.monotonic()
    safety = _safety(name, take_safety) if isinstance(engine, Swapper) else ""
    tail = secrets.token_hex(3)
    beside = engine.beside(f"_restore_{tail}")
    with noted(workspace.config, workspace.clock, workspace.places, name, beside, point.id, "replacement"):
        recovered = restore_to(
            workspace, point, beside, store=store, globals_too=globals_too, note=False, progress=progress
        )
        if not recovered.good:
            failed = "; ".join(f"{each.name}: {each.detail}" for each in recovered.checks if not each.passed)
            raise SafetyRefusal(
                f"{name} was not replaced: what {point.id} restored differs from the backup",
                why=failed,
                safe=f"{name} is untouched; the restore is in {beside}",
                next=f"look at {beside}; try another copy (--from) or an older backup: ops list {name}",
            )
        if not isinstance(engine, Swapper) and (safety := _safety(name, take_safety)):
            recovered.warnings.extend(_proved(workspace, name, safety, progress))
        progress("swap", 0, None)
        with recorded(
            lambda: workspace.ledger,
            "replace",
            source=name,
            backup_id=point.id,
            store=recovered.store,
            warnings=recovered.warnings,
        ) as entry:
            entry.meta = {"safety": safety, "beside": beside}
            with workspace.locks.held(name, doing="restore into production"):
                if isinstance(engine, Swapper):
                    note_former(workspace.clock, workspace.places, name, engine.former(f"_before_{tail}"), point.id)
                    kept = _swapped(engine, name, point.id, beside, f"_before_{tail}")
                else:
                    kept = ""
                    _reloaded(workspace, engine, point, recovered, safety, progress)
                    engine.discard(beside)
            entry.meta = {**entry.meta, "kept": kept}
    return Replaced(recovered, safety, kept, round(time.monotonic() - started, 3))


def _safety(name: str, take: Callable[[], str] | None) -> str:
    if take is None:
        return ""
    try:
        return take()
    except OpsError as error:
        raise SafetyRefusal(
            f"{name} was not replaced: no safety restore point of its current contents could be taken",
            why=sentence(error),
            safe=f"{name} is untouched",
            next=f"once that is fixed: ops restore {name} --into-production; or restore beside it: "
            f"ops restore {name} --to NAME; or, if its current contents are not needed: "
            f"ops restore {name} --into-production --without-safety",
        ) from None


def _proved(workspace: Workspace, name: str, safety: str, progress: Progress) -> list[str]:
    """What is about to be dropped must be in a backup that counts: one that has been restored.

    Returns:
        What its proof does not say.
    """
    point = workspace.catalogue(name).find(safety)
    assert point is not None
    verdict = verify(workspace, point, store=workspace.local.name, progress=progress)
    if verdict.outcome != "verified":
        raise SafetyRefusal(
            f"{name} was not replaced: the safety restore point {safety} is {verdict.outcome}",
            why=verdict.reason,
            safe=f"{name} is untouched; replacing it would drop what it holds",
            next=f"once that is fixed: ops restore {name} --into-production; or restore beside it: "
            f"ops restore {name} --to NAME; or ops restore {name} --into-production --without-safety",
        )
    return [] if verdict.whole else [f"the safety restore point {safety}: {verdict.words}"]


def _swapped(engine: Swapper, name: str, backup_id: str, beside: str, suffix: str) -> str:
    try:
        return engine.swap(beside, suffix)
    except KeyboardInterrupt:
        raise Stopped(
            f"stopped while {name} changed places with {beside}",
            safe=f"{name} is either unchanged, or completely what {backup_id} holds; every backup is untouched",
            next="ops leftovers lists what is beside it now",
        ) from None
    except OpsError as error:
        raise OpsError(
            f"{name} was not replaced, the swap failed",
            why=sentence(error),
            safe=f"{name} is unchanged; {backup_id} is restored and verified in {beside}",
            next=error.next or f"correct the cause and run this again, or use {beside} as it is",
        ) from None


def _reloaded(
    workspace: Workspace,
    engine: Engine,
    point: RestorePoint,
    recovered: Recovered,
    safety: str,
    progress: Progress,
) -> None:
    """Drop what the source holds and load the same copy into it, for engines whose databases cannot be renamed."""
    assert isinstance(engine, InPlaceRestorer)
    name, store = point.manifest.source, workspace.stores[choose_store(point, recovered.store)]
    manifest = store.manifest(name, point.id, fresh=True)
    copy = Copy(store, manifest, lambda: workspace.identities(name))
    try:
        url = engine.empty(manifest.engine)
        restored = load_copy(workspace.places, engine, copy, Created(url), (), globals_too=False, progress=progress)
        held = fingerprint_of(copy)
        checks = prove(workspace.config, workspace.places, engine, copy, url, Ready(held, ()), restored).checks
        wrong = [f"{each.name}: {each.detail}" for each in checks if not each.passed and not each.attention]
    except (OpsError, RestoreFailed) as error:
        wrong = [sentence(error) if isinstance(error, OpsError) else str(error)]
    except KeyboardInterrupt:
        what = f"{name} is NOT whole: we were stopped after it was emptied, while {point.id} was loaded into it"
        raise Stopped(what, **_emptied(name, point.id, recovered.target, safety)) from None
    if wrong:
        what = f"{name} is NOT whole: it was emptied, and loading {point.id} into it failed"
        raise OpsError(what, why="; ".join(wrong), **_emptied(name, point.id, recovered.target, safety))


def _emptied(name: str, backup_id: str, beside: str, safety: str) -> dict[str, str]:
    """What is safe and what to do once a source was emptied and not filled again."""
    held = f"; what {name} held before is in the proved restore point {safety}" if safety else ""
    again = f"ops restore {name} --backup {safety or backup_id} --into-production --without-safety"
    return {
        "safe": f"{backup_id} is restored and proved in {beside}{held}; every backup is untouched",
        "next": f"point the application at {beside}, or {'go back' if safety else 'load it again'}: {again}",
    }
