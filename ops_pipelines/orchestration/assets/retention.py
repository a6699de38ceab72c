"""The `retention` asset: what `keep:` no longer needs is deleted, and every decision is shown.

A source that is refused, or a copy that cannot be deleted, fails nothing: the others are pruned, and the `pruned` check
turns yellow or red with the reason.
"""

from collections.abc import Sequence

import dagster as dg

from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.retention import SourcePruned
from ops_pipelines.clock import human_size
from ops_pipelines.config.execution import CENTRE
from ops_pipelines.orchestration import names
from ops_pipelines.orchestration.assets.common import newest_proofs
from ops_pipelines.orchestration.describe import Metadata, bullets
from ops_pipelines.orchestration.execution import at_site
from ops_pipelines.orchestration.installation import Installation
from ops_pipelines.vault.stores.registry import LOCAL

_COLUMNS = ("source", "store", "restore_point", "started_at", "verdict", "size", "decision", "why")


class RetentionConfig(dg.Config):
    """Set `dry_run` to see what would be deleted."""

    dry_run: bool = False


def build_retention_asset(installation: Installation) -> dg.AssetsDefinition:
    """Retention across all sources and stores."""
    sources = list(installation.config.sources)
    return _retention(installation, CENTRE, installation.names.retention, sources, store=None)


def build_site_retention(installation: Installation) -> list[dg.AssetsDefinition]:
    """Retention in the local store of each other site, which nobody else reaches."""
    config, names = installation.config, installation.names
    return [
        _retention(
            installation,
            site,
            names.retention_at(site),
            [name for name in config.sources if config.site(name) == site],
            store=LOCAL,
        )
        for site in config.other_sites
    ]


def _retention(
    installation: Installation, site: str, key: dg.AssetKey, sources: Sequence[str], *, store: str | None
) -> dg.AssetsDefinition:
    workspace = installation.workspace
    which = "every store" if store is None else f"the local store at {site}"

    @dg.asset(
        key=key,
        op_tags=at_site(installation.config, site, installation.names),
        group_name=installation.names.name("reports"),
        kinds={"retention"},
        owners=[*installation.owners],
        deps=newest_proofs(installation),
        check_specs=[
            dg.AssetCheckSpec(
                names.PRUNED_CHECK,
                asset=key,
                description="No source was refused, no store was left alone, and what was to go is gone.",
            )
        ],
        description=(
            f"What `keep:` no longer needs is deleted from {which}: never the newest verified backup, never after "
            "a failed run of the source. Without `keep:` nothing is deleted."
        ),
    )
    def retention(context: dg.AssetExecutionContext, config: RetentionConfig) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster does not know it by its parameter beside checks
        with installation.step():
            pruned = prune(workspace, sources, store=store, apply=not config.dry_run, run_id=context.run.run_id)
        return dg.MaterializeResult(metadata=retention_metadata(pruned), check_results=[pruned_check(pruned)])

    return retention


def pruned_check(pruned: Sequence[SourcePruned]) -> dg.AssetCheckResult:
    """Refused is a warning: it ends with the next good run. What cannot be deleted will fill a disk."""
    problems = [problem for source in pruned for problem in source.problems]
    stuck = any(store.problems for source in pruned for store in source.stores)
    return dg.AssetCheckResult(
        check_name=names.PRUNED_CHECK,
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR if stuck else dg.AssetCheckSeverity.WARN,
        metadata={"problems": dg.MetadataValue.md(bullets(problems))} if problems else {},
    )


def retention_metadata(pruned: Sequence[SourcePruned]) -> Metadata:
    """What was kept and deleted, and why."""
    stores = [store for source in pruned for store in source.stores]
    freed = sum(store.freed_bytes for store in stores)
    without = [source.source for source in pruned if source.keep is None]
    return {
        "deleted": dg.MetadataValue.int(sum(len(store.deleted) for store in stores)),
        "kept": dg.MetadataValue.int(sum(len(store.decisions) - len(store.deleted) for store in stores)),
        "freed_bytes": dg.MetadataValue.int(freed),
        "freed": dg.MetadataValue.text(human_size(freed)),
        "decisions": dg.MetadataValue.table(
            records=_records(pruned), schema=dg.TableSchema([dg.TableColumn(name) for name in _COLUMNS])
        ),
        **({"refused": dg.MetadataValue.md(bullets(_refused(pruned)))} if _refused(pruned) else {}),
        **({"kept_for_ever": dg.MetadataValue.text(", ".join(without))} if without else {}),
    }


def _refused(pruned: Sequence[SourcePruned]) -> list[str]:
    return [f"{source.source}: {source.refused}" for source in pruned if source.refused]


def _records(pruned: Sequence[SourcePruned]) -> list[dg.TableRecord]:
    """What goes first, then what stays."""
    decisions = [(source, store, each) for source in pruned for store in source.stores for each in store.decisions]
    return [
        dg.TableRecord(
            {
                "source": source.source,
                "store": store.store,
                "restore_point": each.point.id,
                "started_at": f"{each.point.started_at:%Y-%m-%d %H:%M} UTC",
                "verdict": each.standing,
                "size": human_size(each.point.manifest.size_bytes),
                "decision": "kept" if each.stays else "deleted" if each.point.id in store.deleted else "not deleted",
                "why": ", ".join(each.reasons) or each.because,
            }
        )
        for source, store, each in sorted(decisions, key=lambda entry: entry[2].stays)
    ]
