"""Facts of the core as Dagster metadata and failures. The only place that words them for the UI."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import dagster as dg

from ops_pipelines import text
from ops_pipelines.by_hand import steps
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.ledger import LedgerError
from ops_pipelines.outside.errors import report
from ops_pipelines.redact import redact
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.watch.health import SourceHealth
from ops_pipelines.watch.past import past
from ops_pipelines.workspace import Workspace

Metadata = dict[str, dg.MetadataValue]
DAGSTERS_WORDS = (
    "\n\n---\n*Dagster's words:* to **materialize** an asset is to make it now: to back up, copy or prove. A "
    "**partition** is a day; today's takes a new backup, a past one shows what that day has. A **backfill** does "
    "several days, one after the other. A **run** is one such piece of work, with its log. A **check** says whether "
    "what must hold does hold."
)
"""For whoever sees Dagster for the first time; it ends the description of an asset."""


@contextmanager
def failures_explained() -> Iterator[None]:
    """Turn our errors into step failures that say what, why, what is safe and what to do next.

    The original is dropped on purpose: Dagster would serialize it, and with it what it carries.
    """
    try:
        yield
    except OpsError as error:
        report(error, phase="run")
        fields = {key: dg.MetadataValue.text(str(value)) for key, value in error.as_dict().items() if value}
        raise dg.Failure(description=text.lines(redact(str(error))), metadata=fields, allow_retries=False) from None
    except Exception as error:
        report(error, phase="run")
        raise


def manifest_metadata(manifest: Manifest, location: str) -> Metadata:
    """A restore point: identity, size, rate, ratio, rows, where it is and how to restore it by hand."""
    seconds = (manifest.finished_at - manifest.started_at).total_seconds()
    by_hand = "\n".join(steps(manifest.kind, manifest.engine, manifest.parts))
    return {
        "backup_id": dg.MetadataValue.text(manifest.id),
        "snapshot_at": dg.MetadataValue.timestamp(manifest.snapshot_at),
        "size_bytes": dg.MetadataValue.int(manifest.size_bytes),
        "size": dg.MetadataValue.text(human_size(manifest.size_bytes)),
        "plain_bytes": dg.MetadataValue.int(manifest.plain_bytes),
        "compression_ratio": dg.MetadataValue.float(round(manifest.plain_bytes / max(1, manifest.size_bytes), 2)),
        "duration_s": dg.MetadataValue.float(round(seconds, 3)),
        "rate_mib_s": dg.MetadataValue.float(round(manifest.plain_bytes / 2**20 / max(seconds, 0.001), 1)),
        **_rows(manifest),
        "tables": dg.MetadataValue.int(manifest.contents.tables),
        "schema_digest": dg.MetadataValue.text(manifest.contents.schema_digest[:16]),
        "encrypted": dg.MetadataValue.bool(manifest.encrypted),
        "server_version": dg.MetadataValue.text(str(manifest.engine.get("server_version", ""))),
        "path": dg.MetadataValue.path(location),
        "restore_by_hand": dg.MetadataValue.md(text.markdown_block(by_hand)),
        **_listed("warnings", manifest.notes),
    }


def _rows(manifest: Manifest) -> Metadata:
    if manifest.contents.known_rows is None:
        return {"rows": dg.MetadataValue.text(manifest.contents.rows_text)}
    return {"dagster/row_count": dg.MetadataValue.int(manifest.contents.rows)}


def verdict_metadata(verdict: Verdict) -> Metadata:
    """A verification: the verdict, every check, and the time by phase."""
    checks = [
        dg.TableRecord({"check": check.name, "result": "passed" if check.passed else "FAILED", "found": check.detail})
        for check in verdict.checks
    ]
    total = (verdict.finished_at - verdict.started_at).total_seconds()
    return {
        "backup_id": dg.MetadataValue.text(verdict.backup_id),
        "verdict": dg.MetadataValue.text(verdict.outcome),
        **proof_metadata(verdict),
        "reason": dg.MetadataValue.text(verdict.reason),
        "store": dg.MetadataValue.text(verdict.store),
        "restore_s": dg.MetadataValue.float(round(total, 3)),
        **{f"{phase}_s": dg.MetadataValue.float(seconds) for phase, seconds in verdict.seconds.items()},
        "checks": dg.MetadataValue.table(
            records=checks,
            schema=dg.TableSchema(columns=[dg.TableColumn("check"), dg.TableColumn("result"), dg.TableColumn("found")]),
        ),
        **_listed("restore_warnings", verdict.warnings),
    }


def proof_metadata(verdict: Verdict) -> Metadata:
    """What a verdict is called, how much was compared of what is configured, and what was not."""
    return {
        "proof": dg.MetadataValue.text(verdict.words),
        "whole": dg.MetadataValue.bool(verdict.whole),
        "grade": dg.MetadataValue.text(verdict.grade or "not known"),
        "configured_grade": dg.MetadataValue.text(verdict.wanted or "not known"),
        **_listed("not_compared", [str(gap) for gap in verdict.missing]),
    }


def past_metadata(workspace: Workspace, source: str) -> Metadata:
    """How a source developed, as small charts, and where its page is; less where the ledger does not answer."""
    page = workspace.config.web.url
    found: Metadata = {"page": dg.MetadataValue.url(f"{page.rstrip('/')}/sources/{source}")} if page else {}
    with suppress(LedgerError):
        found["past"] = dg.MetadataValue.md(past(workspace.config, workspace.ledger, source, workspace.clock.now()))
    return found


def health_metadata(health: SourceHealth) -> Mapping[str, dg.MetadataValue]:
    """A source's health, for the `rpo` check."""
    age = health.age.total_seconds() / 3600 if health.age is not None else None
    return {
        "state": dg.MetadataValue.text(health.state),
        "cause": dg.MetadataValue.text(health.cause),
        "rpo_hours": dg.MetadataValue.float(health.rpo.total_seconds() / 3600),
        **({"age_hours": dg.MetadataValue.float(round(age, 3))} if age is not None else {}),
        **({"recovery_point": dg.MetadataValue.text(health.recovery_point)} if health.recovery_point else {}),
        **({"proof": dg.MetadataValue.text(health.proof.words)} if health.proof is not None else {}),
        **({"safe": dg.MetadataValue.text(health.safe)} if health.safe else {}),
        **({"next": dg.MetadataValue.text(health.next)} if health.next else {}),
    }


_HEALTH_COLUMNS = ("source", "step", "state", "age", "allowed", "cause", "next")


def health_table(found: Sequence[SourceHealth]) -> Metadata:
    """How every source is, and below it each of its steps that is not OK; how many are in which state."""
    records = []
    for health in found:
        whole = ("all", health.state, health.age, health.rpo, health.cause, health.next)
        steps = [
            (f"{each.phase} {each.store or ''}".strip(), each.state, each.age, each.threshold, each.cause, each.next)
            for each in health.phases
            if each.state != "OK"
        ]
        for step, state, age, allowed, cause, advice in (whole, *steps):
            ages = (human_duration(span) if span is not None else "–" for span in (age, allowed))
            values = (health.source, step, state, *ages, redact(cause), redact(advice))
            records.append(dg.TableRecord(dict(zip(_HEALTH_COLUMNS, values, strict=True))))
    states = Counter(health.state for health in found)
    return {
        "health": dg.MetadataValue.table(
            records=records, schema=dg.TableSchema([dg.TableColumn(name) for name in _HEALTH_COLUMNS])
        ),
        "states": dg.MetadataValue.text(", ".join(f"{count} {state}" for state, count in states.most_common())),
        "sources": dg.MetadataValue.int(len(found)),
    }


def _listed(name: str, lines: Sequence[str]) -> Metadata:
    """A list, where there is anything to list."""
    return {name: dg.MetadataValue.md(bullets(lines))} if lines else {}


def lines_of(bulleted: object) -> list[str]:
    """The lines of what `bullets` made."""
    return [text.from_markdown(line.removeprefix("- ")) for line in str(bulleted or "").splitlines()]


def bullets(lines: Iterable[str]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {text.markdown(redact(line))}" for line in lines)
