"""Verified backups as Dagster assets: a backup counts only after it has been restored."""

__version__ = "0.1.0"
