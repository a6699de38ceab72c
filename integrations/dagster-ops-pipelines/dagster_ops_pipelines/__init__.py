"""Verified backups as Dagster assets. Everything is done by ops_pipelines; this gives it the name of an integration."""

from dagster._core.libraries import DagsterLibraryRegistry
from ops_pipelines import build_definitions, load_config
from ops_pipelines.components import OpsBackupsComponent

__all__ = ["OpsBackupsComponent", "build_definitions", "load_config"]
__version__ = "0.1.0"

DagsterLibraryRegistry.register(
    "dagster-ops-pipelines", __version__, is_dagster_package=False
)
