"""The same definitions for a project that is made of components: a few lines of YAML instead of Python."""

from collections.abc import Mapping, Sequence
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
        str, dg.Resolver.default(description="path of ops.yaml, from the folder of this file", examples=["ops.yaml"])
    ] = "ops.yaml"
    key_prefix: Annotated[
        str, dg.Resolver.default(description="begins asset keys and the names of jobs, sensors and pools")
    ] = ""
    owners: Annotated[Sequence[str], dg.Resolver.default(description="who owns the assets")] = ("team:ops",)
    tags: Annotated[Mapping[str, str], dg.Resolver.default(description="tags of every asset of a source")] = Field(
        default_factory=dict
    )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """What the file asks for. Raises ConfigError."""
        path = Path(context.path) / self.config
        return build_definitions(load_config(path), key_prefix=self.key_prefix, owners=self.owners, tags=self.tags)
