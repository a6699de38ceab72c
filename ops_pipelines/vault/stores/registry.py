"""The kinds of store, and every store of a configuration. A new kind is its own file and one line here."""

from collections.abc import Mapping
from pathlib import Path

from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.directory_settings import DirectorySettings
from ops_pipelines.vault.stores.s3.settings import S3Settings
from ops_pipelines.vault.stores.settings import StoreSettings
from ops_pipelines.vault.trust import Trust

LOCAL = "local"
KINDS: tuple[type[StoreSettings], ...] = (DirectorySettings, S3Settings)


def local_store(base: Path, trust: Trust) -> DirectoryStore:
    """The store every restore point is published in first."""
    return DirectoryStore(LOCAL, base / "restore-points", trust)


def open_stores(stores: Mapping[str, StoreSettings], base: Path, trust: Trust) -> dict[str, Store]:
    """The stores by name, the local one first."""
    opened: dict[str, Store] = {LOCAL: local_store(base, trust)}
    return opened | {name: each.open(name, base, trust) for name, each in stores.items()}
