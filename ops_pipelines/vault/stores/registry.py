"""Every store of a configuration, the local one first. A new kind is its own file and a line here."""

from ops_pipelines.config.models import Config
from ops_pipelines.config.stores import AnyStore
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.directory import DirectoryStore

LOCAL = "local"


def local_store(config: Config) -> DirectoryStore:
    """The store every restore point is published in first."""
    return DirectoryStore(LOCAL, config.base / "restore-points")


def open_stores(config: Config) -> dict[str, Store]:
    """The stores by name."""
    stores: dict[str, Store] = {LOCAL: local_store(config)}
    for name, store in config.stores.items():
        stores[name] = _open(name, store)
    return stores


def _open(name: str, store: AnyStore) -> Store:
    if store.kind == "directory":
        return DirectoryStore(name, store.path, medium=store.medium, offsite=store.offsite)
    raise NotImplementedError(store.kind)
