"""Recover one source on the clean machine, into a scratch server that lives on until the drill ends."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from ops_pipelines.drill.context import Drill
from ops_pipelines.drill.record import Loss, SourceResult, minutes
from ops_pipelines.engines.base import Contents, Engine, Restored, RestoreFailed
from ops_pipelines.errors import OpsError, StoreError
from ops_pipelines.language.said import said
from ops_pipelines.recovery.assertions import as_checks, run_assertions, run_check
from ops_pipelines.recovery.choose import sentence
from ops_pipelines.recovery.compare import uncompared
from ops_pipelines.recovery.enclosed.engine import enclosed
from ops_pipelines.recovery.enclosed.ours import ours
from ops_pipelines.recovery.excused import compare_but
from ops_pipelines.recovery.graded import reached_grade
from ops_pipelines.recovery.references import judged, named_in
from ops_pipelines.recovery.reload import in_scratch
from ops_pipelines.recovery.verify import farthest_store, fingerprint_of
from ops_pipelines.scratch import scratch_directory
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.verdict import Check


@dataclass(frozen=True)
class Alive:
    """A restored source whose server still runs."""

    name: str
    engine: Engine
    target: str
    manifest: Manifest
    found: Contents


def newest(drill: Drill, name: str) -> RestorePoint:
    """What a disaster goes back to: the newest verified restore point that survived, else the newest at all.

    Raises:
        StoreError: nothing survived.
    """
    catalogue = drill.clean.catalogue(name)
    point = catalogue.recovery_point
    if point is None and (point := catalogue.newest) is not None:
        drill.notes.append(
            said("{name}: no restore point that survives is known to be verified; the newest was taken", name=name)
        )
    if point is None:
        raise StoreError(
            f"nothing of {name} survives in {', '.join(drill.clean.stores)}",
            why="; ".join(catalogue.messages),
            next=f"ops copy {name} --to {next(iter(drill.clean.stores))}",
        )
    return point


def recover(
    drill: Drill,
    name: str,
    alive: Mapping[str, Alive],
    *,
    point: RestorePoint | None = None,
    store: str = "",
    loss: Loss | None = None,
) -> tuple[SourceResult, Alive | None]:
    """Restore a source, compare, assert, and leave its server running. What goes wrong is in the result.

    Args:
        alive: what was restored before it; a database is asked for the files it names.
        point: the restore point; the newest verified that survives unless given.
        store: the store to fetch from; the farthest unless given.
        loss: what is lost by going back to `point`; compared with the newest known unless given.
    """
    recovery = _Recovery(drill, name, alive)
    drill.say(said("{name}: recovery begins", name=name))
    try:
        recovery.run(point, store, loss)
    except RestoreFailed as error:
        recovery.facts["failure"] = said("the restore failed: {why}", why=str(error))
    except OpsError as error:
        recovery.facts["failure"] = sentence(error)
    except OSError as error:
        recovery.facts["failure"] = f"{error.strerror or error} {error.filename or ''}".strip()
    result = recovery.result()
    took = round(result.took_s, 1)
    if result.passed:
        drill.say(said("{name}: is back after {took} s", name=name, took=took))
    else:
        drill.say(said("{name}: is NOT back after {took} s: {why}", name=name, took=took, why=result.problems[0]))
    return result, recovery.alive if result.passed else None


class _Recovery:
    """One recovery: the facts, checks and times it has gathered so far."""

    def __init__(self, drill: Drill, name: str, others: Mapping[str, Alive]) -> None:
        self._drill, self._name, self._others = drill, name, others
        self._started = time.monotonic()
        self._seconds: dict[str, float] = {}
        self._checks: list[Check] = []
        self.facts: dict[str, object] = {}
        self.alive: Alive | None = None

    def result(self) -> SourceResult:
        """What is known now."""
        settings = self._drill.workspace.config.source(self._name)
        return SourceResult.model_validate(
            {
                "source": self._name,
                "kind": settings.kind,
                "seconds": self._seconds,
                "took_s": round(time.monotonic() - self._started, 3),
                "rpo_s": settings.rpo.total_seconds(),
                "rto_s": settings.rto.total_seconds(),
                "checks": self._checks,
                **self.facts,
            }
        )

    def run(self, point: RestorePoint | None, store: str, loss: Loss | None) -> None:
        """Find, restore, compare, assert. Raises OpsError, RestoreFailed, OSError."""
        drill, machine = self._drill, self._drill.clean
        with self._phase("find"):
            point = point or newest(drill, self._name)
            store = store or farthest_store(machine.stores, point)
            manifest = machine.stores[store].manifest(self._name, point.id, fresh=True)
            self.facts |= {"backup_id": point.id, "store": store, "verified_before": point.verified}
            self.facts["loss"] = loss or since_newest(drill, point)
        copy = Copy(machine.stores[store], manifest, lambda: machine.identities(self._name))
        engine = enclosed(machine.config, manifest, ours(drill.workspace.config))
        with self._phase("open"):
            held = fingerprint_of(copy)
        directory = drill.servers.enter_context(scratch_directory(machine.places.scratch, manifest.kind))
        with self._phase("start"):
            target = drill.servers.enter_context(engine.scratch(directory, manifest.engine))
        restored = engine.restore(
            copy, manifest.engine, target, work=directory, globals_too=True, progress=self._progress
        )
        self._seconds |= {"fetch": round(copy.fetch_s, 3), **restored.seconds}
        self.facts |= {"warnings": restored.warnings, "versions": _versions(manifest)}
        self._checks += as_checks(restored.findings)
        self._assert(engine, target, manifest, held, restored)

    def _progress(self, phase: str, done: int, total: int | None) -> None:
        self._drill.progress(f"{self._name}: {phase}", done, total)

    def _assert(self, engine: Engine, target: str, manifest: Manifest, held: Contents, restored: Restored) -> None:
        with self._phase("compare"):
            found = engine.contents(target, held.level, way=held.way, notes=restored.notes)
            self._checks += compare_but(held, found, restored.excused, in_scratch(engine, target))
        self.facts["rows"] = found.rows if held.level != "off" else None
        self.facts["grade"] = reached_grade(held, restored)
        self.facts["gaps"] = uncompared(held, found, partly=restored.sampled)
        with self._phase("assert"):
            self._checks += run_assertions(engine, target, held, restored)
        with self._phase("checks"):
            for check in self._drill.clean.config.source(self._name).checks:
                self._checks.append(run_check(engine, target, check, as_of=manifest.started_at))
            self._references(manifest, found)
        self.alive = Alive(self._name, engine, target, manifest, found)

    def _references(self, manifest: Manifest, found: Contents) -> None:
        """The files that the database restored before names; a pair that was not taken together is told."""
        source = self._drill.clean.config.source(self._name)
        if source.database is None or source.database not in self._others:
            return
        database = self._others[source.database]
        tie = manifest.tied_to
        if tie is not None and tie.backup_id != database.manifest.id:
            self._checks.append(
                Check(
                    name="same moment", passed=False, attention=True,
                    detail=f"taken with {tie.backup_id} of {tie.source}, restored with {database.manifest.id}",
                )
            )  # fmt: skip
        if source.names_files is not None:
            kind = database.manifest.kind
            named = named_in(database.engine, database.target, kind, source.names_files, manifest.id)
            self._checks.append(judged(named, found, manifest, source.names_files, database.manifest.id))

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] = round(time.monotonic() - started, 3)


def since_newest(drill: Drill, point: RestorePoint) -> Loss:
    """What is lost by going back to a restore point: time since its dump, and rows of the newest dump known."""
    name = point.manifest.source
    known = drill.workspace.catalogue(name).newest or point
    newer = known.id != point.id
    lost = _more(known, point) if newer else 0
    return Loss(
        minutes=minutes(point.started_at, drill.disaster_at),
        against=said("the newest dump known anywhere, {id}", id=known.id) if newer else said("no newer dump is known"),
        rows=lost,
    )


def _more(newer: RestorePoint, older: RestorePoint) -> int | None:
    """By how many rows one is larger; None where nobody counted those of both."""
    now, then = newer.manifest.contents.known_rows, older.manifest.contents.known_rows
    return max(0, now - then) if now is not None and then is not None else None


def between(drill: Drill, lost: RestorePoint, kept: RestorePoint) -> Loss:
    """What the older of two restore points lacks, table by table, from their fingerprints."""
    tables: dict[str, int] = {}
    rows: int | None = None
    try:
        later, earlier = (_fingerprint(drill, each) for each in (lost, kept))
    except OpsError as error:
        drill.notes.append(
            said(
                "{name}: the rows lost are those of the manifests: {why}",
                name=kept.manifest.source, why=sentence(error),
            )
        )  # fmt: skip
        rows = _more(lost, kept)
    else:
        for table in sorted(later.tables.keys() | earlier.tables.keys()):
            one, other = later.tables.get(table), earlier.tables.get(table)
            if one != other:
                tables[table] = (one.rows if one else 0) - (other.rows if other else 0)
        if "off" not in (later.level, earlier.level):
            rows = sum(more for more in tables.values() if more > 0)
    return Loss(
        minutes=minutes(kept.started_at, drill.disaster_at),
        against=said("{id}, the newest dump, declared bad", id=lost.id),
        rows=rows,
        tables=tables,
    )


def _fingerprint(drill: Drill, point: RestorePoint) -> Contents:
    machine = drill.clean
    store = machine.stores[farthest_store(machine.stores, point)]
    manifest = store.manifest(point.manifest.source, point.id)
    return fingerprint_of(Copy(store, manifest, lambda: machine.identities(manifest.source)))


def _versions(manifest: Manifest) -> dict[str, str]:
    known = {key: str(value) for key, value in manifest.engine.items() if key.endswith("version")}
    return {"dumped by": manifest.product, **known}


def total_rto(drill: Drill, application: str) -> timedelta:
    """The target of an application: its own, or what its sources may take one after the other."""
    declared = drill.applications[application]
    if declared.rto is not None:
        return declared.rto
    return sum((drill.workspace.config.source(name).rto for name in declared.sources), timedelta())
