"""Prove a restore point: restore one copy of it into a scratch server and assert what came back."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from pydantic import ValidationError

from ops_pipelines.clock import Stopwatch
from ops_pipelines.engines.base import Contents, RestoreFailed
from ops_pipelines.errors import CorruptCopy, OpsError
from ops_pipelines.numbering import next_verdict
from ops_pipelines.proof import Gap, Grade
from ops_pipelines.recovery.assertions import as_checks, holds_something, run_assertions, run_checks
from ops_pipelines.recovery.blame import Blame, blamed
from ops_pipelines.recovery.compare import Reload, uncompared
from ops_pipelines.recovery.differences import command
from ops_pipelines.recovery.drift import drift
from ops_pipelines.recovery.enclosed.engine import enclosed
from ops_pipelines.recovery.enclosed.ours import ours
from ops_pipelines.recovery.excused import Changed, compare_and_show
from ops_pipelines.recovery.graded import configured_grade, reached_grade
from ops_pipelines.recovery.lineage import lineage
from ops_pipelines.recovery.logbook import write_log
from ops_pipelines.recovery.references import database_of, judged, named_by
from ops_pipelines.recovery.refuse import refuse_shared_server
from ops_pipelines.recovery.reload import in_scratch
from ops_pipelines.sandbox import isolation
from ops_pipelines.scratch import Room, scratch_directory
from ops_pipelines.streams import Progress, silent
from ops_pipelines.sweeping import sweep
from ops_pipelines.vault import codec
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import NAME, Manifest
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.vault.trust import Untrusted
from ops_pipelines.vault.verdict import Check, Outcome, Verdict
from ops_pipelines.workspace import Workspace


def farthest_store(stores: Mapping[str, Store], point: RestorePoint) -> str:
    """The copy that is most worth proving: off-site before elsewhere before local."""
    return max(point.stores, key=lambda name: (stores[name].offsite, name != LOCAL))


def verify(
    workspace: Workspace,
    point: RestorePoint,
    *,
    store: str | None = None,
    progress: Progress = silent,
    run_id: str | None = None,
    again: bool = False,
) -> Verdict:
    """Restore a copy into a scratch server, assert, and keep the verdict beside the copies.

    Args:
        store: the store to fetch from; the farthest that has a copy unless given.
        again: this is the rotation's turn, not a new backup's.
    Returns:
        The verdict. A broken verifier is `inconclusive`, never an exception and never `bad`.
    Raises:
        LedgerError, StoreError: the verdict cannot be kept.
        SafetyRefusal: `verify.server` is the server of a source.
    """
    refuse_shared_server(workspace.config, point.manifest.source)
    sweep(workspace)
    name = store or farthest_store(workspace.stores, point)
    source = point.manifest.source
    with workspace.ledger.activity("verify", source=source, backup_id=point.id, store=name, run_id=run_id) as entry:
        proof = _Proof(workspace, point, name, progress)
        verdict = proof.run(next_verdict(workspace.ledger, workspace.stores, source))
        for keeper in {workspace.local.name: workspace.local, name: workspace.stores[name]}.values():
            keeper.keep_verdict(verdict)
        write_log(workspace.places.verifications, verdict, proof.changed)
        entry.meta = {
            "outcome": verdict.outcome,
            "blames": verdict.blames,
            "reason": verdict.reason,
            "grade": verdict.grade,
            "words": verdict.words,
            "gaps": [str(gap) for gap in verdict.missing],
            "seconds": dict(verdict.seconds),
            "again": again,
            "notable": [f"{check.name}: {check.detail}" for check in verdict.notable],
        }
        if verdict.outcome != "verified":
            entry.fail(f"{verdict.outcome}: {verdict.reason}")
    return verdict


class _Proof:
    """One verification under way: the checks and timings it has gathered so far."""

    def __init__(self, workspace: Workspace, point: RestorePoint, store: str, progress: Progress) -> None:
        self._workspace, self._point, self._progress = workspace, point, progress
        self._store = workspace.stores[store]
        self._checks: list[Check] = []
        self._seconds: dict[str, float] = {}
        self._warnings: list[str] = []
        self._grade: Grade = "restored"
        self._gaps: list[Gap] = []
        self._blames: Blame = "backup"
        self._copy: Copy | None = None
        self._room = Room()
        self.changed: Changed = {}

    def run(self, number: int) -> Verdict:
        started, watch = self._workspace.clock.now(), Stopwatch()
        outcome = self._outcome()
        return Verdict(
            number=number,
            source=self._point.manifest.source,
            backup_id=self._point.id,
            store=self._store.name,
            outcome=outcome,
            blames=self._blames if outcome == "bad" else None,
            grade=self._grade,
            wanted=configured_grade(self._workspace.config.source(self._point.manifest.source), self._point.manifest),
            gaps=self._gaps,
            started_at=started,
            finished_at=started + watch.took(self._workspace.clock.now() - started),
            checks=self._checks,
            seconds=self._seconds,
            warnings=self._warnings,
        )

    def _outcome(self) -> Outcome:
        """Who is to blame decides: the copy is bad, the verifier leaves it open."""
        try:
            self._prove()
        except CorruptCopy as error:
            if error.check == "decrypt" and not self._have_the_key():
                return self._blame("key", "none of the given identities opens it; encrypt.identity is another key")
            self._checks.append(Check(name=error.check, passed=False, detail=_sentence(error)))
            self._blames = "copy"
            return "bad"
        except Untrusted as error:
            self._checks.append(Check(name="signature", passed=False, detail=_sentence(error)))
            self._blames = "copy"
            return "bad"
        except RestoreFailed as error:
            if self._room.little:
                return self._blame("verifier", str(error))
            self._checks.append(Check(name="restore", passed=False, detail=str(error)))
            self._blames = blamed(self._copy)
            return "bad"
        except OpsError as error:
            return self._blame("verifier", f"{_sentence(error)}{f'; next: {error.next}' if error.next else ''}")
        except OSError as error:
            return self._blame("verifier", f"{error.strerror or error} {error.filename or ''}".strip())
        if self._good():
            return "verified"
        if self._room.little:
            return self._blame("verifier", "the restored data differs from the backup")
        self._blames = blamed(self._copy) if self._blames == "backup" else "copy"
        return "bad"

    def _blame(self, check: str, detail: str) -> Outcome:
        room = f"; {self._room.words}" if self._room.words else ""
        self._checks.append(Check(name=check, passed=False, detail=f"{detail}{room}"))
        return "inconclusive"

    def _prove(self) -> None:
        workspace, source = self._workspace, self._point.manifest.source
        # The copy's own manifest is proved, not the one of another store. That it is of this restore point, and no
        # younger than its id, is asked by whoever opens it.
        manifest = self._store.manifest(source, self._point.id, fresh=True)
        copy = self._copy = Copy(self._store, manifest, lambda: workspace.identities(source))
        engine = enclosed(workspace.config, manifest, ours(workspace.config))
        if weak := isolation.warning(isolation.chosen(workspace.config.source(source).verify.isolation)):
            self._checks.append(Check(name="isolation", passed=False, attention=True, detail=weak))
        held = fingerprint_of(copy)
        with (
            scratch_directory(workspace.places.scratch, manifest.kind) as directory,
            self._room.watched(directory),
            ExitStack() as server,
        ):
            with self._phase("start"):
                target = server.enter_context(engine.scratch(directory, manifest.engine))
            restored = engine.restore(
                copy, manifest.engine, target, work=directory, globals_too=True, progress=self._progress
            )
            self._seconds.update(_without_waiting(restored.seconds, copy.fetch_s))
            self._warnings += restored.warnings
            self._grade = reached_grade(held, restored)
            copy.hash_the_rest()
            self._checks += [
                Check(name="checksum", passed=True, detail=f"{len(manifest.parts)} parts"),
                Check(name="restore", passed=True, detail=restored.detail or f"{manifest.plain_bytes} bytes loaded"),
            ]
            with self._phase("compare"):
                found = engine.contents(target, held.level, way=held.way, notes=restored.notes)
                self._gaps += uncompared(held, found, partly=restored.sampled)
                self._checks += as_checks(restored.findings)
                self._compare(held, found, restored.excused, in_scratch(engine, target))
                if manifest.adopted_from is not None:
                    self._checks.append(holds_something(engine.contents(target, "counts", notes=restored.notes)))
            catalogue = workspace.catalogue(source)
            self._checks += drift(manifest, catalogue, workspace.config.source(source).verify)
            self._checks += lineage(self._point, catalogue)
            with self._phase("assert"):
                self._checks += run_assertions(engine, target, held, restored)
            with self._phase("checks"):
                wanted = workspace.config.source(source)
                self._checks += run_checks(engine, target, wanted, as_of=manifest.started_at)
            self._check_published(manifest)
            self._check_references(
                manifest, found if held.level != "off" else engine.contents(target, "counts", notes=restored.notes)
            )
            with self._phase("drop"):
                server.close()

    def _compare(self, held: Contents, found: Contents, excused: Mapping[str, Sequence[str]], reload: Reload) -> None:
        checks, self.changed = compare_and_show(held, found, excused, reload)
        shown = f" (line by line: {command(self._point.manifest.source)})" if self.changed else ""
        self._checks += [
            check.model_copy(update={"detail": check.detail + shown}) if check.name == "schema" else check
            for check in checks
        ]

    def _check_published(self, manifest: Manifest) -> None:
        """Compare the manifest with the one that the ledger saw published, where it did.

        Whoever has the key could sign another one for the same id. What other checks find has its own name, so this
        one comes last.
        """
        made = self._workspace.ledger.made(manifest.source, manifest.id)
        expected = made.meta.get("manifest_sha256") if made is not None else None
        if expected is None or not self._good():
            return
        with self._store.open_part(manifest.source, manifest.id, NAME) as opened:
            found = hashlib.sha256(opened.read()).hexdigest()
        if found != expected:
            detail = f"it is not the one that was published: its SHA-256 is {found}, the ledger has {expected}"
            self._checks.append(Check(name="manifest", passed=False, detail=detail))
            self._blames = "copy"

    def _good(self) -> bool:
        return all(check.passed or check.attention for check in self._checks)

    def _check_references(self, manifest: Manifest, found: Contents) -> None:
        """Ask the database what files it names; what is bad already needs no second opinion."""
        source = self._workspace.config.source(manifest.source)
        if source.names_files is not None and self._good():
            with self._phase("references"):
                point = database_of(manifest, self._workspace.catalogue)
                config, places = self._workspace.config, self._workspace.places
                named = named_by(config, places, point, self._farthest_copy, source.names_files, manifest.id)
                self._checks.append(judged(named, found, manifest, source.names_files, point.id))

    def _farthest_copy(self, point: RestorePoint) -> Copy:
        name, stores = point.manifest.source, self._workspace.stores
        store = stores[farthest_store(stores, point)]
        return Copy(store, store.manifest(name, point.id), lambda: self._workspace.identities(name))

    def _have_the_key(self) -> bool:
        source = self._point.manifest.source
        ours = {codec.public_key(identity) for identity in self._workspace.identities(source)}
        return bool(ours & set(self._point.manifest.recipients)) or "" in ours

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._seconds[name] = round(time.monotonic() - started, 3)


def _without_waiting(seconds: Mapping[str, float], fetch_s: float) -> dict[str, float]:
    """A part is decrypted while it is fetched: the time that went into waiting for the store is told apart."""
    return {"fetch": round(fetch_s, 3), **seconds, "decrypt": round(max(0.0, seconds.get("decrypt", 0) - fetch_s), 3)}


def fingerprint_of(copy: Copy) -> Contents:
    """The fingerprint taken when the copy was dumped. Raises CorruptCopy (check `contents`)."""
    try:
        held = Contents.model_validate_json(copy.data("contents"))
    except ValidationError as error:
        raise CorruptCopy("the fingerprint cannot be read", check="contents", why=str(error)) from None
    said = copy.manifest.contents
    differing = [
        f"{name} {recorded}, the manifest says {expected}"
        for name, recorded, expected in (
            ("level", held.level, said.level),
            ("objects", len(held.objects), said.objects),
            ("tables", len(held.tables), said.tables),
            ("rows", held.rows, said.rows),
            ("schema_digest", held.schema_digest, said.schema_digest),
            ("content_digest", held.content_digest, said.content_digest),
        )
        if recorded != expected
    ]
    if differing:
        raise CorruptCopy("the fingerprint is not the manifest's", check="contents", why="; ".join(differing))
    return held


def _sentence(error: OpsError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
