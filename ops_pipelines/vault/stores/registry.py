"""Every store of a configuration, the local one first. A new kind is its own file and a line here."""

from pathlib import Path

from ops_pipelines.config.models import Config
from ops_pipelines.config.stores import AnyStore
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.directory import DirectoryStore
from ops_pipelines.vault.stores.volume import Volume
from ops_pipelines.vault.trust import Trust

LOCAL = "local"


def local_store(config: Config, trust: Trust) -> DirectoryStore:
    """The store every restore point is published in first."""
    return DirectoryStore(LOCAL, config.base / "restore-points", trust)


def open_stores(config: Config, trust: Trust) -> dict[str, Store]:
    """The stores by name."""
    stores: dict[str, Store] = {LOCAL: local_store(config, trust)}
    for name, store in config.stores.items():
        stores[name] = _open(name, store, config.base, trust)
    return stores


def _open(name: str, store: AnyStore, base: Path, trust: Trust) -> Store:
    if store.kind == "directory":
        volume = Volume(name, store.path, base / "stores" / f"{name}.mark", mounted=store.mounted)
        return DirectoryStore(name, store.path, trust, medium=store.medium, offsite=store.offsite, volume=volume)
    # Its driver takes a third of a second to import: who has no bucket does not pay for it.
    from ops_pipelines.vault.stores.s3.store import S3Store  # noqa: PLC0415

    return S3Store(name, store, trust, cache=base / "cache" / name)
