"""Bring a restore point back into a new database or folder, and prove what came back before saying so."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from ops_pipelines.config.models import Config
from ops_pipelines.engines.address import shown
from ops_pipelines.engines.base import Created, Engine, Prover, Restored, RestoreFailed
from ops_pipelines.engines.offers import Flusher
from ops_pipelines.errors import CorruptCopy, Inconclusive, OpsError, SourceError, Stopped
from ops_pipelines.places import Places
from ops_pipelines.proof import Gap, Grade, in_words
from ops_pipelines.recovery.assertions import as_checks, run_assertions, run_checks
from ops_pipelines.recovery.choose import choose_store, sentence
from ops_pipelines.recovery.compare import uncompared
from ops_pipelines.recovery.excused import Changed, compare_and_show
from ops_pipelines.recovery.graded import reached_grade
from ops_pipelines.recovery.leftovers import noted
from ops_pipelines.recovery.preflight import Ready, look_ahead
from ops_pipelines.recovery.recorded import recorded
from ops_pipelines.recovery.refuse import refuse_sources
from ops_pipelines.recovery.reload import beside_target
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.streams import Progress, silent
from ops_pipelines.sweeping import sweep
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.verdict import Check
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class Recovered:
    """A finished restore: what went where, how long it took, and what was asserted about it.

    Attributes:
        seconds: wall time altogether.
        phases: wall time by phase.
        only: the tables, collections or paths it was restricted to.
        target: as it is shown, a URL by its parts.
        grade: what was compared of what came back.
        gaps: what was not, though the grade includes it.
        differences: definitions that came back with another effect: the source's text and the restored one by name.
    """

    backup_id: str
    store: str
    target: str
    seconds: float
    checks: list[Check]
    warnings: list[str]
    phases: dict[str, float] = field(default_factory=dict)
    only: Sequence[str] = ()
    grade: Grade = "restored"
    gaps: Sequence[Gap] = ()
    differences: Changed = field(default_factory=dict)

    @property
    def words(self) -> str:
        """How it is told: `verified` alone means that everything was compared."""
        return in_words(self.grade, self.gaps) if self.good else "NOT as it was"

    @property
    def whole(self) -> bool:
        """Whether everything was compared, and was the same."""
        return self.good and self.grade == "full" and not self.gaps

    @property
    def good(self) -> bool:
        """Whether everything came back as it was."""
        return all(check.passed or check.attention for check in self.checks)


def restore_to(
    workspace: Workspace,
    point: RestorePoint,
    to: str,
    *,
    store: str | None = None,
    only: Sequence[str] = (),
    globals_too: bool = False,
    note: bool = True,
    progress: Progress = silent,
) -> Recovered:
    """Restore into a new database or folder and assert what came back.

    Args:
        to: a name beside the source, a URL, or a folder.
        store: where to fetch from; the nearest copy unless given.
        only: nothing but these tables, schemas, collections or paths.
        globals_too: roles and accounts as well.
        note: what is left of the target after a kill is to be found by `leftovers`; the caller sees to that otherwise.
    Raises:
        SafetyRefusal: the target is a source, or is not empty.
        NotReady: something stands in the way; nothing was begun.
        OpsError: the restore failed; the target is incomplete, nothing else was touched.
    """
    name, origin, named = point.manifest.source, choose_store(point, store), shown(to)
    warnings = [str(each) for each in sweep(workspace, stores=False) if each.lodged and each.problem]
    started = time.monotonic()
    with recorded(
        lambda: workspace.ledger, "restore", source=name, backup_id=point.id, store=origin, warnings=warnings
    ) as entry:
        manifest = workspace.stores[origin].manifest(name, point.id, fresh=True)
        copy = Copy(workspace.stores[origin], manifest, lambda: workspace.identities(name))
        engine = workspace.config.engine(name)
        warnings += refuse_sources(workspace.config, name, to)
        ready = look_ahead(workspace.config, workspace.places, copy, to, only)
        with noted(workspace.config, workspace.clock, workspace.places, name, to, point.id) if note else nullcontext():
            created = engine.create_target(to, manifest.engine)
            url = created.url
            with _explained(name, point.id, named):
                restored = load_copy(
                    workspace.places, engine, copy, created, ready.only, globals_too=globals_too, progress=progress
                )
                if isinstance(engine, Flusher):
                    engine.flush(url)
                compared = time.monotonic()
                proof = prove(workspace.config, workspace.places, engine, copy, url, ready, restored)
        phases = {"fetch": round(copy.fetch_s, 3), **restored.seconds, "prove": round(time.monotonic() - compared, 3)}
        seconds = round(time.monotonic() - started, 3)
        recovered = Recovered(
            point.id, origin, named, seconds, proof.checks, [*warnings, *restored.warnings], phases, ready.only,
            proof.grade, proof.gaps, proof.differences,
        )  # fmt: skip
        entry.meta = {
            "to": named,
            "seconds": phases,
            "took_s": seconds,
            "plain_bytes": manifest.plain_bytes,
            "only": list(ready.only),
            "good": recovered.good,
            "words": recovered.words,
        }
        if not recovered.good:
            entry.fail(f"{named} is not as {name} was")
    return recovered


def load_copy(
    places: Places,
    engine: Engine,
    copy: Copy,
    target: Created,
    only: Sequence[str],
    *,
    globals_too: bool,
    progress: Progress,
) -> Restored:
    """Load a copy into a target that is there. Raises RestoreFailed, CorruptCopy, Inconclusive."""
    with scratch_directory(places.scratch, copy.manifest.kind) as work:
        return engine.restore(
            copy, copy.manifest.engine, target.url, work=work, globals_too=globals_too, progress=progress, only=only,
            fresh=target.fresh,
        )  # fmt: skip


@dataclass(frozen=True)
class Proof:
    """What was asserted about something restored, how much of it was compared, and which definitions differ."""

    checks: list[Check]
    grade: Grade
    gaps: Sequence[Gap]
    differences: Changed


def prove(
    config: Config, places: Places, engine: Prover, copy: Copy, url: str, ready: Ready, restored: Restored
) -> Proof:
    """The assertions of a verification, on what was restored: compared, asserted, the user's own checks.

    Of a selection only the comparison: the other assertions are about the whole.
    """
    found = engine.contents(url, ready.held.level, way=ready.held.way, notes=restored.notes)
    held = ready.held if restored.names is None else ready.held.covering(restored.names, found)
    compared, changed = compare_and_show(held, found, restored.excused, beside_target(config, places, engine, copy))
    checks = [*as_checks(restored.findings), *compared]
    grade = reached_grade(held, restored)
    gaps = uncompared(held, found, partly=restored.sampled or bool(ready.only))
    if ready.only:
        listed = ", ".join(ready.only[:5]) + (f" … ({len(ready.only)})" if len(ready.only) > 5 else "")
        done = "restored" if held.level == "off" else "restored and compared"
        checks.append(Check(name="selection", passed=True, detail=f"nothing but {listed} was {done}"))
        return Proof(checks, grade, gaps, changed)
    try:
        checks += run_assertions(engine, url, ready.held, restored)
    except (SourceError, Inconclusive) as error:
        checks.append(Check(name="assertions", passed=False, detail=f"not all run: {sentence(error)}", attention=True))
    source = config.source(copy.manifest.source)
    checks += run_checks(engine, url, source, as_of=copy.manifest.started_at)
    return Proof(checks, grade, gaps, changed)


@contextmanager
def _explained(name: str, backup_id: str, to: str) -> Iterator[None]:
    """Say after a failure what the target is now, and what to try next."""
    safe = f"the source and every backup are untouched; {to} is incomplete, drop it"
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped("stopped", safe=safe, next="ops leftovers --apply, then again") from None
    except (RestoreFailed, CorruptCopy) as error:
        raise OpsError(
            f"{backup_id} of {name} could not be restored to {to}",
            why=sentence(error) if isinstance(error, OpsError) else str(error),
            safe=safe,
            next=f"try another copy (--from) or an older backup: ops list {name}",
        ) from None
    except OpsError as error:
        error.safe = safe
        raise
