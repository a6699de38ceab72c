"""The same definitions for a project that is made of components: a few lines of YAML instead of Python."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import dagster as dg
from pydantic import Field

from ops_pipelines.config.load import load_config
from ops_pipelines.orchestration.build import build_definitions


class OpsBackupsComponent(dg.Component, dg.Resolvable, dg.Model):
    """Verified backups of everything that an `ops.yaml` protects.

    Each source gets a dump, its copies, and a proof: the backup restored into a throwaway server and compared. One
    component serves every source of the file.
    """

    config: Annotated[
        str,
        dg.Resolver.default(
            description="path of ops.yaml, from the folder of this file or from one above it", examples=["ops.yaml"]
        ),
    ] = "ops.yaml"
    key_prefix: Annotated[
        str, dg.Resolver.default(description="begins asset keys and the names of jobs, sensors and pools")
    ] = ""
    owners: Annotated[Sequence[str], dg.Resolver.default(description="who owns the assets")] = ("team:ops",)
    tags: Annotated[Mapping[str, str], dg.Resolver.default(description="tags of every asset of a source")] = Field(
        default_factory=dict
    )
    after: Annotated[
        Mapping[str, Sequence[str]],
        dg.Resolver.default(
            description="by source, keys of the assets that its dump depends on", examples=[{"crm": ["dbt/customers"]}]
        ),
    ] = Field(default_factory=dict)
    partitions_start: Annotated[
        date | None,
        dg.Resolver(
            lambda _context, day: date.fromisoformat(day) if day else None,
            model_field_type=str,
            description="first day of the partitions; else what ops.yaml says",
            examples=["2026-01-31"],
        ),
    ] = None

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """What the file asks for. Raises ConfigError."""
        config = load_config(_nearest(Path(context.path), self.config))
        if self.partitions_start is not None:
            config = config.model_copy(update={"history_from": self.partitions_start})
        after = {name: [dg.AssetKey.from_user_string(key) for key in keys] for name, keys in self.after.items()}
        return build_definitions(config, key_prefix=self.key_prefix, owners=self.owners, tags=self.tags, after=after)


def _nearest(folder: Path, name: str) -> Path:
    """The file of this name in the folder, or in the first above it that has one."""
    found = (each / name for each in (folder, *folder.parents) if (each / name).is_file())
    return next(found, folder / name)
