"""What several questions need is found out once: which stores answer, what they hold, how large a source is."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from ops_pipelines.engines.base import Probe
from ops_pipelines.engines.registry import load
from ops_pipelines.errors import StoreError
from ops_pipelines.vault.catalogue import Catalogue, read_catalogue
from ops_pipelines.vault.stores.base import Store, Trial
from ops_pipelines.workspace import Workspace

STORE_LIMIT = timedelta(seconds=20)

T = TypeVar("T")


class Shared:
    """Facts about a workspace, each asked for once; whoever comes second waits for the first.

    Args:
        config_path: the `ops.yaml` it was read from.
        only: the source that is of interest; all unless given.
    """

    def __init__(self, workspace: Workspace, config_path: Path, only: str | None = None) -> None:
        self.workspace, self.config_path = workspace, config_path
        self.sources = [only] if only is not None else list(workspace.config.sources)
        on_server = ["postgres"] if workspace.config.ledger is not None else []
        load({*on_server, *(workspace.config.sources[name].kind for name in self.sources)})
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Future[Any]] = {}

    @property
    def stores(self) -> Mapping[str, Store]:
        """The stores of the sources that are of interest."""
        config = self.workspace.config
        if len(self.sources) == len(config.sources):
            return self.workspace.stores
        wanted = {self.workspace.local.name, *(store for name in self.sources for store in config.sources[name].copies)}
        return {name: store for name, store in self.workspace.stores.items() if name in wanted}

    def probe(self, name: str) -> Probe:
        """A source, looked at. Raises OpsError."""
        return self._once("probe", name, lambda: self.workspace.config.engine(name).probe())

    def held_by(self, name: str) -> list[str]:
        """The sources that a store has restore points of. Raises StoreError."""
        return self._once("store", name, self.workspace.stores[name].sources)

    def trial(self, name: str) -> Trial:
        """What became of a small file in a store. Raises StoreError."""
        return self._once("trial", name, self.workspace.stores[name].trial)

    def answering(self) -> dict[str, Store]:
        """The stores that answer within their time; the others have a line of their own."""
        asked = {name: self._begun("store", name, store.sources) for name, store in self.stores.items()}
        found = {}
        for name, future in asked.items():
            try:
                future.result(timeout=STORE_LIMIT.total_seconds())
            except (StoreError, TookTooLong):
                continue
            found[name] = self.workspace.stores[name]
        return found

    def catalogue(self, name: str) -> Catalogue:
        """What the stores that answer hold of a source."""
        return self._once("catalogue", name, lambda: self._read(name))

    def _read(self, name: str) -> Catalogue:
        stores = self.answering()
        known, every = self.workspace.published(name), len(stores) == len(self.stores)
        return read_catalogue(stores, name, known, every_store=every)

    def _once(self, kind: str, name: str, ask: Callable[[], T]) -> T:
        return cast(T, self._begun(kind, name, ask).result())

    def _begun(self, kind: str, name: str, ask: Callable[[], Any]) -> Future[Any]:
        with self._lock:
            if (known := self._known.get((kind, name))) is not None:
                return known
            future: Future[Any] = Future()
            self._known[kind, name] = future

        def work() -> None:
            try:
                future.set_result(ask())
            except Exception as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future
