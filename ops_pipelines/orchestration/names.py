"""Every name that Dagster sees: asset keys, groups, pools, tags. Decides nothing else."""

import dagster as dg

BACKUP_JOB = "backup"
REPORT_KEY = dg.AssetKey(["backup_report"])
SOURCE_TAG = "ops/source"
RPO_CHECK = "rpo"


def dump_key(source: str) -> dg.AssetKey:
    """`crm/dump`."""
    return dg.AssetKey([source, "dump"])


def copy_key(source: str, store: str) -> dg.AssetKey:
    """`crm/offsite_nas`."""
    return dg.AssetKey([source, f"offsite_{store}"])


def verified_key(source: str) -> dg.AssetKey:
    """`crm/verified`."""
    return dg.AssetKey([source, "verified"])


def pool(source: str) -> str:
    """The pool that keeps runs of one source from overlapping in Dagster's queue."""
    return f"source_{source}"
